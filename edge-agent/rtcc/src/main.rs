//! `rtcc`: the command line of the center.

fn main() {}
