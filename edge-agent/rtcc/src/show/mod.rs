//! How events and times look to people. Pure: values in, text out.
//!
//! Everything that came from a unit is hostile until shown otherwise: it goes through [`text::terminal`] or
//! [`text::csv_field`] and nowhere else.

pub mod event;
pub mod lists;
pub mod text;
pub mod time;
pub mod verdict;
