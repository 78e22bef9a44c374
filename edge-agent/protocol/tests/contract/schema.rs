//! Makes the JSON Schema of the CDDL.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::cddl::{Member, Rule};

/// Values whose JSON differs from their CBOR.
fn value(name: &str) -> Option<Value> {
    let number = json!({"type": "number", "minimum": 0, "maximum": 1});
    let time = json!({"type": "string", "format": "date-time"});
    let hex = |bytes: usize| json!({"type": "string", "pattern": format!("^[0-9a-f]{{{}}}$", bytes * 2)});
    Some(match name {
        "uint" | "sequence" | "before-first" => json!({"type": "integer", "minimum": 0}),
        "int" => json!({"type": "integer"}),
        "bool" => json!({"type": "boolean"}),
        "tstr" | "word" => json!({"type": "string"}),
        "sentence" => json!({"type": "string", "maxLength": 300}),
        "name" => json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,31}$"}),
        "plate" => json!({"type": "string", "minLength": 1, "maxLength": 16}),
        "epoch" => hex(8),
        "moment" | "wall" => time,
        "confidence" => number,
        "packed-confidences" => json!({"type": "array", "items": number}),
        "hash256" => hex(32),
        "hash128" | "id128" => hex(16),
        "blob" => json!({"type": "string", "pattern": "^([0-9a-f]{2})*$"}),
        "clock" => json!({"oneOf": [
            {"enum": ["unknown", "free"]},
            {"type": "object", "required": ["synchronised"], "properties": {"synchronised":
                {"type": "object", "required": ["bound_ms"], "properties": {"bound_ms": {"type": "integer", "minimum": 0}}}}}
        ]}),
        "versions" => json!({"type": "object", "properties":
            {"model": hex(6), "config": hex(6), "mask": hex(6), "hotlist": hex(6)}}),
        "flat-alternates" => json!({"type": "array", "items":
            {"type": "object", "required": ["position", "character", "probability"], "properties":
                {"position": {"type": "integer", "minimum": 0}, "character": {"type": "string"}, "probability": number}}}),
        "flat-path" => json!({"type": "array", "maxItems": 8, "items":
            {"type": "object", "required": ["after_ds", "x", "y"], "properties": {"after_ds": {"type": "integer", "minimum": 0},
                "x": {"type": "integer", "minimum": 0, "maximum": 500}, "y": {"type": "integer", "minimum": 0, "maximum": 500}}}}),
        _ => return None,
    })
}

fn of(kind: &str) -> Value {
    if let Some(plain) = value(kind) {
        return plain;
    }
    if let Some(inner) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return match inner.split_once("* ").or_else(|| inner.split_once("*1000 ")).or_else(|| inner.split_once("*256 "))
        {
            Some((_, item)) => json!({"type": "array", "items": of(item)}),
            None => json!({"type": "array", "prefixItems": inner.split(", ").map(of).collect::<Vec<_>>()}),
        };
    }
    json!({"$ref": format!("#/$defs/{kind}")})
}

fn object(members: &[Member]) -> Value {
    let members = members.iter().filter(|member| member.name != "-");
    let required: Vec<&str> =
        members.clone().filter(|member| !member.is_optional_in_json).map(|member| member.name.as_str()).collect();
    let properties: Map<String, Value> = members.map(|member| (member.name.clone(), of(&member.value))).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// An alternative: `[0]` is a word, `[1, thing]` an object with one member.
fn alternative(member: &Member) -> Value {
    let inner = member.value.trim_matches(['[', ']']);
    match inner.split_once(", ") {
        None => json!({"const": member.name}),
        Some((_, kind)) => {
            json!({"type": "object", "required": [member.name], "properties": {&member.name: of(kind)}})
        }
    }
}

fn tagged(tag: &str, word: &str, kind: &str) -> Value {
    json!({"allOf": [of(kind), {"required": [tag], "properties": {tag: {"const": word}}}]})
}

/// The whole schema: a message is a batch, an acknowledgement or a state.
pub fn schema(rules: &BTreeMap<String, Rule>) -> Value {
    let mut defs = Map::new();
    for (name, rule) in rules {
        let made = match rule {
            Rule::Map(members) | Rule::Tuple(members) if name != "tables" => object(members),
            Rule::Choice(members) => json!({"oneOf": members.iter().map(alternative).collect::<Vec<_>>()}),
            Rule::Words(words) => json!({"enum": words}),
            Rule::Map(_) | Rule::Tuple(_) | Rule::Other => continue,
        };
        defs.insert(name.clone(), made);
    }
    defs.insert(
        "object-record".to_owned(),
        json!({"oneOf": [tagged("kind", "track", "object"), tagged("kind", "counts", "counts")]}),
    );
    defs.insert(
        "state".to_owned(),
        json!({"oneOf": [tagged("state", "online", "birth"), tagged("state", "offline", "death")]}),
    );
    let records = ["hit", "answer", "alert", "health", "audit", "read", "object-record", "thumb", "clip-chunk"];
    defs.insert("record".to_owned(), json!({"anyOf": records.map(of)}));
    let messages = ["batch", "ack", "state"];
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a unit and a center say to each other, version 1",
        "description": "Made of edge.cddl by tests/contract.rs; do not edit.",
        "anyOf": messages.map(of),
        "$defs": defs,
    })
}
