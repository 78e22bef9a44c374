//! The image's clock: what chrony is told, and that it is told of a pulse per second only where there is one.

use std::process::{Command, Output};

use super::{repository, said};

/// Where the pulse is read.
const DEVICE: &str = "/dev/pps0";

fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap()
}

fn configuration() -> String {
    read("yocto/meta-edge-agent/recipes-support/chrony/files/chrony.conf")
}

/// What follows a word at the beginning of a line.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(word)).collect()
}

/// A folder with the image's configuration of chrony, which looks for references in the same folder.
fn beside(reference: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    let text = configuration().lines().fold(String::new(), |text, line| match line.split_once(' ') {
        Some(("confdir", _)) => format!("{text}confdir {here}/references\n"),
        Some(("driftfile", _)) => text,
        // Nobody is asked or heard, and nothing of this machine's own chrony is touched.
        Some(("bindcmdaddress", _)) => format!("{text}cmdport 0\nbindcmdaddress /\npidfile {here}/chronyd.pid\n"),
        _ => format!("{text}{line}\n"),
    });
    std::fs::write(folder.path().join("chrony.conf"), text).unwrap();
    if let Some(text) = reference {
        std::fs::create_dir(folder.path().join("references")).unwrap();
        std::fs::write(folder.path().join("references/clock-reference.conf"), text).unwrap();
    }
    folder
}

/// Runs chrony with a folder's configuration, without touching the clock; none, with a word why, where it is not here.
fn chronyd(arguments: &[&str], folder: &tempfile::TempDir) -> Option<Output> {
    let mut run = Command::new("chronyd");
    run.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(["-x", "-U"]).args(arguments);
    match run.arg("-f").arg(folder.path().join("chrony.conf")).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: chronyd cannot be run: {error}");
            None
        }
    }
}

#[test]
fn chrony_is_given_the_pulse_only_where_its_device_is() {
    let (unit, reference) = (read("systemd/edge-clock-reference.service"), read("systemd/clock-reference.conf"));
    assert_eq!(after(&unit, "ConditionPathExists="), [DEVICE]);
    assert_eq!(after(&reference, "refclock "), [format!("PPS {DEVICE} refid PPS poll 3")]);
    let folder = after(&configuration(), "confdir ").concat();
    let copied = format!("/usr/bin/cp /usr/share/edge-agent/clock-reference.conf {folder}/");
    assert_eq!(after(&unit, "ExecStart="), [copied], "into the folder in which chrony looks");
    assert_eq!(after(&unit, "RuntimeDirectory="), folder.strip_prefix("/run/").into_iter().collect::<Vec<_>>());
    assert_eq!(
        (after(&unit, "Before="), after(&unit, "WantedBy=")),
        (vec!["chronyd.service"], vec!["chronyd.service"])
    );
    let recipe = read("yocto/meta-edge-agent/recipes-core/edge-system/edge-system_0.1.0.bb");
    for installed in
        ["${S}/systemd/edge-clock-reference.service", "${D}${datadir}/edge-agent ${S}/systemd/clock-reference.conf"]
    {
        assert!(recipe.contains(installed), "{installed} is not in the image");
    }
}

#[test]
fn chrony_understands_what_it_is_told_with_a_pulse_and_without() {
    let reference = read("systemd/clock-reference.conf");
    for (reference, pulses) in [(None, 0), (Some(reference.as_str()), 1)] {
        let Some(printed) = chronyd(&["-p"], &beside(reference)) else { return };
        let printed = (printed.status.success(), said(&printed));
        assert!(printed.0, "{}", printed.1);
        assert_eq!(after(&printed.1, "refclock PPS /dev/pps0 ").len(), pulses, "{}", printed.1);
        assert_eq!(after(&printed.1, "sourcedir "), ["/persist/chrony"]);
    }
    let Some(wrong) = chronyd(&["-p"], &beside(Some("refclock PPS"))) else { return };
    assert!(!wrong.status.success(), "a wrong line would go unnoticed");
}

/// Why the unit looks for the device first: chrony does not start without one that it was told of.
#[test]
fn chrony_runs_without_a_reference_and_ends_for_one_that_is_not_there() {
    let reference = read("systemd/clock-reference.conf").replace(DEVICE, "/dev/no-such-pulse");
    let Some(ended) = chronyd(&["-d", "-t", "1"], &beside(Some(&reference))) else { return };
    assert!(!ended.status.success() && said(&ended).contains("Could not open /dev/no-such-pulse"), "{}", said(&ended));
    let Some(ran) = chronyd(&["-d", "-t", "1"], &beside(None)) else { return };
    assert!(said(&ran).contains("Timeout reached"), "it ends because it was told to: {}", said(&ran));
}
