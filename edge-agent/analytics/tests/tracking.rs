//! How well the tracker keeps people apart, with the shipped settings, on given detections: MOTA (Bernardin and
//! Stiefelhagen, 2008) and IDF1 (Ristani and others, 2016), a box being found where it overlaps by half.
//!
//! One sequence is drawn here from a seed; the other is TUD-Campus of `MOTChallenge`, which is not in the repository.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use edge_analytics::class::ObjectClass;
use edge_analytics::detect::Detection;
use edge_analytics::geometry::Rect;
use edge_analytics::track::{SURE_SCORE, TrackId, Tracker, TrackerSettings};
use edge_protocol::time::MediaTime;

const LEAST_MOTA: f64 = 0.627;
const LEAST_IDF1: f64 = 0.717;
/// Less sure detections continue tracks down to this, as on the box.
const DOUBTFUL_SCORE: f32 = SURE_SCORE * 0.4;
const FPS: i64 = 25;
/// So much overlap makes a box found.
const FOUND_IOU: f32 = 0.5;

/// Who is where, by frame.
type Boxes = BTreeMap<u64, Vec<(u64, Rect)>>;

#[derive(Debug)]
struct Score {
    mota: f64,
    idf1: f64,
}

fn track(detections: &BTreeMap<u64, Vec<Detection>>) -> Boxes {
    let mut tracker = Tracker::new(TrackerSettings::default(), TrackId(1));
    let last = detections.keys().next_back().copied().unwrap_or_default();
    let frame = |number: u64| {
        let found = detections.get(&number).map(Vec::as_slice).unwrap_or_default();
        let (sure, rest): (Vec<_>, Vec<_>) = found.iter().copied().partition(|it| it.score >= SURE_SCORE);
        let doubtful: Vec<_> = rest.into_iter().filter(|it| it.score >= DOUBTFUL_SCORE).collect();
        let media = MediaTime::from_nanos(i64::try_from(number).unwrap() * 1_000_000_000 / FPS);
        let seen = tracker.step(media, &sure, &doubtful).seen;
        (number, seen.into_iter().map(|seen| (seen.track.0, seen.rect)).collect())
    };
    (1..=last).map(frame).collect()
}

/// The pairing of rows with columns that gains most; each at most once. Looks at every set of rows: there are few.
fn best(rows: usize, columns: usize, gain: impl Fn(usize, usize) -> f64) -> Vec<(usize, usize)> {
    let mut by_rows = vec![Some((0.0, Vec::new()))];
    by_rows.resize(1 << rows, None);
    for column in 0..columns {
        for used in (0..1_usize << rows).rev() {
            let Some((sum, pairs)) = by_rows[used].clone() else { continue };
            for row in (0..rows).filter(|row| used & (1 << row) == 0 && gain(*row, column) > 0.0) {
                let with = sum + gain(row, column);
                let place = &mut by_rows[used | (1 << row)];
                if place.as_ref().is_none_or(|(other, _)| *other < with) {
                    *place = Some((with, [pairs.as_slice(), &[(row, column)]].concat()));
                }
            }
        }
    }
    let most = by_rows.into_iter().flatten().max_by(|one, other| one.0.total_cmp(&other.0));
    most.map(|(_, pairs)| pairs).unwrap_or_default()
}

/// What is wrong in all frames: people not found, boxes of nobody, people whose track became another.
fn mistakes(truth: &Boxes, told: &Boxes) -> usize {
    let (mut wrong, mut track_of) = (0, BTreeMap::new());
    let frames: BTreeSet<u64> = truth.keys().chain(told.keys()).copied().collect();
    for frame in frames {
        let of = |boxes: &Boxes| boxes.get(&frame).cloned().unwrap_or_default();
        let (mut people, mut tracks) = (of(truth), of(told));
        // Whoever was followed stays with his track while that is near enough, whatever else is nearer.
        let mut kept = Vec::new();
        people.retain(|(person, at)| {
            let known = track_of.get(person).and_then(|track| tracks.iter().position(|(id, _)| id == track));
            let Some(place) = known.filter(|place| at.iou(&tracks[*place].1) >= FOUND_IOU) else { return true };
            kept.push(tracks.remove(place));
            false
        });
        let near = |person: usize, track: usize| {
            let iou = people[person].1.iou(&tracks[track].1);
            if iou >= FOUND_IOU { 1000.0 + f64::from(iou) } else { 0.0 }
        };
        let pairs = best(people.len(), tracks.len(), near);
        wrong += people.len() + tracks.len() - 2 * pairs.len();
        for (person, track) in pairs {
            wrong += usize::from(track_of.insert(people[person].0, tracks[track].0).is_some());
        }
    }
    wrong
}

/// In how many frames each person is where a track is, under the pairing of people with tracks that makes most of it.
fn rightly_named(truth: &Boxes, told: &Boxes) -> f64 {
    let mut together = BTreeMap::<(u64, u64), f64>::new();
    for (frame, people) in truth {
        for (person, at) in people {
            let found = told.get(frame).into_iter().flatten().filter(|(_, rect)| at.iou(rect) >= FOUND_IOU);
            found.for_each(|(track, _)| *together.entry((*person, *track)).or_default() += 1.0);
        }
    }
    let people: Vec<u64> = together.keys().map(|pair| pair.0).collect::<BTreeSet<_>>().into_iter().collect();
    let tracks: Vec<u64> = together.keys().map(|pair| pair.1).collect::<BTreeSet<_>>().into_iter().collect();
    let frames = |row: usize, column: usize| together.get(&(people[row], tracks[column])).copied().unwrap_or(0.0);
    best(people.len(), tracks.len(), frames).into_iter().map(|(row, column)| frames(row, column)).sum()
}

fn score(truth: &Boxes, told: &Boxes) -> Score {
    let count = |boxes: &Boxes| f64::from(u32::try_from(boxes.values().map(Vec::len).sum::<usize>()).unwrap());
    let wrong = f64::from(u32::try_from(mistakes(truth, told)).unwrap());
    Score { mota: 1.0 - wrong / count(truth), idf1: 2.0 * rightly_named(truth, told) / (count(truth) + count(told)) }
}

fn is_good(score: &Score) -> bool {
    score.mota > LEAST_MOTA && score.idf1 > LEAST_IDF1
}

/// Numbers from 0 to 1, the same for the same seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(self.0 >> 48).unwrap()) / 65_536.0
    }
}

/// Seven people who walk through and past each other for six seconds. The detector misses each now and then, all of
/// them behind a lamp post, is never quite right, and sees people where there are none.
fn drawn(seed: u64) -> (Boxes, BTreeMap<u64, Vec<Detection>>) {
    let (mut draw, mut truth, mut detections) = (Draw(seed), Boxes::new(), BTreeMap::new());
    for frame in 1..=6 * FPS.unsigned_abs() {
        let now = f32::from(u16::try_from(frame).unwrap());
        let mut people = Vec::new();
        let mut found = Vec::new();
        for (person, lane) in (1..=7_u64).zip([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) {
            let (from, step) = if person % 2 == 0 { (600.0, -3.0) } else { (20.0, 3.2) };
            let rect = Rect { x: from + step * now + 9.0 * lane, y: 40.0 + 45.0 * lane, w: 50.0, h: 130.0 };
            people.push((person, rect));
            let is_hidden = (310.0..330.0).contains(&rect.x) || draw.next() < 0.1;
            let mut shift = |by: f32| by * (draw.next() - 0.5);
            let (x, y, w, h) = (shift(8.0), shift(12.0), shift(6.0), shift(14.0));
            let rect = Rect { x: rect.x + x, y: rect.y + y, w: rect.w + w, h: rect.h + h };
            let score = 0.5 + 0.5 * draw.next();
            if !is_hidden {
                found.push(Detection { class: ObjectClass::Person, score, rect });
            }
        }
        if draw.next() < 0.1 {
            let rect = Rect { x: 600.0 * draw.next(), y: 250.0 * draw.next(), w: 50.0, h: 130.0 };
            found.push(Detection { class: ObjectClass::Person, score: 0.8, rect });
        }
        truth.insert(frame, people);
        detections.insert(frame, found);
    }
    (truth, detections)
}

#[test]
fn people_who_walk_past_each_other_keep_their_names() {
    for seed in 1..=5 {
        let (truth, detections) = drawn(seed);
        let score = score(&truth, &track(&detections));
        assert!(is_good(&score), "seed {seed}: {score:?}");
    }
}

/// `MOTChallenge` rows: frame, id, left, top, width, height, score.
fn rows(path: &Path) -> Option<Vec<(u64, u64, Rect, f32)>> {
    let text = std::fs::read_to_string(path).ok()?;
    let row = |line: &str| {
        let field: Vec<f32> = line.split(',').take(7).map(|field| field.trim().parse().unwrap()).collect();
        let words: Vec<&str> = line.split(',').collect();
        let rect = Rect { x: field[2], y: field[3], w: field[4], h: field[5] };
        (words[0].parse().unwrap(), words[1].parse().unwrap_or_default(), rect, field[6])
    };
    Some(text.lines().map(row).collect())
}

#[test]
fn the_people_of_tud_campus_keep_their_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tracking");
    let (truth, found) = (rows(&folder.join("TUD-Campus-gt.txt")), rows(&folder.join("TUD-Campus-det.txt")));
    let Some((truth_rows, found)) = truth.zip(found) else {
        eprintln!("SKIPPED: {} is not there", folder.display());
        return;
    };
    let (mut truth, mut detections) = (Boxes::new(), BTreeMap::<u64, Vec<Detection>>::new());
    for (frame, person, rect, _) in truth_rows {
        truth.entry(frame).or_default().push((person, rect));
    }
    for (frame, _, rect, score) in found {
        detections.entry(frame).or_default().push(Detection { class: ObjectClass::Person, score, rect });
    }
    let score = score(&truth, &track(&detections));
    println!("{score:?}");
    assert!(is_good(&score), "{score:?}");
}

/// The judge finds each kind of mistake.
#[test]
fn a_person_who_is_missed_doubled_or_renamed_costs() {
    let at = |x: f32| Rect { x, y: 0.0, w: 10.0, h: 20.0 };
    let walk =
        |name: fn(u64) -> u64| (1..=10).map(|frame| (frame, vec![(name(frame), at(0.0)), (9, at(50.0))])).collect();
    let truth: Boxes = walk(|_| 1);
    let points = |told: &Boxes| {
        let Score { mota, idf1 } = score(&truth, told);
        ((mota * 100.0).round(), (idf1 * 100.0).round())
    };
    assert_eq!(points(&truth), (100.0, 100.0));
    assert_eq!(points(&walk(|frame| 1 + frame / 6)), (95.0, 75.0), "renamed after half the way");
    let mut missed = truth.clone();
    for people in missed.values_mut() {
        people.truncate(1);
    }
    assert_eq!(points(&missed), (50.0, 67.0), "one of two is not found");
    let mut doubled = truth.clone();
    for people in doubled.values_mut() {
        people.push((7, at(200.0)));
    }
    assert_eq!(points(&doubled), (50.0, 80.0), "somebody who is not there");
}
