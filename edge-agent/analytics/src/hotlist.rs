//! Plates that are looked for, and how a read matches one.
//!
//! Belongs here: normal form and comparison. Where lists come from, and whether they may be believed, is the agent's
//! business. A match that is not exact always says so.

use std::collections::BTreeMap;
use std::fmt;

use edge_protocol::hash::Version;
use edge_protocol::record::{Match, NotAPlate, PlateText, Word};

use crate::plate::distance;

/// Shortest plate that is matched with an edit: in shorter ones one edit is too much of the whole.
const LEAST_FUZZY: usize = 5;

/// A text as plates are compared: upper case, letters and digits alone.
///
/// # Errors
/// When nothing is left, or too much.
pub fn normalise(text: &str) -> Result<PlateText, NotAPlate> {
    let kept: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    PlateText::new(&kept)
}

/// Characters that cameras and people take for each other become one.
fn folded(text: &str) -> String {
    let fold = |c| match c {
        'O' | 'Q' => '0',
        'I' | 'L' => '1',
        'Z' => '2',
        'S' => '5',
        'G' => '6',
        'B' => '8',
        other => other,
    };
    text.chars().map(fold).collect()
}

/// One plate of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The plate in normal form.
    pub plate: PlateText,
    /// Why it is on the list, in the list's own words.
    pub reason: Option<Word>,
}

/// A list of plates, ready to be matched.
#[derive(Clone, Default)]
pub struct Hotlist {
    name: Word,
    version: Option<Version>,
    exact: BTreeMap<String, Listed>,
    folded: BTreeMap<String, Vec<String>>,
}

impl fmt::Debug for Hotlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Plates do not belong in logs.
        write!(f, "Hotlist({}, {} plates)", self.name, self.exact.len())
    }
}

impl Hotlist {
    /// A list of plates in normal form. Of a plate that is listed twice, the last entry holds.
    #[must_use]
    pub fn new(name: Word, version: Option<Version>, plates: impl IntoIterator<Item = Listed>) -> Self {
        let mut list = Self { name, version, ..Self::default() };
        for listed in plates {
            let text = listed.plate.as_str().to_owned();
            if list.exact.insert(text.clone(), listed).is_none() {
                list.folded.entry(folded(&text)).or_default().push(text);
            }
        }
        list
    }

    /// The list's name.
    pub fn name(&self) -> &Word {
        &self.name
    }

    /// Which version of the list this is.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// The listed plate that a text matches best, if any does up to `loosest`.
    pub fn find(&self, text: &str, loosest: Match) -> Option<(Match, &Listed)> {
        if let Some(listed) = self.exact.get(text) {
            return Some((Match::Exact, listed));
        }
        if loosest < Match::Confusable {
            return None;
        }
        let folded_text = folded(text);
        let alike = self.folded.get(&folded_text).and_then(|texts| texts.first());
        if let Some(listed) = alike.and_then(|other| self.exact.get(other)) {
            return Some((Match::Confusable, listed));
        }
        if loosest < Match::Fuzzy || text.chars().count() < LEAST_FUZZY {
            return None;
        }
        let near = |other: &&String| other.len().abs_diff(folded_text.len()) <= 1 && distance(other, &folded_text) <= 1;
        let texts = self.folded.iter().find(|(other, _)| near(other)).map(|(_, texts)| texts)?;
        Some((Match::Fuzzy, self.exact.get(texts.first()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(plates: &[&str]) -> Hotlist {
        let listed = plates.iter().map(|plate| Listed { plate: normalise(plate).unwrap(), reason: None });
        Hotlist::new(Word::cut("test"), None, listed)
    }

    fn found(list: &Hotlist, text: &str, loosest: Match) -> Option<(Match, String)> {
        list.find(text, loosest).map(|(how, listed)| (how, listed.plate.as_str().to_owned()))
    }

    #[test]
    fn separators_and_case_do_not_matter() {
        assert_eq!(normalise("b-ab 12·3").unwrap().as_str(), "BAB123");
        assert!(normalise(" - ").is_err() && normalise(&"A".repeat(17)).is_err());
    }

    #[test]
    fn the_best_match_says_how_it_matched() {
        let list = list(&["ABO 1234", "AB0 1234", "XYZ 7777"]);
        assert_eq!(found(&list, "AB01234", Match::Fuzzy), Some((Match::Exact, "AB01234".into())));
        assert_eq!(found(&list, "ABO1234", Match::Fuzzy), Some((Match::Exact, "ABO1234".into())));
        assert_eq!(found(&list, "A80I234", Match::Fuzzy), Some((Match::Confusable, "ABO1234".into())));
        assert_eq!(found(&list, "XYZ7778", Match::Fuzzy), Some((Match::Fuzzy, "XYZ7777".into())));
        assert_eq!(found(&list, "XYZ777", Match::Fuzzy), Some((Match::Fuzzy, "XYZ7777".into())));
        assert_eq!(found(&list, "XYZ7788", Match::Fuzzy), None);
    }

    #[test]
    fn nothing_looser_than_asked_for_is_found() {
        let list = list(&["XYZ7777"]);
        assert_eq!(found(&list, "XY27777", Match::Exact), None);
        assert_eq!(found(&list, "XYZ7778", Match::Confusable), None);
    }

    #[test]
    fn short_plates_are_not_matched_by_an_edit() {
        assert_eq!(found(&list(&["AB12"]), "AB13", Match::Fuzzy), None);
    }

    #[test]
    fn debug_shows_no_plate() {
        assert!(!format!("{:?}", list(&["XYZ7777"])).contains("XYZ"));
    }
}
