//! Text from elsewhere, made harmless for a terminal or a spreadsheet.

use std::fmt::Write as _;

/// The most characters of one field that are shown.
const MOST_CHARACTERS: usize = 256;

/// Text as a terminal may show it: no control characters, so nothing can move the cursor, colour the screen or answer
/// for the keyboard, and nothing that turns the direction of writing or hides itself.
pub fn terminal(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == MOST_CHARACTERS {
            shown.push('…');
            break;
        }
        if is_harmless(character) {
            shown.push(character);
        } else {
            let written = write!(shown, "\\u{{{:x}}}", u32::from(character));
            debug_assert!(written.is_ok(), "a String takes everything");
        }
    }
    shown
}

/// One field of a CSV line (RFC 4180), which no spreadsheet takes for a formula.
///
/// A leading `=`, `+`, `-`, `@`, tab or return makes spreadsheets compute; the apostrophe before it stops that and is
/// what they show least. Control characters are written out as for the terminal, so a record is always one line.
pub fn csv_field(text: &str) -> String {
    let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let shown = terminal(text);
    let guarded = if computes { format!("'{shown}") } else { shown };
    if guarded.contains([',', '"', ';', '\n']) || guarded != guarded.trim() {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

fn is_harmless(character: char) -> bool {
    let hidden = matches!(
        u32::from(character),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
            | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0xe0000..=0xe0fff
    );
    !character.is_control() && !hidden && character != '\\'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_turned_writing_are_shown_and_not_obeyed() {
        assert_eq!(terminal("\x1b[2J\x07AB"), "\\u{1b}[2J\\u{7}AB");
        assert_eq!(terminal("AB\u{202e}21"), "AB\\u{202e}21");
        assert_eq!(terminal("a\nb\r\n"), "a\\u{a}b\\u{d}\\u{a}");
        assert_eq!(terminal("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(terminal("\\u{1b}"), "\\u{5c}u{1b}", "an escape cannot be forged");
        assert_eq!(terminal("Straße 京都"), "Straße 京都");
        assert_eq!(terminal(&"x".repeat(1000)).chars().count(), MOST_CHARACTERS + 1);
    }

    #[test]
    fn a_spreadsheet_computes_nothing_and_a_record_stays_one_line() {
        assert_eq!(csv_field("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        for start in ["+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert!(csv_field(start).trim_start_matches('"').starts_with('\''), "{start:?}");
        }
        assert_eq!(csv_field("a,b"), "\"a,b\"");
        assert_eq!(csv_field("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(csv_field("two\nlines"), "two\\u{a}lines");
        assert_eq!(csv_field("AB12"), "AB12");
    }

    proptest! {
        #[test]
        fn no_text_at_all_reaches_the_terminal_as_a_control_character(text in "\\PC*|.*") {
            prop_assert!(!terminal(&text).chars().any(char::is_control));
            prop_assert!(!csv_field(&text).chars().any(char::is_control));
        }
    }
}
