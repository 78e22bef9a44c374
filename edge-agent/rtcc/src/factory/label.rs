//! The label: 90 mm by 50 mm, readable by a phone's camera and by a person on a ladder.

use edge_protocol::enrolment::{Serial, SetupCode};
use edge_protocol::hash::Hash256;
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};

use super::pdf::{Font, Page};

/// Points in a millimetre.
const MM: f64 = 72.0 / 25.4;
/// The label's size.
const SIZE: (f64, f64) = (90.0 * MM, 50.0 * MM);
/// The side of the code's square, without the quiet zone.
const CODE_SIDE: f64 = 36.0 * MM;
/// Left edge of the words.
const WORDS_AT: f64 = 45.0 * MM;

/// Where the unit is for a phone that does not find names, and for one that takes no address by DHCP: the addresses of
/// the image's service port (`10-service.network`).
const FIXED: [&str; 2] = ["192.168.217.1", "169.254.217.1"];

/// What stands on the label.
pub(super) struct Label<'a> {
    pub(super) serial: &'a Serial,
    pub(super) page_host: &'a str,
    pub(super) code: &'a SetupCode,
    pub(super) page: &'a Hash256,
}

impl Label<'_> {
    /// What a phone reads. What follows `#` never leaves the phone's browser by itself.
    pub(super) fn link(&self) -> String {
        let code = self.code.on_the_label();
        format!("https://{}/#serial={}&setup={code}&sha256={}", self.page_host, self.serial, self.page)
    }

    /// The label as a PDF of one page.
    pub(super) fn pdf(&self) -> Result<Vec<u8>, QrError> {
        let mut page = Page::new(SIZE);
        self.draw_code(&mut page)?;
        let hash = self.page.to_string();
        let [nameless, addressless] = FIXED;
        let lines = [
            (Font::Bold, 13.0, 42.0, format!("Unit {}", self.serial)),
            (Font::Plain, 7.0, 37.5, format!("https://{}/", self.page_host)),
            (Font::Plain, 6.0, 34.4, format!("or https://{nameless}/")),
            (Font::Plain, 6.0, 31.9, format!("without DHCP https://{addressless}/")),
            (Font::Plain, 8.0, 27.5, "Setup code".to_owned()),
            (Font::Fixed, 13.0, 22.3, self.code.on_the_label()),
            (Font::Plain, 6.0, 16.0, "SHA-256 of the page's certificate".to_owned()),
        ];
        for (font, size, height, words) in lines {
            page.text(font, size, (WORDS_AT, height * MM), &words);
        }
        let signs: Vec<char> = hash.chars().collect();
        for (line, height) in signs.chunks(16).zip([13.0, 10.4, 7.8, 5.2]) {
            page.text(Font::Fixed, 7.0, (WORDS_AT, height * MM), &line.iter().collect::<String>());
        }
        Ok(page.finish())
    }

    fn draw_code(&self, page: &mut Page) -> Result<(), QrError> {
        let code = QrCode::with_error_correction_level(self.link(), EcLevel::M)?;
        let width = code.width();
        let side = CODE_SIDE / f64::from(u16::try_from(width).unwrap_or(u16::MAX));
        let colors = code.to_colors();
        for (row, modules) in (0_u16..).zip(colors.chunks(width)) {
            for (column, _) in (0_u16..).zip(modules).filter(|(_, module)| **module == Color::Dark) {
                let (x, y) = (f64::from(column) * side, CODE_SIDE - f64::from(row + 1) * side);
                page.square((4.0 * MM + x, 7.0 * MM + y), side);
            }
        }
        Ok(())
    }
}
