//! Camera to access units.
