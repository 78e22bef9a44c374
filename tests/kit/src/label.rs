//! What a person reads off a unit's label.

use std::path::Path;

/// The setup code.
pub fn code_on(label: &Path) -> String {
    let mut words = words_on(label).into_iter();
    words.find(|word| word == "Setup code").expect("the label says what the code is");
    words.next().expect("and then the code")
}

/// All its lines, as the label's one content stream has them.
pub fn words_on(label: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(label).expect("read the label");
    text.lines().filter_map(|line| Some(line.split_once('(')?.1.split_once(") Tj")?.0.to_owned())).collect()
}
