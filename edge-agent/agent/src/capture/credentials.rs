//! A camera's user and password: from a file that only its owner may read, into a type that cannot be printed.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// No sensible file of this kind is larger.
const LARGEST_BYTES: u64 = 4096;
/// Longer ones are no user and password, but something pasted.
const LONGEST_TYPED: usize = 512;

/// Where the service manager names the folder of this service's credentials.
const MANAGED: &str = "CREDENTIALS_DIRECTORY";

/// A user name and a password. There is no `Display`, and `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

/// Why no credentials came of a file. The file's content appears in none of these.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It cannot be read.
    #[error("cannot read the credentials in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody other than its owner may read or write it.
    #[error("{path} may be read by others (mode {mode:o}): chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not one line `user:password`.
    #[error("{path} must hold one line: user:password")]
    Form {
        /// The file.
        path: PathBuf,
    },
}

/// Why a user and password that somebody typed cannot be kept. It shows neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLogin {
    /// A password alone.
    #[error("give the camera's user too")]
    NoUser,
    /// The file's line ends the user with the first colon.
    #[error("a camera's user has no colon")]
    Colon,
    /// A line end or its like.
    #[error("user and password hold no invisible signs")]
    Invisible,
    /// Beyond what any camera takes.
    #[error("user and password are longer than any camera takes")]
    Long,
}

impl Credentials {
    /// As somebody typed them: what [`Credentials::from_file`] reads back from [`Credentials::line`].
    ///
    /// # Errors
    /// Why they cannot be kept.
    pub fn typed(user: &str, password: &str) -> Result<Self, BadLogin> {
        if user.is_empty() {
            Err(BadLogin::NoUser)
        } else if user.contains(':') {
            Err(BadLogin::Colon)
        } else if user.chars().chain(password.chars()).any(char::is_control) {
            Err(BadLogin::Invisible)
        } else if user.len() + password.len() > LONGEST_TYPED {
            Err(BadLogin::Long)
        } else {
            Ok(Self::new(user, password))
        }
    }

    /// The line of their file: for that file alone.
    pub fn line(&self) -> String {
        format!("{}:{}\n", self.user, self.password)
    }

    /// A user and a password.
    fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned() }
    }

    /// Reads `user:password` from a file with mode 0600 or 0400, or from a credential of the service manager's.
    ///
    /// # Errors
    /// When it cannot be read, others may read it, or it has another form.
    pub fn from_file(path: &Path) -> Result<Self, CredentialError> {
        Self::read(path, std::env::var_os(MANAGED).as_deref().map(Path::new))
    }

    /// A credential may be open to its group: newer service managers let their services read it by that, within a
    /// folder that nobody else enters.
    fn read(path: &Path, managed: Option<&Path>) -> Result<Self, CredentialError> {
        let is_managed = managed.is_some_and(|folder| path.parent() == Some(folder));
        let closed_to = if is_managed { 0o037 } else { 0o077 };
        let unread = |source| CredentialError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unread)?;
        // Asked of the open file, so that nobody can exchange it in between.
        let about = file.metadata().map_err(unread)?;
        let mode = about.permissions().mode() & 0o777;
        if mode & closed_to != 0 {
            return Err(CredentialError::Open { path: path.to_owned(), mode });
        }
        if about.size() > LARGEST_BYTES {
            return Err(CredentialError::Form { path: path.to_owned() });
        }
        let mut text = String::new();
        file.take(LARGEST_BYTES).read_to_string(&mut text).map_err(unread)?;
        let line = text.trim_end_matches(['\r', '\n']);
        match line.split_once(':') {
            Some((user, password)) if !user.is_empty() && !line.contains('\n') => Ok(Self::new(user, password)),
            Some(_) | None => Err(CredentialError::Form { path: path.to_owned() }),
        }
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password: for the camera alone.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn one_line_in_a_private_file_is_read() {
        let file = file("admin:se:cret \n", 0o600);
        assert_eq!(Credentials::from_file(file.path()).unwrap(), Credentials::new("admin", "se:cret "));
    }

    #[test]
    fn what_is_typed_comes_back_from_its_file_and_what_would_not_is_refused() {
        for (user, password) in [("admin", "se:cret "), ("admin", ""), ("Jürgen", "pässword")] {
            let typed = Credentials::typed(user, password).unwrap();
            assert_eq!(Credentials::from_file(file(&typed.line(), 0o600).path()).unwrap(), typed);
        }
        let long = "x".repeat(LONGEST_TYPED);
        for (user, password, why) in [
            ("", "secret", BadLogin::NoUser),
            ("ad:min", "secret", BadLogin::Colon),
            ("admin", "secret\nx:y", BadLogin::Invisible),
            ("admin", &long, BadLogin::Long),
        ] {
            let refused = Credentials::typed(user, password).unwrap_err();
            assert_eq!(refused, why);
            assert!(!format!("{refused} {refused:?}").contains("secret"));
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let error = Credentials::from_file(file("admin:secret", 0o640).path()).unwrap_err();
        assert!(matches!(error, CredentialError::Open { mode: 0o640, .. }), "{error:?}");
    }

    #[test]
    fn a_credential_of_the_service_managers_may_be_open_to_its_group_and_to_nobody_else() {
        for (mode, is_good) in [(0o400, true), (0o440, true), (0o444, false), (0o460, false)] {
            let file = file("admin:secret", mode);
            let folder = file.path().parent();
            assert_eq!(Credentials::read(file.path(), folder).is_ok(), is_good, "{mode:o}");
            assert_eq!(Credentials::read(file.path(), Some(Path::new("/nowhere"))).is_ok(), mode == 0o400, "{mode:o}");
        }
    }

    #[test]
    fn another_form_is_refused_without_repeating_it() {
        for text in ["", "secret", ":secret", "a:b\nc:secret"] {
            let error = Credentials::from_file(file(text, 0o600).path()).unwrap_err();
            assert!(matches!(error, CredentialError::Form { .. }));
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    #[test]
    fn debug_output_shows_neither_user_nor_password() {
        assert_eq!(format!("{:?}", Credentials::new("admin", "secret")), "Credentials(hidden)");
    }
}
