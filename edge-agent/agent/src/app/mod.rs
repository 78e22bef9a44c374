//! Joins the stations; the only place that knows them all.

pub mod doctor;
pub mod enroll;
pub mod inspect;
pub mod models;
pub mod networks;
pub mod onvif;
pub mod replay;
pub mod run;
pub mod update;
pub mod vision;
