//! `rtcc`: the command line of the center.

mod commands;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    commands::Arguments::parse().run()
}
