//! Reads one table of the configuration and collects every mistake instead of stopping at the first.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::str::FromStr;

use toml::{Table, Value};

/// Keys whose values may hold a password or a plate and are not repeated, since mistakes go into logs.
const PRIVATE: [&str; 2] = ["url", "test_plates"];

/// One thing wrong in the file, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The full key, e.g. `camera[1].source.url`.
    pub key: String,
    /// What is wrong and what is allowed.
    pub words: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.words)
    }
}

/// A table being read. Every getter notes the key as known; [`Fields::finish`] reports the keys that nobody asked for.
///
/// A getter that finds a mistake notes it and returns its default (or `None`), so that reading goes on.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    path: String,
    table: Option<&'t Table>,
    known: RefCell<BTreeSet<&'static str>>,
    mistakes: Rc<RefCell<Vec<Mistake>>>,
}

impl<'t> Fields<'t> {
    pub(crate) fn root(table: &'t Table) -> Self {
        Self { path: String::new(), table: Some(table), known: RefCell::default(), mistakes: Rc::default() }
    }

    /// All mistakes noted so far, in this table and those opened from it.
    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        self.mistakes.borrow().clone()
    }

    pub(crate) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the table has the key, whatever its value.
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Whether the key's value is a text: for keys that take a word or a table.
    pub(crate) fn is_text(&self, key: &'static str) -> bool {
        self.value(key).is_some_and(Value::is_str)
    }

    /// Notes a mistake that only the caller can see, e.g. between two keys.
    pub(crate) fn mistake(&self, key: &str, words: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { key: self.full(key), words: words.into() });
    }

    pub(crate) fn text(&self, key: &'static str, what: &str) -> Option<String> {
        let value = self.optional_text(key, what);
        if value.is_none() && self.value(key).is_none() {
            self.mistake(key, format!("is missing; give {what}"));
        }
        value
    }

    pub(crate) fn optional_text(&self, key: &'static str, what: &str) -> Option<String> {
        self.typed(key, what, |value| value.as_str().filter(|text| !text.is_empty())).map(str::to_owned)
    }

    /// A required text that must parse; the parser's own words are part of the mistake.
    pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(&self, key: &'static str, what: &str) -> Option<T> {
        let text = self.text(key, what)?;
        self.parse(key, &text, what)
    }

    pub(crate) fn optional_parsed<T: FromStr<Err: fmt::Display>>(&self, key: &'static str, what: &str) -> Option<T> {
        let text = self.optional_text(key, what)?;
        self.parse(key, &text, what)
    }

    pub(crate) fn integer(&self, key: &'static str, allowed: RangeInclusive<u64>, default: u64) -> u64 {
        self.optional_integer(key, allowed).unwrap_or(default)
    }

    pub(crate) fn optional_integer(&self, key: &'static str, allowed: RangeInclusive<u64>) -> Option<u64> {
        let what = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        self.typed(key, &what, |value| {
            let number = u64::try_from(value.as_integer()?).ok()?;
            allowed.contains(&number).then_some(number)
        })
    }

    pub(crate) fn number(&self, key: &'static str, allowed: RangeInclusive<f64>) -> Option<f64> {
        let what = format!("a number from {} to {}", allowed.start(), allowed.end());
        self.typed(key, &what, |value| real(value).filter(|number| allowed.contains(number)))
    }

    pub(crate) fn boolean(&self, key: &'static str, default: bool) -> bool {
        self.typed(key, "true or false", Value::as_bool).unwrap_or(default)
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let what = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let Some(text) = self.optional_text(key, &what) else { return default };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.or_else(|| self.wrong(key, &Value::String(text), &what)).unwrap_or(default)
    }

    pub(crate) fn texts(&self, key: &'static str, what: &str) -> Vec<String> {
        self.array(key, what)
            .iter()
            .filter_map(|item| self.item(key, item, what, Value::as_str))
            .map(str::to_owned)
            .collect()
    }

    /// A list of texts that must parse; each that does not is a mistake of its own.
    pub(crate) fn parsed_texts<T: FromStr<Err: fmt::Display>>(&self, key: &'static str, what: &str) -> Vec<T> {
        self.texts(key, what).iter().filter_map(|text| self.parse(key, text, what)).collect()
    }

    /// A list of points `[[x, y], ...]`, both in 0..=1 of the picture.
    pub(crate) fn points(&self, key: &'static str, at_least: usize) -> Vec<(f32, f32)> {
        let what = format!("at least {at_least} points [x, y], each from 0 to 1 of the picture");
        let array = self.array(key, &what);
        let points: Vec<_> = array.iter().filter_map(|item| self.item(key, item, &what, point)).collect();
        if points.len() < at_least && points.len() == array.len() {
            self.mistake(key, format!("has {} points; give {what}", points.len()));
        }
        points
    }

    pub(crate) fn table(&self, key: &'static str) -> Fields<'t> {
        let table = self.typed(key, &format!("a table [{}]", self.full(key)), Value::as_table);
        self.open(self.full(key), table)
    }

    pub(crate) fn tables(&self, key: &'static str) -> Vec<Fields<'t>> {
        let what = format!("tables [[{}]]", self.full(key));
        let tables = self.array(key, &what).iter().enumerate().filter_map(|(index, item)| {
            let table = self.item(key, item, &what, Value::as_table)?;
            Some(self.open(format!("{}[{index}]", self.full(key)), Some(table)))
        });
        tables.collect()
    }

    /// Reports every key of the table that no getter asked for.
    pub(crate) fn finish(&self) {
        let known = self.known.borrow();
        for key in self.table.into_iter().flat_map(Table::keys).filter(|key| !known.contains(key.as_str())) {
            let near = known.iter().min_by_key(|name| distance(name, key)).filter(|name| distance(name, key) <= 3);
            let hint = near.map_or_else(
                || format!("allowed here: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.mistake(key, format!("is not a known key; {hint}"));
        }
    }

    fn open(&self, path: String, table: Option<&'t Table>) -> Fields<'t> {
        Fields { path, table, known: RefCell::default(), mistakes: Rc::clone(&self.mistakes) }
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn value(&self, key: &'static str) -> Option<&'t Value> {
        self.known.borrow_mut().insert(key);
        self.table?.get(key)
    }

    fn array(&self, key: &'static str, what: &str) -> &'t [Value] {
        self.typed(key, what, Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The value of a key where it is there and `read` takes it.
    fn typed<T>(&self, key: &'static str, what: &str, read: impl Fn(&'t Value) -> Option<T>) -> Option<T> {
        self.item(key, self.value(key)?, what, read)
    }

    fn item<T>(&self, key: &str, item: &'t Value, what: &str, read: impl Fn(&'t Value) -> Option<T>) -> Option<T> {
        read(item).or_else(|| self.wrong(key, item, what))
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&self, key: &str, text: &str, what: &str) -> Option<T> {
        let parsed = text.parse::<T>();
        parsed.map_err(|error| self.mistake(key, format!("is \"{text}\", {error}; give {what}"))).ok()
    }

    fn wrong<T>(&self, key: &str, found: &Value, what: &str) -> Option<T> {
        let found = if PRIVATE.contains(&key) { found.type_str().to_owned() } else { found.to_string() };
        self.mistake(key, format!("is {found}; give {what}"));
        None
    }
}

/// A number, written with or without a point.
fn real(value: &Value) -> Option<f64> {
    let whole = || value.as_integer().and_then(|number| i32::try_from(number).ok()).map(f64::from);
    value.as_float().or_else(whole)
}

#[allow(clippy::cast_possible_truncation, reason = "a position in 0..=1 needs no more than f32")]
fn point(value: &Value) -> Option<(f32, f32)> {
    let [x, y] = value.as_array()?.as_slice() else { return None };
    let (x, y) = (real(x)?, real(y)?);
    ((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y)).then_some((x as f32, y as f32))
}

/// Levenshtein's edit distance, for "did you mean".
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, r) in right.iter().enumerate() {
            let change = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(table: &str, read: impl FnOnce(&Fields<'_>)) -> Vec<String> {
        let table: Table = table.parse().unwrap();
        let fields = Fields::root(&table);
        read(&fields);
        fields.finish();
        fields.mistakes().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_reported_with_key_and_what_is_allowed() {
        let found = words("port = 99999\nhost = 3\nmode = \"fast\"\n", |fields| {
            fields.integer("port", 1..=65_535, 8883);
            fields.text("host", "the broker's name");
            fields.choice("mode", &[("slow", 1), ("steady", 2)], 1);
            fields.text("key", "a file");
        });
        assert_eq!(
            found,
            [
                "port: is 99999; give a whole number from 1 to 65535",
                "host: is 3; give the broker's name",
                "mode: is \"fast\"; give \"slow\" or \"steady\"",
                "key: is missing; give a file",
            ]
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_nearest_neighbour() {
        let found = words("hots = \"a\"\nzebra = 1\n", |fields| {
            fields.optional_text("host", "a name");
        });
        assert_eq!(
            found,
            ["hots: is not a known key; did you mean `host`?", "zebra: is not a known key; allowed here: host"]
        );
    }

    #[test]
    fn mistakes_in_nested_tables_carry_their_path() {
        let found = words("[[camera]]\n[camera.source]\nfps = 0\n", |fields| {
            let cameras = fields.tables("camera");
            let source = cameras[0].table("source");
            source.integer("fps", 1..=240, 25);
            source.finish();
        });
        assert_eq!(found, ["camera[0].source.fps: is 0; give a whole number from 1 to 240"]);
    }

    #[test]
    fn points_outside_the_picture_are_refused() {
        let found = words("area = [[0, 0], [1.5, 0], [1, 1]]\n", |fields| {
            fields.points("area", 3);
        });
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
