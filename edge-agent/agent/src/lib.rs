//! The device: capture, vision, record, clip, uplink, control, page, metrics and what keeps them running.
//!
//! Folders are the stations of the data's way and never import each other; only `app` joins them.
//! `media`, `keys` and `supervise` are the floor that every station stands on.

pub mod app;
pub mod capture;
pub mod clip;
pub mod config;
pub mod control;
pub mod enrolment;
pub mod inference;
pub mod keep;
pub mod keys;
pub mod media;
pub mod metrics;
pub mod onvif;
pub mod page;
pub mod peripherals;
pub mod publish;
pub mod record;
pub mod supervise;
pub mod update;
pub mod uplink;
pub mod vision;
