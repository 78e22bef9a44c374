//! The table of numbers that the design promises, each beside its reference in the same run: `make bench`.
//!
//! A row measures the product and its reference in turn, several times, since machines drift; what counts is the ratio.
//! Nothing here decides whether a change is good: that is for who reads the table.
#![allow(clippy::cast_precision_loss, reason = "counts and bytes of a measurement are far below 2^52")]
#![allow(clippy::print_stderr, reason = "progress on long work")]
#![allow(clippy::disallowed_methods, reason = "measuring is reading clocks and starting programs")]

pub mod cost;
pub mod rows;
pub mod table;
