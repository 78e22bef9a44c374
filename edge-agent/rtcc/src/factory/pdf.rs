//! A PDF of one page with squares and words: all that a label needs (ISO 32000-1, 7.5 and 9.6.2.2).

/// One of the fonts that every reader of PDF has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Font {
    Plain,
    Bold,
    Fixed,
}

impl Font {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "P",
            Self::Bold => "B",
            Self::Fixed => "F",
        }
    }
}

/// A page being drawn. Lengths are points, from the lower left corner.
pub(super) struct Page {
    size: (f64, f64),
    content: Vec<String>,
}

impl Page {
    pub(super) const fn new(size: (f64, f64)) -> Self {
        Self { size, content: Vec::new() }
    }

    /// A black square with its lower left corner at a place.
    pub(super) fn square(&mut self, (x, y): (f64, f64), side: f64) {
        self.content.push(format!("{x:.3} {y:.3} {side:.3} {side:.3} re f\n"));
    }

    /// Words on one line. Signs beyond printable ASCII become `?`.
    pub(super) fn text(&mut self, font: Font, size: f64, (x, y): (f64, f64), words: &str) {
        let mut escaped = String::new();
        for sign in words.chars() {
            match sign {
                '(' | ')' | '\\' => escaped.extend(['\\', sign]),
                ' '..='~' => escaped.push(sign),
                _ => escaped.push('?'),
            }
        }
        let at = format!("BT /{} {size} Tf {x:.3} {y:.3} Td ", font.name());
        self.content.push(format!("{at}({escaped}) Tj ET\n"));
    }

    /// The file.
    pub(super) fn finish(self) -> Vec<u8> {
        let (width, height) = self.size;
        let content = self.content.concat();
        let font = |base: &str| format!("<< /Type /Font /Subtype /Type1 /BaseFont /{base} >>");
        let objects = [
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:.3} {height:.3}] /Contents 4 0 R \
                 /Resources << /Font << /P 5 0 R /B 6 0 R /F 7 0 R >> >> >>"
            ),
            format!("<< /Length {} >>\nstream\n{}endstream", content.len(), content),
            font("Helvetica"),
            font("Helvetica-Bold"),
            font("Courier-Bold"),
        ];
        let mut parts = vec!["%PDF-1.4\n".to_owned()];
        let mut table = vec![format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1)];
        let mut begin = parts.iter().map(String::len).sum::<usize>();
        for (number, object) in (1..).zip(&objects) {
            // An entry has exactly 20 bytes.
            table.push(format!("{begin:010} 00000 n \n"));
            let part = format!("{number} 0 obj\n{object}\nendobj\n");
            begin += part.len();
            parts.push(part);
        }
        let size = objects.len() + 1;
        parts.extend(table);
        parts.push(format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{begin}\n%%EOF\n"));
        parts.concat().into_bytes()
    }
}
