//! One line a figure, as it goes into RESULTS.md.

/// A figure beside its goal.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What the design wants.
    pub goal: String,
    /// What came out, with its spread.
    pub measured: String,
    /// Beside what.
    pub reference: String,
    /// Whether the goal is met; none where it states none.
    pub met: Option<bool>,
}

/// The table in Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| what | goal | measured | reference | goal met |\n|---|---|---|---|---|\n");
    for Row { what, goal, measured, reference, met } in rows {
        let met = met.map_or("-", |met| if met { "yes" } else { "no" });
        text.extend(["| ", what, " | ", goal, " | ", measured, " | ", reference, " | ", met, " |\n"]);
    }
    text
}
