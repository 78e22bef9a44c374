//! What the interface says when it cannot answer: a status and a sentence, as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::database::DatabaseError;
use crate::enrolment::{DecisionError, EnrolmentError};

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The question is wrong.
    #[error("{0}")]
    Bad(String),
    /// There is no such thing.
    #[error("{0}")]
    Absent(String),
    /// It does not go together with what is there.
    #[error("{0}")]
    Conflict(String),
    /// Asked from where, or in a way, that is not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// Too much at once.
    #[error("{0}")]
    TooLarge(String),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
    /// The center's own fault; the log has the cause.
    #[error("the center failed: {0}")]
    Failed(String),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Absent(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Locked => Self::Unavailable(error.to_string()),
            DatabaseError::TooNew { .. } | DatabaseError::File { .. } | DatabaseError::Failed(_) => {
                tracing::error!(?error, "the database failed a reader");
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<DecisionError> for ApiError {
    fn from(error: DecisionError) -> Self {
        match error {
            DecisionError::Absent(words) => Self::Absent(words),
            DecisionError::Conflict(words) => Self::Conflict(words),
            DecisionError::Failed(EnrolmentError::Database(error)) => error.into(),
            DecisionError::Failed(EnrolmentError::Pki(error)) => Self::Failed(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(serde_json::json!({ "error": self.to_string() }));
        (self.status(), body).into_response()
    }
}
