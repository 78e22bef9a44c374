//! What must not be said, and in which forms it could be.

use gstreamer::glib;

/// A word that nobody may say, in every form in which a program could.
pub(crate) struct Secret {
    name: String,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    /// A camera's password, also beside its user.
    pub(crate) fn password(user: &str, password: &str) -> Secret {
        let escaped = escaped(password);
        let quoted = serde_json::Value::from(password).to_string();
        let mut forms = vec![password.to_owned(), escaped.to_lowercase(), escaped];
        forms.push(quoted.trim_matches('"').to_owned());
        forms.push(password.escape_default().to_string());
        let pair = format!("{user}:{password}");
        for text in [password, &pair] {
            // Without the last characters, which depend on what follows.
            let coded = glib::base64_encode(text.as_bytes());
            forms.push(coded.trim_end_matches('=').to_owned());
        }
        Secret { name: format!("the password of {user}"), forms: forms.into_iter().map(String::into_bytes).collect() }
    }

    /// A plate's text.
    pub(crate) fn plate(text: &str) -> Secret {
        Secret { name: format!("the plate {text}"), forms: vec![text.as_bytes().to_vec()] }
    }

    /// Whether somebody says it.
    pub(crate) fn is_in(&self, said: &[u8]) -> bool {
        self.forms.iter().any(|form| said.windows(form.len()).any(|window| window == form))
    }
}

/// Everything but letters and digits as `%` and two hexadecimal digits.
pub(crate) fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// The secrets that are in one of several outputs, each with a little of what stands around it.
pub(crate) fn told(secrets: &[Secret], outputs: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, said) in outputs {
        for secret in secrets.iter().filter(|secret| secret.is_in(said.as_bytes())) {
            let line = said.lines().find(|line| secret.is_in(line.as_bytes())).unwrap_or_default();
            let short: String = line.chars().take(600).collect();
            found.push(format!("{} in {name}: {short}", secret.name));
        }
    }
    found
}
