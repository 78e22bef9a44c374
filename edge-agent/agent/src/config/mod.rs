//! The configuration file: parse, check, report every mistake.
