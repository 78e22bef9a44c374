//! What a person reads off a unit's label.

use std::path::Path;

/// The setup code, as the label's one content stream has it.
pub fn code_on(label: &Path) -> String {
    let text = std::fs::read_to_string(label).expect("read the label");
    let mut words = text.lines().filter_map(|line| Some(line.split_once('(')?.1.split_once(") Tj")?.0));
    words.find(|word| *word == "Setup code").expect("the label says what the code is");
    words.next().expect("and then the code").to_owned()
}
