//! Tries `edge.schema.json` on one message of every kind, with Python's `jsonschema`: not only names, but every value's
//! type.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const TRIED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/schema_tried.py");

/// What the schema gets wrong about messages, each of which is of a rule; none where nothing here can try it.
pub fn complaints(schema: &Value, samples: &[(&str, Value)]) -> Option<String> {
    let there = Command::new("python3").args(["-c", "from jsonschema import Draft202012Validator"]).output();
    if !there.is_ok_and(|probed| probed.status.success()) {
        return None;
    }
    let mut tried = Command::new("python3");
    let mut tried = tried.arg(TRIED).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let given = json!({ "schema": schema, "samples": samples }).to_string();
    tried.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = tried.wait_with_output().unwrap();
    assert!(output.status.success(), "schema_tried.py failed");
    Some(String::from_utf8(output.stdout).unwrap())
}
