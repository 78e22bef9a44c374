//! The center's interface: JSON over HTTP for people's tools, and metrics.
//!
//! Belongs here: questions, answers, and who may ask. Does not belong here: SQL (`database`) and the broker (`broker`).
//! Everything that can be asked for is read from the database. What can be changed: a signed command is handed in, whose
//! signature is for the unit to judge; units are enrolled and revoked, and rollouts begun, moved on and stopped, by persons
//! whose certificate says so, or by whoever is at this machine.

mod center;
mod enrolment;
mod error;
mod events;
mod files;
mod metrics;
mod requests;
mod rollouts;
pub mod tls;
mod units;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::HOST;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use center::{Center, Readers};
pub use error::ApiError;

/// The largest body that is read: a signed command is far smaller.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Every route of the interface.
pub fn router(center: Arc<Center>) -> Router {
    Router::new()
        .route("/api/events", get(events::events))
        .route("/api/units", get(units::units))
        .route("/api/units/{unit}", get(units::unit))
        .route("/api/cameras", get(units::cameras))
        .route("/api/ring", get(units::ring))
        .route("/api/health", get(units::health))
        .route("/api/gaps", get(units::gaps))
        .route("/api/statistics", get(metrics::statistics))
        .route("/api/requests", get(requests::list).post(requests::hand_in))
        .route("/api/requests/{id}", get(requests::one))
        .route("/api/requests/{id}/manifest", get(files::manifest))
        .route("/api/enrolments", get(enrolment::overview))
        .route("/api/enrolments/expect", post(enrolment::expect))
        .route("/api/enrolments/approve", post(enrolment::approve))
        .route("/api/enrolments/refuse", post(enrolment::refuse))
        .route("/api/enrolments/revoke", post(enrolment::revoke))
        .route("/api/rollouts", get(rollouts::list).post(rollouts::begin))
        .route("/api/rollouts/{id}", get(rollouts::one))
        .route("/api/rollouts/{id}/step", post(rollouts::step))
        .route("/api/rollouts/{id}/stop", post(rollouts::stop))
        .route("/api/clips/{id}", get(files::clip))
        .route("/api/thumbs/{hash}", get(files::thumb))
        .route("/metrics", get(metrics::metrics))
        .fallback(async || ApiError::Absent("there is no such page".to_owned()))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(center)
}

/// Lets only questions in that were meant for this machine: a page that a browser loaded from elsewhere may resolve its
/// own name to 127.0.0.1, and then the name it was asked by gives it away.
pub async fn only_local_names(request: Request, next: Next) -> Response {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok()).is_some_and(is_local_name);
    if named {
        next.run(request).await
    } else {
        ApiError::Forbidden("this interface answers to localhost alone".to_owned()).into_response()
    }
}

fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(six) => six.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}

/// Why the interface may not listen there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} can be reached from other machines: without --tls-cert and --tls-key only 127.0.0.1 and ::1 are allowed")]
pub struct NotLocal(SocketAddr);

/// Checks that an address without TLS is reachable from this machine alone.
///
/// # Errors
/// Returns the address when it is not.
pub fn check_local(address: SocketAddr) -> Result<(), NotLocal> {
    if address.ip().is_loopback() { Ok(()) } else { Err(NotLocal(address)) }
}

/// The routes for an address that only this machine reaches.
pub fn local_router(center: Arc<Center>) -> Router {
    router(center).layer(middleware::from_fn(only_local_names))
}

#[cfg(test)]
mod tests;
