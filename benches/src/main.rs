//! `bench`: measures and prints the table.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use edge_benches::rows::{self, Surroundings};
use edge_benches::table::markdown;

/// Measures the product beside its references and prints the table
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  make bench                       everything, about ten minutes on two quiet cores
  make bench ROW=pipeline          one row
  target/release/bench --list      which rows there are")]
struct Arguments {
    /// Only these rows
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// List the rows
    #[arg(long)]
    list: bool,
    /// How often product and reference are measured in turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Where videos and folders are made
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut out = std::io::stdout();
    if arguments.list {
        for (name, about, _) in rows::ALL {
            writeln!(out, "{name:<10} {about}")?;
        }
        return Ok(());
    }
    let around = Surroundings::find(&arguments.folder, arguments.rounds)?;
    writeln!(out, "{}", markdown(&rows::measure(&arguments.rows, &around)?))?;
    Ok(())
}
