//! `edge-agent`: the command line of the box.

fn main() {}
