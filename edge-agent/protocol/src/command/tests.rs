use super::*;
use crate::sign::testing::{Authority, Identity, at};

fn command(role: Role) -> Command {
    Command {
        version: CONTRACT_VERSION,
        id: CommandId::from_bytes([1; 16]),
        request: RequestId::from_bytes([2; 16]),
        agency: "springfield".parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        issuer: "ada".parse().unwrap(),
        role,
        operation: Operation::Clip(ClipScope {
            camera: "gate".parse().unwrap(),
            from: at(),
            to: at().saturating_add(std::time::Duration::from_secs(15)),
        }),
        purpose: "investigation".parse().unwrap(),
        case: "2026-0042".parse().unwrap(),
        policy: None,
        issued: at(),
        expires: at().saturating_add(MAX_COMMAND_LIFE),
        challenge: Challenge::from_bytes([7; 16]),
    }
}

fn seal(command: &Command, identity: &Identity) -> Vec<u8> {
    command.seal(&identity.key, &identity.chain).unwrap()
}

fn reason(result: Result<Authentic, NotAuthentic>) -> Refusal {
    result.unwrap_err().reason
}

#[test]
fn a_command_of_the_agencys_own_person_is_authentic() {
    let authority = Authority::new("springfield");
    let asked = command(Role::Investigator);
    let sealed = seal(&asked, &authority.person("ada", "investigator"));
    assert!(sealed.len() < MAX_COMMAND_BYTES / 4, "{} bytes", sealed.len());
    assert_eq!(Command::open(&sealed, &authority.root(), Some(at())).unwrap().command(), &asked);
    assert_eq!(Command::peek(&sealed).unwrap(), asked);
}

#[test]
fn a_role_that_the_certificate_does_not_give_is_forged() {
    let authority = Authority::new("springfield");
    let sealed = seal(&command(Role::Supervisor), &authority.person("ada", "investigator"));
    assert_eq!(reason(Command::open(&sealed, &authority.root(), Some(at()))), Refusal::Forged);
}

#[test]
fn a_command_in_the_name_of_another_is_forged() {
    let authority = Authority::new("springfield");
    let sealed = seal(&command(Role::Investigator), &authority.person("eve", "investigator"));
    assert_eq!(reason(Command::open(&sealed, &authority.root(), Some(at()))), Refusal::Forged);
}

#[test]
fn another_agencys_person_is_untrusted() {
    let (ours, theirs) = (Authority::new("springfield"), Authority::new("shelbyville"));
    let sealed = seal(&command(Role::Investigator), &theirs.person("ada", "investigator"));
    assert_eq!(reason(Command::open(&sealed, &ours.root(), Some(at()))), Refusal::Untrusted);
}

#[test]
fn a_unit_signs_no_commands() {
    let authority = Authority::new("springfield");
    let sealed = seal(&command(Role::Investigator), &authority.unit("pole-8"));
    assert_eq!(reason(Command::open(&sealed, &authority.root(), Some(at()))), Refusal::Untrusted);
}

#[test]
fn what_is_too_large_or_no_command_is_refused_by_name() {
    let root = Authority::new("springfield").root();
    let large = vec![0; MAX_COMMAND_BYTES + 1];
    assert_eq!(reason(Command::open(&large, &root, None)), Refusal::Oversized);
    assert_eq!(reason(Command::open(b"open the gate", &root, None)), Refusal::Malformed);
}

#[test]
fn another_version_is_named_as_such() {
    let authority = Authority::new("springfield");
    let newer = Command { version: 2, ..command(Role::Investigator) };
    let sealed = seal(&newer, &authority.person("ada", "investigator"));
    assert_eq!(reason(Command::open(&sealed, &authority.root(), Some(at()))), Refusal::UnknownVersion);
}

#[test]
fn video_is_for_investigators_and_supervisors_alone() {
    let clip = command(Role::Investigator).operation;
    let allowed: Vec<_> = Role::ALL.iter().copied().filter(|&role| clip.allowed_to(role)).collect();
    assert_eq!(allowed, [Role::Investigator, Role::Supervisor]);
    let allowed: Vec<_> = Role::ALL.iter().copied().filter(|&role| Operation::Health.allowed_to(role)).collect();
    assert_eq!(allowed, [Role::Supervisor, Role::Technician]);
}
