use super::*;
use crate::picture::{Colorimetry, Matrix, Plane, Planes, Range};

const WIDTH: usize = 384;
const HEIGHT: usize = 216;

/// A street of bright and dark blocks with fine texture, brightness 40 to 200; the same everywhere it is drawn.
fn street(left: usize) -> Vec<u8> {
    let noise = |x: usize, y: usize| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 3;
    let pixel = |place: usize| {
        let (x, y) = (place % WIDTH + left, place / WIDTH);
        let block = noise(x / 16, y / 16) % 128;
        u8::try_from(40 + block + noise(x, y) % 32).unwrap()
    };
    (0..WIDTH * HEIGHT).map(pixel).collect()
}

fn blurred(bytes: &[u8], radius: usize) -> Vec<u8> {
    let pixel = |place: usize| {
        let (x, y) = (place % WIDTH, place / WIDTH);
        let (mut sum, mut count) = (0, 0);
        for yy in y.saturating_sub(radius)..(y + radius + 1).min(HEIGHT) {
            for xx in x.saturating_sub(radius)..(x + radius + 1).min(WIDTH) {
                sum += u32::from(bytes[yy * WIDTH + xx]);
                count += 1;
            }
        }
        u8::try_from(sum / count).unwrap()
    };
    (0..WIDTH * HEIGHT).map(pixel).collect()
}

/// Shows pictures for some seconds each, four a second; what is told, as (second, finding, over).
fn shown(scenes: &[(&[u8], i64)]) -> Vec<(i64, Finding, bool)> {
    let mut care = Care::new(CareSettings::default());
    let (mut told, mut second) = (Vec::new(), 0);
    for (bytes, seconds) in scenes {
        let plane = Plane { bytes, stride: WIDTH };
        let colorimetry = Colorimetry { matrix: Matrix::Bt709, range: Range::Full };
        let (width, height) = (u32::try_from(WIDTH).unwrap(), u32::try_from(HEIGHT).unwrap());
        let picture = Picture::new(width, height, Planes::Grey(plane), colorimetry).unwrap();
        for quarter in 0..seconds * 4 {
            let media = MediaTime::from_nanos((second * 4 + quarter) * 250_000_000);
            let sightings = care.see(&picture, media);
            told.extend(sightings.iter().map(|told| (told.media.as_nanos() / 1_000_000_000, told.finding, told.over)));
        }
        second += seconds;
    }
    told
}

#[test]
fn each_fault_is_found_after_five_seconds_and_over_five_seconds_after_it() {
    let street_ = street(0);
    let grey = vec![90; WIDTH * HEIGHT];
    let black = vec![4; WIDTH * HEIGHT];
    let white: Vec<u8> = street_.iter().map(|value| value.saturating_mul(4)).collect();
    for (fault, finding) in [
        (grey, Finding::Covered),
        (black, Finding::Covered),
        (white, Finding::OverExposed),
        (blurred(&street_, 4), Finding::Defocused),
        (blurred(&street_, 8), Finding::Defocused),
        (street(20), Finding::Moved),
        (street(2000), Finding::Moved),
    ] {
        let told = shown(&[(&street_, 20), (&fault, 20), (&street_, 20)]);
        assert_eq!(told, [(25, finding, false), (45, finding, true)]);
    }
}

#[test]
fn a_short_fault_is_none_and_a_quiet_street_is_quiet() {
    let street_ = street(0);
    assert_eq!(shown(&[(&street_, 20), (&vec![90; WIDTH * HEIGHT], 4), (&street_, 20)]), []);
    assert_eq!(shown(&[(&street_, 300)]), []);
}

#[test]
fn dusk_is_too_dark_and_not_a_hand_over_the_lens() {
    let street_ = street(0);
    let dims: Vec<Vec<u8>> =
        (0..40_u8).map(|step| street_.iter().map(|value| value.saturating_sub(step * 5)).collect()).collect();
    let mut scenes: Vec<(&[u8], i64)> = dims.iter().map(|dim| (dim.as_slice(), 60)).collect();
    scenes.push((dims.last().unwrap(), 60));
    let told = shown(&scenes);
    assert!(matches!(told[..], [(_, Finding::TooDark, false)]), "{told:?}");
}

#[test]
fn shadows_and_exposure_are_no_turn() {
    let street_ = street(0);
    let shade: Vec<u8> = street_
        .iter()
        .enumerate()
        .map(|(place, value)| if place % WIDTH < WIDTH / 3 { value / 2 } else { *value })
        .collect();
    let brighter: Vec<u8> = street_.iter().map(|value| value.saturating_add(30)).collect();
    assert_eq!(shown(&[(&street_, 20), (&shade, 30), (&brighter, 30), (&street_, 30)]), []);
}

#[test]
fn a_camera_that_stays_turned_is_accepted_in_its_new_place() {
    let told = shown(&[(&street(0), 20), (&street(2000), 660)]);
    let over = told.iter().find(|(_, _, over)| *over).unwrap();
    assert_eq!((told.len(), over.1), (2, Finding::Moved));
    assert!((620..=650).contains(&over.0), "{told:?}");
}

#[test]
fn the_field_guide_names_every_limit_as_it_is_shipped() {
    let guide = include_str!("../../../docs/field-guide.md");
    let CareSettings { dark_below, burnt_above, covered_below, focus_below, likeness_below, lasts_s } =
        CareSettings::default();
    let limit = |finding| match finding {
        Finding::Covered => format!("below {covered_below} | `covered_below`"),
        Finding::Defocused => format!("below {focus_below} | `focus_below`"),
        Finding::Moved => format!("below {likeness_below} | `likeness_below`"),
        Finding::TooDark => format!("below {dark_below} of 255 | `dark_below`"),
        Finding::OverExposed => format!("above {burnt_above} | `burnt_above`"),
        Finding::Frozen => format!("from {} | –", still::LASTS.as_secs()),
    };
    for finding in Finding::BY_CARE.into_iter().chain([Finding::Frozen]) {
        let row = format!("| {} | {} | {} |\n", finding.as_str(), finding.measure(), limit(finding));
        assert!(guide.contains(&row), "the field guide has no row {row}");
    }
    let lasts = format!("lasts {lasts_s} seconds (`lasts_s`)");
    assert!(guide.contains(&lasts), "{lasts}");
    let margin = format!("{:.0} % on the good side", MARGIN * 100.0);
    assert!(guide.contains(&margin), "{margin}");
}
