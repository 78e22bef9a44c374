//! Joins the stations; the only place that knows them all.

pub mod enroll;
pub mod inspect;
pub mod models;
pub mod replay;
pub mod run;
pub mod vision;
