//! Reads as much CDDL as `edge.cddl` uses, which is written line by line for it.

use std::collections::BTreeMap;

/// A member of a map, an array or a choice.
#[derive(Debug, Clone)]
pub struct Member {
    /// Key in CBOR; place in an array, number of an alternative.
    pub key: u64,
    /// Its type, or what follows the number of an alternative.
    pub value: String,
    /// Its name in JSON.
    pub name: String,
    /// Whether CBOR may leave it out.
    pub is_optional_in_cbor: bool,
    /// Whether JSON may leave it out.
    pub is_optional_in_json: bool,
}

/// A rule.
#[derive(Debug, Clone)]
pub enum Rule {
    Map(Vec<Member>),
    Tuple(Vec<Member>),
    Choice(Vec<Member>),
    Words(Vec<String>),
    Other,
}

pub fn parse(text: &str) -> BTreeMap<String, Rule> {
    let mut rules = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.split_once(" =") else { continue };
        if line.starts_with(';') || name.contains(' ') {
            continue;
        }
        let value = value.trim();
        let rule = match value {
            "{" => Rule::Map(members(&mut lines, "}").iter().map(|line| map_member(line)).collect()),
            "[" => Rule::Tuple(numbered(&members(&mut lines, "]"))),
            "" => Rule::Choice(numbered(&members(&mut lines, ""))),
            words if words.starts_with("&(") => Rule::Words(words_of(words)),
            _ => Rule::Other,
        };
        rules.insert(name.to_owned(), rule);
    }
    rules
}

fn members(lines: &mut std::str::Lines<'_>, end: &str) -> Vec<String> {
    lines.take_while(|line| line.trim() != end).map(str::to_owned).collect()
}

/// `? 9 => uint,   ; track`
fn map_member(line: &str) -> Member {
    let (rule, name) = line.split_once(';').expect("a member has a name");
    let rule = rule.trim().trim_end_matches(',');
    let (key, value) = rule.split_once(" => ").expect("a member has a key");
    let optional = key.trim().starts_with('?');
    let key = key.trim().trim_start_matches('?').trim().parse().expect("a key is a number");
    member(key, value, name, optional)
}

fn numbered(lines: &[String]) -> Vec<Member> {
    let pairs = lines.iter().map(|line| line.split_once(';').expect("a member has a name"));
    let clean = |rule: &str| rule.trim().trim_end_matches([',', '/']).trim().to_owned();
    pairs.zip(0..).map(|((rule, name), place)| member(place, &clean(rule), name, false)).collect()
}

/// Behind a name, `?` says that JSON leaves out what is empty, and `!` that JSON never leaves it out.
fn member(key: u64, value: &str, name: &str, is_optional_in_cbor: bool) -> Member {
    let name = name.trim();
    let is_optional_in_json = name.ends_with('?') || (is_optional_in_cbor && !name.ends_with('!'));
    let name = name.trim_end_matches(['?', '!']).to_owned();
    Member { key, value: value.trim().to_owned(), name, is_optional_in_cbor, is_optional_in_json }
}

fn words_of(rule: &str) -> Vec<String> {
    let inner = rule.trim_start_matches("&(").trim_end_matches(')');
    let pairs = inner.split(',').map(|pair| pair.trim().split_once(": ").expect("a word has a number"));
    let words = pairs.enumerate().map(|(place, (word, number))| {
        assert_eq!(number.parse::<usize>().ok(), Some(place), "numbers follow each other: {word}");
        word.to_owned()
    });
    words.collect()
}
