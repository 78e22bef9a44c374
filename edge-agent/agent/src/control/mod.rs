//! Command to authorisation to action to audit.
