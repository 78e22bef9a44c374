//! `/api/clips/{id}` and `/api/thumbs/{hash}`: the bytes of clips and pictures.
//!
//! A clip may be larger than memory, so large ones are given in ranges (RFC 9110, section 14), which is also what
//! players ask for and how an interrupted download goes on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use super::center::{Center, blocking};
use super::error::ApiError;
use crate::database::requests::{self, Part, RequestStatus};
use crate::receiver::clips;

/// The most bytes of one answer.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

pub(super) async fn clip(
    State(center): State<Arc<Center>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = ClipFile { part: Part::Media, kind: "video/mp4" };
    file.give(&center, id, &headers).await
}

pub(super) async fn manifest(
    State(center): State<Arc<Center>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = ClipFile { part: Part::Manifest, kind: "application/cose" };
    file.give(&center, id, &headers).await
}

struct ClipFile {
    part: Part,
    kind: &'static str,
}

impl ClipFile {
    async fn give(&self, center: &Arc<Center>, id: String, headers: &HeaderMap) -> Result<Response, ApiError> {
        let asked = id.clone();
        let request = center
            .read(move |database| requests::request(database, &asked))
            .await?
            .ok_or_else(|| ApiError::Absent(format!("nobody asked for {id:?}")))?;
        if request.status != RequestStatus::Complete {
            return Err(ApiError::Conflict(format!("the clip is {}: {}", request.status.as_str(), request.words)));
        }
        let path = clips::clip(&center.folder, &request.id, self.part);
        let range = headers.get(RANGE).map(|range| range.to_str().unwrap_or("").to_owned());
        let piece = blocking(move || read_piece(&path, range.as_deref())).await?;
        let mut response = (piece.status, piece.bytes).into_response();
        insert(&mut response, CONTENT_TYPE, self.kind);
        insert(&mut response, ACCEPT_RANGES, "bytes");
        insert(&mut response, CONTENT_RANGE, &piece.content_range);
        Ok(response)
    }
}

pub(super) async fn thumb(State(center): State<Arc<Center>>, Path(hash): Path<String>) -> Result<Response, ApiError> {
    // The hash becomes part of a path, so it is a hash and nothing else.
    let is_hash = (16..=64).contains(&hash.len()) && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hash {
        return Err(ApiError::Bad("a picture is asked for by its hash in lower-case hexadecimal".to_owned()));
    }
    let path = clips::thumb(&center.folder, &hash);
    let bytes = blocking(move || match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ApiError::Absent(format!("there is no picture {hash}")))
        }
        Err(error) => Err(ApiError::Failed(error.to_string())),
    })
    .await?;
    let mut response = bytes.into_response();
    insert(&mut response, CONTENT_TYPE, "image/jpeg");
    Ok(response)
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}

struct Piece {
    status: StatusCode,
    bytes: Vec<u8>,
    content_range: String,
}

fn read_piece(path: &std::path::Path, range: Option<&str>) -> Result<Piece, ApiError> {
    let failed = |error: io::Error| ApiError::Failed(error.to_string());
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let (first, last) = match range {
        None if size <= MOST_BYTES => (0, size.saturating_sub(1)),
        None => return Err(ApiError::TooLarge(format!("the clip has {size} bytes: ask for ranges"))),
        Some(range) => chosen(range, size)
            .ok_or_else(|| ApiError::Bad(format!("the clip has {size} bytes, and the range is not within it")))?,
    };
    let length = usize::try_from(last + 1 - first).map_err(|error| ApiError::Failed(error.to_string()))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, first).map_err(failed)?;
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    Ok(Piece { status, bytes, content_range: format!("bytes {first}-{last}/{size}") })
}

/// The range that is given for the one that is asked for: `bytes=first-last` or `bytes=first-`, cut to what one answer
/// holds and to the file's end.
fn chosen(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    let end = last.min(first.saturating_add(MOST_BYTES - 1)).min(size.checked_sub(1)?);
    (first <= end).then_some((first, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file_and_to_one_answer() {
        assert_eq!(chosen("bytes=0-", 10), Some((0, 9)));
        assert_eq!(chosen("bytes=2-4", 10), Some((2, 4)));
        assert_eq!(chosen("bytes=9-100", 10), Some((9, 9)));
        assert_eq!(chosen("bytes=0-", u64::MAX), Some((0, MOST_BYTES - 1)));
        for wrong in ["bytes=10-", "bytes=4-2", "bytes=-5", "bytes=a-b", "0-1", "bytes=0-1,3-4", ""] {
            assert_eq!(chosen(wrong, 10), None, "{wrong}");
        }
        assert_eq!(chosen("bytes=0-", 0), None);
    }
}
