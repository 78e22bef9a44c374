//! `bench`: measures and prints the table.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use edge_benches::rows::{self, Extent, Surroundings};
use edge_benches::table::markdown;

/// Measures the product beside its references and prints the table
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  make bench                       everything, on two cores that do nothing else; some rows take long
  make bench ROW=pipeline          one row
  target/release/bench --short     whether every row works
  target/release/bench --list      which rows there are")]
struct Arguments {
    /// Only these rows
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// List the rows
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    extent: Extent,
    /// The camera of `reconnects`, in a process of its own
    #[arg(long, hide = true)]
    be_the_camera: bool,
    /// The unit of `reconnects`, in a process of its own, with its camera at this port
    #[arg(long, hide = true, value_name = "PORT")]
    be_the_unit: Option<u16>,
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
    if arguments.be_the_camera {
        return rows::reconnects::be_the_camera();
    }
    if let Some(port) = arguments.be_the_unit {
        return rows::reconnects::be_the_unit(port, arguments.extent.reconnects);
    }
    let around = Surroundings::find(&arguments.folder, arguments.extent)?;
    writeln!(out, "{}", markdown(&rows::measure(&arguments.rows, &around)?))?;
    Ok(())
}
