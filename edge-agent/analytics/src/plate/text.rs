//! The outputs of a reader to characters with probabilities.

use std::fmt;

use crate::infer::Output;
use crate::manifest::{Head, TextHead};

/// Guesses kept per character.
const GUESSES: usize = 4;

/// What a character may be, and how likely.
#[derive(Clone, Copy, PartialEq)]
pub struct Guess {
    /// The character.
    pub character: char,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// The reading of one crop: for each character its likeliest guesses, best first, never empty.
#[derive(Clone, Default, PartialEq)]
pub struct RawRead {
    characters: Vec<Vec<Guess>>,
}

impl fmt::Debug for RawRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Plates do not belong in logs.
        write!(f, "RawRead({} characters, {:.2})", self.characters.len(), self.confidence())
    }
}

impl fmt::Debug for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guess({:.2})", self.probability)
    }
}

impl RawRead {
    /// From guesses per character; characters without any are left out.
    #[must_use]
    pub fn new(characters: Vec<Vec<Guess>>) -> Self {
        let mut characters = characters;
        characters.retain(|guesses| !guesses.is_empty());
        for guesses in &mut characters {
            guesses.sort_by(|a, b| b.probability.total_cmp(&a.probability));
            guesses.truncate(GUESSES);
        }
        Self { characters }
    }

    /// The guesses, character by character.
    pub fn characters(&self) -> &[Vec<Guess>] {
        &self.characters
    }

    /// The likeliest character at each place.
    pub fn text(&self) -> String {
        self.bests().map(|guess| guess.character).collect()
    }

    /// Probability that every character is right, 0 for an empty read.
    pub fn confidence(&self) -> f32 {
        if self.characters.is_empty() { 0.0 } else { self.bests().map(|guess| guess.probability).product() }
    }

    /// Mean probability of the characters, 0 for an empty read.
    #[expect(clippy::cast_precision_loss, reason = "a plate has a handful of characters")]
    pub fn sureness(&self) -> f32 {
        let sum: f32 = self.bests().map(|guess| guess.probability).sum();
        sum / self.characters.len().max(1) as f32
    }

    fn bests(&self) -> impl Iterator<Item = Guess> + '_ {
        self.characters.iter().filter_map(|guesses| guesses.first().copied())
    }
}

/// Reads a text head's outputs; none where they are not of the head's shape.
pub(super) fn decode(head: &Head, outputs: &[Output]) -> Option<RawRead> {
    let (text, ctc) = match head {
        Head::Ctc(text) => (text, true),
        Head::Slots(text) => (text, false),
        Head::LtrbAnchorFree { .. } | Head::Yolox { .. } | Head::FastestDet | Head::YoloV8 { .. } | Head::EndToEnd => {
            return None;
        }
    };
    let output = match text.output.as_ref() {
        Some(name) => outputs.iter().find(|output| output.name == *name)?,
        None => outputs.first()?,
    };
    let &[1, steps, symbols] = output.shape.as_slice() else { return None };
    if symbols != text.symbols.len() || output.values.len() != steps * symbols {
        return None;
    }
    let rows: Vec<Vec<f32>> = output.values.chunks_exact(symbols).map(|row| probabilities(row, text)).collect();
    let mut characters = if ctc { collapse(&rows, text) } else { slots(&rows, text) };
    characters.truncate(text.max_length);
    Some(RawRead::new(characters))
}

fn probabilities(row: &[f32], head: &TextHead) -> Vec<f32> {
    if !head.logits {
        return row.to_vec();
    }
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = row.iter().map(|logit| ((logit - most) / head.temperature).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| if sum > 0.0 { power / sum } else { 0.0 }).collect()
}

fn best(row: &[f32]) -> (usize, f32) {
    let places = row.iter().copied().enumerate();
    places.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

/// The row's characters, likeliest first; the blank is none.
fn guesses(row: &[f32], head: &TextHead) -> Vec<Guess> {
    let named = row.iter().zip(&head.symbols);
    let named =
        named.filter_map(|(probability, symbol)| Some(Guess { character: (*symbol)?, probability: *probability }));
    let mut guesses: Vec<Guess> = named.filter(|guess| guess.probability.is_finite()).collect();
    guesses.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    guesses.truncate(GUESSES);
    guesses
}

/// Best symbol of each step, repeats joined, blanks dropped. A joined character takes the step where it is surest.
fn collapse(rows: &[Vec<f32>], head: &TextHead) -> Vec<Vec<Guess>> {
    let mut characters: Vec<(f32, &Vec<f32>)> = Vec::new();
    let mut before = None;
    for row in rows {
        let (index, probability) = best(row);
        let symbol = head.symbols.get(index).copied().flatten();
        if symbol.is_some() {
            match characters.last_mut().filter(|_| before == symbol) {
                Some(last) if last.0 >= probability => {}
                Some(last) => *last = (probability, row),
                None => characters.push((probability, row)),
            }
        }
        before = symbol;
    }
    characters.into_iter().map(|(_, row)| guesses(row, head)).collect()
}

/// One character per slot; slots that are likeliest empty are dropped.
fn slots(rows: &[Vec<f32>], head: &TextHead) -> Vec<Vec<Guess>> {
    let filled = rows.iter().filter(|row| head.symbols.get(best(row).0).copied().flatten().is_some());
    filled.map(|row| guesses(row, head)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(logits: bool, temperature: f32) -> TextHead {
        let symbols = vec![Some('A'), Some('B'), None];
        TextHead { output: None, symbols, logits, temperature, max_length: 4 }
    }

    fn read(head: &Head, steps: usize, values: Vec<f32>) -> Option<RawRead> {
        decode(head, &[Output { name: "o".into(), shape: vec![1, steps, 3], values }])
    }

    #[test]
    fn repeats_join_and_blanks_part() {
        let (a, b, blank) = ([9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]);
        let values = [blank, a, a, blank, a, b, b, blank].concat();
        let read = read(&Head::Ctc(head(true, 1.0)), 8, values).unwrap();
        assert_eq!(read.text(), "AAB");
        assert!(read.confidence() > 0.99);
    }

    #[test]
    fn a_joined_character_is_as_sure_as_its_surest_step() {
        let values = [[0.1, 2.0, 0.0], [0.0, 6.0, 0.0]].concat();
        let read = read(&Head::Ctc(head(true, 2.0)), 2, values).unwrap();
        let expected = 3.0_f32.exp() / (3.0_f32.exp() + 2.0);
        assert!((read.characters()[0][0].probability - expected).abs() < 1e-5);
        assert_eq!(read.characters()[0][1].character, 'A');
    }

    #[test]
    fn empty_slots_are_dropped() {
        let values = [[0.9, 0.1, 0.0], [0.2, 0.1, 0.7], [0.2, 0.8, 0.0]].concat();
        let read = read(&Head::Slots(head(false, 1.0)), 3, values).unwrap();
        assert_eq!(read.text(), "AB");
        assert!((read.confidence() - 0.72).abs() < 1e-6);
    }

    #[test]
    fn no_more_characters_than_a_plate_has_and_no_other_shape() {
        let (a, b) = ([9.0, 0.0, 0.0], [0.0, 9.0, 0.0]);
        let values = [a, b, a, b, a, b].concat();
        assert_eq!(read(&Head::Ctc(head(true, 1.0)), 6, values.clone()).unwrap().text(), "ABAB");
        assert_eq!(read(&Head::Ctc(head(true, 1.0)), 5, values), None);
    }

    #[test]
    fn numbers_that_are_none_give_a_read_without_worth() {
        let read = read(&Head::Ctc(head(true, 1.0)), 2, vec![f32::NAN; 6]).unwrap();
        assert!(read.text().is_empty() && read.confidence().abs() < 1e-6);
    }

    #[test]
    fn debug_shows_no_text() {
        let read = RawRead::new(vec![vec![Guess { character: 'Q', probability: 0.5 }]]);
        assert!(!format!("{read:?} {:?}", read.characters()).contains('Q'));
    }
}
