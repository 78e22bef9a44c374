//! Joins the stations; the only place that knows them all.

pub mod check;
pub mod doctor;
pub mod enroll;
pub mod inspect;
mod locked;
pub mod models;
mod named;
pub mod networks;
pub mod onvif;
pub mod replay;
pub mod run;
pub mod update;
mod video;
pub mod vision;
