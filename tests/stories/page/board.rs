//! The card that says what the board's parts read now.

use super::*;

/// Each part on the card, with its words and how they are marked.
const PARTS: &str = "return [...document.querySelectorAll('#board dt')].map(part =>
    [part.textContent, part.nextElementSibling.textContent, part.nextElementSibling.className])";
/// Colour, size and weight of the first part's words, and the colour behind the card.
const LOOK: &str = "
    const styles = ['#board dd', '#board-meter', 'body'].map(found => getComputedStyle(document.querySelector(found)));
    const [words, ...behind] = styles;
    const large = parseFloat(words.fontSize) >= 18 && Number(words.fontWeight) >= 700;
    return [words.color, large, ...behind.map(each => each.backgroundColor)]";
/// A bus that no machine has.
const ABSENT: &str = "bus = \"/dev/none-i2c\"\naddress = 0x48\n";

fn parts(browser: &Browser) -> Vec<[String; 3]> {
    serde_json::from_value(browser.run(PARTS)).unwrap_or_default()
}

fn words(parts: &[[String; 3]], of: &str) -> String {
    let found = parts.iter().find(|[part, ..]| part == of);
    found.unwrap_or_else(|| panic!("no {of} in {parts:?}"))[1].clone()
}

/// Every part of the simulated board is there, and the warmth moves as its day does.
pub(super) fn lives(browser: &Browser) {
    let warmth = |browser: &Browser| {
        let shown = text(browser, "#board dd");
        shown.strip_suffix(" °C")?.parse::<f32>().ok()
    };
    let first = browser.wait("the board's warmth", warmth);
    let now = parts(browser);
    for (of, read) in [
        ("supply", "12.10 V, 10.3 W"),
        ("tilt", "0.0°"),
        ("tamper switch", "enclosure shut"),
        ("heater", "off"),
        ("fan", "off"),
    ] {
        assert_eq!(words(&now, of), read);
    }
    assert!(words(&now, "light around it").ends_with(" lx"), "{now:?}");
    // In the middle of the simulated day it is night.
    assert!(["off", "on, 100 %"].contains(&words(&now, "infrared light").as_str()), "{now:?}");
    assert!(now.iter().all(|[.., marked]| marked.is_empty()), "nothing is wrong: {now:?}");
    browser.wait("another warmth", |browser| warmth(browser).filter(|warmth| (warmth - first).abs() > 0.05));
}

/// Black on white, as large and bold as in the rest of the page, and nothing sticks out.
pub(super) fn is_readable(browser: &Browser) {
    browser.run("document.querySelector('#board-meter').scrollIntoView()");
    let [black, clear, white] = ["rgb(0, 0, 0)", "rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"];
    assert_eq!(browser.run(LOOK), serde_json::json!([black, true, clear, white]));
    assert_eq!(fits(browser), true);
}

/// The settings of a unit whose board file names two parts on a bus that is not there.
pub(super) fn that_does_not_answer(unit: &Unit) -> String {
    let file = unit.folder.path().join("board.toml");
    let board = format!(
        "name = \"bare\"\n[[temperature]]\nname = \"enclosure\"\npart = \"tmp117\"\n{ABSENT}\
         [power]\n{ABSENT}shunt_ohms = 0.002\nlow_volts = 10.8\ncritical_volts = 10.2\n"
    );
    std::fs::write(&file, board).expect("write the board file");
    format!("[board]\nfile = \"{}\"\n", file.display())
}

/// The parts that do not answer stand there in red with the reason, the others as not fitted.
pub(super) fn tells_what_does_not_answer(browser: &Browser) {
    let now = browser.wait("what the board says", |browser| {
        let now = parts(browser);
        now.iter().any(|[.., marked]| marked == "bad").then_some(now)
    });
    for (of, part) in [("temperature, enclosure", "TMP117"), ("supply", "INA226")] {
        let why = format!("{part} does not answer: cannot open /dev/none-i2c");
        assert!(words(&now, of).starts_with(&why), "{now:?}");
    }
    assert_eq!(words(&now, "not fitted"), "tilt, tamper switch, light around it, infrared light, heater, fan");
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('#board .bad')).color"), "rgb(176, 0, 32)");
    browser.run("document.querySelector('#board-meter').scrollIntoView()");
    assert_eq!(fits(browser), true);
    keep(browser, "page-box-failing-phone.png");
}
