//! Drawn reads with the verdicts that the training code reached on them: its figures for whole passes are worth
//! something here only while both vote alike.

use serde::Deserialize;

use super::*;
use crate::plate::{Guess, RawRead};

#[derive(Deserialize)]
struct Drawn {
    reads: Vec<DrawnRead>,
    taken: usize,
    told: bool,
    verdict: Option<Expected>,
}

#[derive(Deserialize)]
struct DrawnRead {
    height: f32,
    characters: Vec<Vec<(char, f32)>>,
}

#[derive(Deserialize)]
struct Expected {
    text: String,
    confidence: f32,
    probabilities: Vec<f32>,
    agreeing: u32,
    alternates: Vec<(String, f32)>,
}

impl DrawnRead {
    fn raw(&self) -> RawRead {
        let guess = |(character, probability): &(char, f32)| Guess { character: *character, probability: *probability };
        RawRead::new(self.characters.iter().map(|guesses| guesses.iter().map(guess).collect()).collect())
    }
}

fn drawn() -> Vec<Drawn> {
    serde_json::from_slice(include_bytes!("../../../../../models/check/votes.json")).unwrap()
}

/// The reads as `Passes` hands them to a pass; whether it was told before its end.
fn passed(reads: &[DrawnRead]) -> (Pass, bool) {
    let pixels = vec![90; 64 * 64 * 3];
    let picture = Picture::rgb(64, 64, &pixels).unwrap();
    let at = |height: f32| Rect { x: 4.0, y: 4.0, w: 2.0 * height, h: height };
    let mut pass = Pass::new(PassId(1), at(1.0), MediaTime::from_nanos(0));
    let mut early = false;
    for read in reads {
        let raw = read.raw();
        if pass.wants(read.height) && !raw.characters().is_empty() {
            let look = Look { picture: &picture, media: MediaTime::from_nanos(0), vehicles: &[], masks: &[] };
            pass.add(raw, (at(read.height), None), &look);
        }
        early |= pass.verdict().is_some_and(is_sure_early);
    }
    (pass, early)
}

#[test]
fn drawn_reads_are_voted_on_as_the_training_code_votes() {
    let drawn = drawn();
    assert!(drawn.len() >= 20 && drawn.iter().any(|one| one.told) && drawn.iter().any(|one| !one.told));
    for (index, one) in drawn.iter().enumerate() {
        let (pass, early) = passed(&one.reads);
        assert_eq!(pass.reads(), one.taken, "pass {index}");
        let told = early || pass.verdict().is_some_and(is_worth_telling);
        assert_eq!(told, one.told, "pass {index}: {:?}", pass.verdict());
        match (pass.verdict(), &one.verdict) {
            (None, None) => {}
            (Some(verdict), Some(expected)) => check(index, verdict, expected),
            (verdict, _) => panic!("pass {index}: {verdict:?}"),
        }
    }
}

fn check(index: usize, verdict: &Verdict, expected: &Expected) {
    let near = |is: f32, should: f32| (is - should).abs() < 1e-4;
    assert_eq!((&verdict.text, verdict.agreeing), (&expected.text, expected.agreeing), "pass {index}");
    assert!(near(verdict.confidence, expected.confidence), "pass {index}: {}", verdict.confidence);
    assert_eq!(verdict.characters.len(), expected.probabilities.len(), "pass {index}");
    for (is, should) in verdict.characters.iter().zip(&expected.probabilities) {
        assert!(near(is.probability, *should), "pass {index}: {} {should}", is.probability);
    }
    let texts = |alternates: &[(String, f32)]| alternates.iter().map(|other| other.0.clone()).collect::<Vec<_>>();
    let told: Vec<(String, f32)> =
        verdict.alternates.iter().map(|other| (other.text.clone(), other.probability)).collect();
    assert_eq!(texts(&told), texts(&expected.alternates), "pass {index}");
    assert!(told.iter().zip(&expected.alternates).all(|(is, should)| near(is.1, should.1)), "pass {index}");
}
