//! The center's side.
