//! One text from the reads of a pass: the weightiest length, then a vote per character.

use std::collections::BTreeMap;
use std::fmt;

use super::align::align;
use super::text::{Guess, RawRead};
use crate::sighting::{ReadCharacter, TextAlternate};

/// Other characters told per place.
const OTHERS: usize = 3;
/// Other whole texts told.
const ALTERNATES: usize = 5;

/// What the reads of a pass say together.
#[derive(Clone, PartialEq)]
pub struct Verdict {
    /// The text.
    pub text: String,
    /// Its characters with what they may be instead.
    pub characters: Vec<ReadCharacter>,
    /// Probability that the whole text is right, 0 to 1.
    pub confidence: f32,
    /// Reads that say exactly this text.
    pub agreeing: u32,
    /// Reads in all.
    pub reads: u32,
    /// Other whole texts, likeliest first.
    pub alternates: Vec<TextAlternate>,
}

impl Verdict {
    /// How sure the verdict is per character: the geometric mean of their probabilities, 0 to 1. Unlike the confidence
    /// of the whole it does not depend on how long the text is.
    #[expect(clippy::cast_precision_loss, reason = "a plate has a handful of characters")]
    pub fn sureness(&self) -> f32 {
        self.confidence.powf(1.0 / self.characters.len().max(1) as f32)
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { confidence, agreeing, reads, .. } = self;
        write!(f, "Verdict({} characters, {confidence:.2}, {agreeing} of {reads})", self.characters.len())
    }
}

/// What a read counts by itself: next to nothing unless it is sure. Steep, since a poor read errs the same way in frame
/// after frame, and a dozen of them must not drown one good read.
pub(super) fn trust(read: &RawRead) -> f32 {
    read.sureness().powi(12)
}

/// A read with its text and weight.
type Ballot<'a> = (Vec<char>, &'a RawRead, f32);
/// What is said for each character of one place.
type Place = BTreeMap<char, f32>;

/// Votes. Each read comes with its weight; none without any text.
///
/// Reads are laid beside the weightiest text of the weightiest length. A character's probability is the weighted mean
/// over all reads, so that reads which miss it make it less sure; reads of one pass err together, and multiplying them
/// as if they were independent would promise too much.
#[must_use]
pub fn tally(reads: &[(RawRead, f32)]) -> Option<Verdict> {
    let ballots = ballots(reads.iter().map(|(read, weight)| (read, *weight)));
    let votes = votes(&ballots)?;
    let characters: Vec<ReadCharacter> = votes.iter().filter_map(ranked).collect();
    let text: String = characters.iter().map(|c| c.best).collect();
    let says = |ballot: &&Ballot<'_>| ballot.0.iter().copied().eq(text.chars());
    let agreeing = u32::try_from(ballots.iter().filter(says).count()).unwrap_or(u32::MAX);
    let confidence = characters.iter().map(|c| c.probability).product();
    let alternates = alternates(&characters, &text, confidence, &ballots);
    let reads = u32::try_from(ballots.len()).unwrap_or(u32::MAX);
    Some(Verdict { text, characters, confidence, agreeing, reads, alternates })
}

/// One read of what several looks at the same pixels say; without any text if none has one.
pub(super) fn blend(looks: &[RawRead]) -> RawRead {
    let places = votes(&ballots(looks.iter().map(|look| (look, trust(look))))).unwrap_or_default();
    let guess = |(character, probability): (&char, &f32)| Guess { character: *character, probability: *probability };
    RawRead::new(places.iter().map(|place| place.iter().map(guess).collect()).collect())
}

fn ballots<'a>(reads: impl Iterator<Item = (&'a RawRead, f32)>) -> Vec<Ballot<'a>> {
    let ballots = reads.map(|(read, weight)| (read.text().chars().collect::<Vec<char>>(), read, weight));
    ballots.filter(|(text, _, weight)| !text.is_empty() && *weight > 0.0).collect()
}

fn votes(ballots: &[Ballot<'_>]) -> Option<Vec<Place>> {
    let pivot = pivot(ballots)?;
    let total: f32 = ballots.iter().map(|ballot| ballot.2).sum();
    let mut votes: Vec<Place> = vec![BTreeMap::new(); pivot.len()];
    for (text, read, weight) in ballots {
        for (place, index) in votes.iter_mut().zip(align(&pivot, text)) {
            let guesses = index.and_then(|index| read.characters().get(index));
            for guess in guesses.into_iter().flatten() {
                *place.entry(guess.character).or_default() += guess.probability * weight / total;
            }
        }
    }
    Some(votes)
}

fn pivot(ballots: &[Ballot<'_>]) -> Option<Vec<char>> {
    let mut lengths: BTreeMap<usize, f32> = BTreeMap::new();
    for (text, _, weight) in ballots {
        *lengths.entry(text.len()).or_default() += weight;
    }
    let length = *lengths.iter().max_by(|a, b| a.1.total_cmp(b.1))?.0;
    let mut texts: BTreeMap<&Vec<char>, f32> = BTreeMap::new();
    for (text, _, weight) in ballots.iter().filter(|ballot| ballot.0.len() == length) {
        *texts.entry(text).or_default() += weight;
    }
    texts.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(text, _)| text.clone())
}

fn ranked(votes: &Place) -> Option<ReadCharacter> {
    let mut ranked: Vec<(char, f32)> = votes.iter().map(|(c, p)| (*c, p.min(1.0))).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let (best, probability) = *ranked.first()?;
    let others = ranked.into_iter().skip(1).filter(|(_, p)| *p >= 0.005).take(OTHERS).collect();
    Some(ReadCharacter { best, probability, others })
}

/// Whole texts with one or two characters exchanged, and texts of another length that were read as such.
fn alternates(characters: &[ReadCharacter], text: &str, confidence: f32, ballots: &[Ballot<'_>]) -> Vec<TextAlternate> {
    let mut found: BTreeMap<String, f32> = BTreeMap::new();
    let swaps: Vec<(usize, char, f32)> = characters
        .iter()
        .enumerate()
        .flat_map(|(place, c)| c.others.iter().map(move |(other, p)| (place, *other, p / c.probability.max(1e-6))))
        .collect();
    let swapped = |changes: &[(usize, char, f32)]| -> String {
        let at = |place: usize| changes.iter().find(|change| change.0 == place).map(|change| change.1);
        text.chars().enumerate().map(|(place, c)| at(place).unwrap_or(c)).collect()
    };
    for (index, one) in swaps.iter().enumerate() {
        found.insert(swapped(&[*one]), confidence * one.2);
        for two in swaps.iter().skip(index + 1).filter(|two| two.0 != one.0) {
            found.insert(swapped(&[*one, *two]), confidence * one.2 * two.2);
        }
    }
    let total: f32 = ballots.iter().map(|ballot| ballot.2).sum();
    for (other, read, weight) in ballots.iter().filter(|ballot| ballot.0.len() != characters.len()) {
        *found.entry(other.iter().collect()).or_default() += read.confidence() * weight / total;
    }
    let mut ranked: Vec<TextAlternate> = found
        .into_iter()
        .filter(|(other, p)| other != text && *p >= 0.001)
        .map(|(text, probability)| TextAlternate { text, probability: probability.min(1.0) })
        .collect();
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    ranked.truncate(ALTERNATES);
    ranked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A read whose characters all have probability `p`; a lower-case letter has its upper-case form as second guess.
    fn read(text: &str, p: f32) -> (RawRead, f32) {
        let guess = |character, probability| Guess { character, probability };
        let characters = text.chars().map(|c| vec![guess(c, p), guess('?', (1.0 - p) / 2.0)]).collect();
        (RawRead::new(characters), p)
    }

    #[test]
    fn no_read_says_nothing() {
        assert_eq!(tally(&[]), None);
        assert_eq!(tally(&[(RawRead::default(), 1.0)]), None);
    }

    #[test]
    fn one_read_is_its_own_verdict() {
        let verdict = tally(&[read("AB12", 0.9)]).unwrap();
        assert_eq!((verdict.text.as_str(), verdict.agreeing, verdict.reads), ("AB12", 1, 1));
        assert!((verdict.confidence - 0.9_f32.powi(4)).abs() < 1e-5);
    }

    #[test]
    fn characters_win_one_by_one_even_if_no_read_was_wholly_right() {
        let reads = [read("AB1X", 0.8), read("AB72", 0.8), read("QB12", 0.8)];
        let verdict = tally(&reads).unwrap();
        assert_eq!((verdict.text.as_str(), verdict.agreeing), ("AB12", 0));
        assert!(verdict.alternates.iter().any(|a| a.text == "AB72"));
    }

    #[test]
    fn a_read_that_missed_a_character_still_votes_on_the_others() {
        let reads = [read("8B12CD", 0.7), read("AB12CD", 0.7), read("A12CD", 0.9)];
        let verdict = tally(&reads).unwrap();
        assert_eq!(verdict.text, "AB12CD");
        assert!(verdict.characters[1].probability < verdict.characters[2].probability);
        assert!(verdict.alternates.iter().any(|a| a.text == "A12CD"), "{:?}", verdict.alternates);
    }

    #[test]
    fn one_sure_read_outweighs_two_poor_ones() {
        let reads = [(read("AB12", 0.95).0, 1.0), (read("AB17", 0.4).0, 0.2), (read("AB17", 0.4).0, 0.2)];
        assert_eq!(tally(&reads).unwrap().text, "AB12");
    }

    #[test]
    fn looks_at_the_same_pixels_make_one_read_and_the_surer_one_decides() {
        let one = blend(&[read("AB17", 0.6).0, read("AB12", 0.95).0]);
        assert_eq!(one.text(), "AB12");
        assert!(one.characters()[3].iter().any(|guess| guess.character == '7' && guess.probability > 0.0));
        assert!(one.characters()[0][0].probability < 0.95 && one.characters()[3][0].probability < 0.95);
        assert_eq!(blend(&[RawRead::default(), read("AB12", 0.9).0]).text(), "AB12");
        assert_eq!(blend(&[RawRead::default()]), RawRead::default());
    }

    proptest! {
        #[test]
        fn a_verdict_is_sound_whatever_was_read(
            reads in proptest::collection::vec(("[A-Z0-9]{0,10}", 1_u8..=100, 0_u8..=100), 0..12)
        ) {
            let reads: Vec<(RawRead, f32)> = reads
                .iter()
                .map(|(text, p, weight)| (read(text, f32::from(*p) / 100.0).0, f32::from(*weight) / 100.0))
                .collect();
            if let Some(verdict) = tally(&reads) {
                prop_assert_eq!(verdict.characters.len(), verdict.text.chars().count());
                prop_assert!(verdict.agreeing <= verdict.reads);
                prop_assert!((0.0..=1.0).contains(&verdict.confidence));
                prop_assert!(verdict.alternates.len() <= ALTERNATES);
                prop_assert!(verdict.alternates.iter().all(|a| a.text != verdict.text));
                for c in &verdict.characters {
                    let sum: f32 = c.probability + c.others.iter().map(|o| o.1).sum::<f32>();
                    prop_assert!(sum <= 1.001, "{}", sum);
                    prop_assert!(c.others.iter().all(|o| o.1 <= c.probability));
                }
            }
        }

        #[test]
        fn a_majority_of_equal_reads_wins(text in "[A-Z0-9]{2,9}", noise in "[A-Z0-9]{2,9}", n in 1_usize..5) {
            let mut reads = vec![read(&text, 0.8); n + 1];
            reads.extend(vec![read(&noise, 0.8); n]);
            let verdict = tally(&reads).unwrap();
            prop_assert_eq!(&verdict.text, &text);
        }
    }
}
