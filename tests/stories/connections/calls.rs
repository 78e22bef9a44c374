//! What `strace` writes of calls that name an address.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Whom a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// An address and port.
    Internet(SocketAddr),
    /// A socket of this machine by its name; abstract ones begin with `@`.
    Unix(PathBuf),
    /// The kernel's own answers about links, addresses and routes.
    Netlink,
    /// Nobody: an address is taken back (`AF_UNSPEC`), or the socket is connected and the call names none.
    Nowhere,
    /// What this reader does not know, as it was written.
    Unknown(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Internet(address) => write!(f, "{address}"),
            Place::Unix(path) => write!(f, "{}", path.display()),
            Place::Netlink => f.write_str("netlink"),
            Place::Nowhere => f.write_str("nowhere"),
            Place::Unknown(text) => f.write_str(text),
        }
    }
}

/// The calls of all threads of a program, by name and place.
///
/// # Panics
/// When nothing was written down, which is not the same as that nothing was called.
pub(crate) fn calls(folder: &Path, program: &str) -> Vec<(String, Place)> {
    let files = std::fs::read_dir(folder).expect("the tracer's files");
    let of_program = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == program);
    let files: Vec<_> = files.map(|file| file.expect("a file").path()).filter(of_program).collect();
    assert!(files.len() > 1, "{program}: {} threads were traced", files.len());
    let texts = files.iter().map(|path| std::fs::read_to_string(path).expect("what was traced"));
    let found: Vec<_> = texts.flat_map(|text| text.lines().filter_map(call).collect::<Vec<_>>()).collect();
    assert!(!found.is_empty(), "{program}: no call was written down");
    found
}

/// One line: the call's name and whom it is for; none for what is no call, as the word on a thread's end.
fn call(line: &str) -> Option<(String, Place)> {
    let (name, arguments) = line.split_once('(')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase());
    is_name.then(|| (name.to_owned(), place(arguments)))
}

fn place(arguments: &str) -> Place {
    let Some((_, rest)) = arguments.split_once("sa_family=") else { return Place::Nowhere };
    let family = rest.split([',', '}']).next().unwrap_or_default();
    let found = match family {
        "AF_INET" => internet(rest, "sin_port=htons(", "inet_addr(\""),
        "AF_INET6" => internet(rest, "sin6_port=htons(", "inet_pton(AF_INET6, \""),
        "AF_UNIX" => {
            let path = between(rest, "sun_path=\"", "\"").map(PathBuf::from);
            path.or_else(|| Some(PathBuf::from(format!("@{}", between(rest, "sun_path=@\"", "\"")?)))).map(Place::Unix)
        }
        "AF_NETLINK" => Some(Place::Netlink),
        "AF_UNSPEC" => Some(Place::Nowhere),
        _ => None,
    };
    found.unwrap_or_else(|| Place::Unknown(arguments.to_owned()))
}

fn internet(rest: &str, port: &str, address: &str) -> Option<Place> {
    let port: u16 = between(rest, port, ")")?.parse().ok()?;
    let address: IpAddr = between(rest, address, "\"")?.parse().ok()?;
    Some(Place::Internet(SocketAddr::new(address, port)))
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

#[test]
fn every_kind_of_address_is_read() {
    let read = |line: &str| call(line).expect("a call").1;
    let line = "connect(9, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr(\"192.0.2.1\")}, 16) = 0";
    assert_eq!(read(line), Place::Internet("192.0.2.1:53".parse().unwrap()));
    let line = "sendto(9, \"\"..., 40, MSG_NOSIGNAL, {sa_family=AF_INET6, sin6_port=htons(443), \
                sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \"2001:db8::1\", &sin6_addr), sin6_scope_id=0}, 28) = 40";
    assert_eq!(read(line), Place::Internet("[2001:db8::1]:443".parse().unwrap()));
    let line = "connect(3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = -1 ENOENT (No such file or directory)";
    assert_eq!(read(line), Place::Unix("/run/x".into()));
    assert_eq!(read("connect(3, {sa_family=AF_UNIX, sun_path=@\"bus\"}, 12) = 0"), Place::Unix("@bus".into()));
    assert_eq!(read("sendto(9, \"\"..., 40, MSG_NOSIGNAL, NULL, 0) = 40"), Place::Nowhere);
    assert!(matches!(read("connect(3, {sa_family=AF_VSOCK, svm_cid=2}, 16) = 0"), Place::Unknown(_)));
    assert_eq!(call("+++ exited with 0 +++"), None);
}
