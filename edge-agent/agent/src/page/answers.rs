//! What is asked of the page, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use axum::{Json, Router};
use edge_protocol::id::CameraId;
use edge_protocol::time::{MonoTime, WallTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::door::{Outside, Ticket};
use super::reports::{commission, report, sealed_report};
use super::shared::{Page, Shared};
use super::source::TypedSource;
use super::unit::{Drawing, Glance, Refusal, Unit};

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const ZONES: &str = include_str!("zones.js");
const PLACE: &str = include_str!("place.js");
const CAMERA: &str = include_str!("camera.js");
const BLUR: &str = include_str!("blur.js");
const REPORT: &str = include_str!("report.js");

/// Nothing that is told the page is longer.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// The longest name that somebody goes by.
const MAX_NAME: usize = 40;
/// How long a picture is waited for.
pub(super) const PICTURE: Duration = Duration::from_secs(3);
/// The prefix makes a browser refuse the cookie unless it is of this very host, under TLS.
const SESSION: &str = "__Host-session";
/// Nothing from elsewhere, in no frame, and no script but our own file.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The technician who asks; only those who are in get that far.
#[derive(Debug, Clone)]
pub(super) struct Technician(pub(super) String);

/// Every route. Without a session there is the empty page and the way in.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let inside = Router::new()
        .route("/api/glance", get(glance))
        .route("/api/picture/{camera}", get(picture))
        .route("/api/test-read/{camera}", post(test_read))
        .route("/api/drawing/{camera}", putting(|unit, camera, given, by| unit.draw(camera, given, by)).get(drawing))
        .route("/api/place/{camera}", putting(|unit, camera, given, by| unit.place(camera, given, by)))
        .route("/api/source/{camera}", putting(|unit, camera, given, by| unit.source(camera, given, by)))
        .route("/api/cameras", post(find_cameras))
        .route("/api/streams", post(ask_streams))
        .route("/api/checks", post(checks))
        .route("/api/report", get(report).post(commission))
        .route("/api/report.cose", get(sealed_report))
        .route("/api/enrol", post(enrol))
        .route("/api/logout", post(logout))
        .layer(middleware::from_fn_with_state(Arc::clone(shared), only_inside));
    Router::new()
        .route("/", get(async || ([(CONTENT_TYPE, "text/html; charset=utf-8")], HTML)))
        .route("/page.css", get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .merge(scripts())
        .route("/api/login", post(login))
        .merge(inside)
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "there is no such page"))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(careful))
        .with_state(Arc::clone(shared))
}

fn scripts() -> Router<Arc<Shared>> {
    let all = [
        ("/page.js", SCRIPT),
        ("/zones.js", ZONES),
        ("/place.js", PLACE),
        ("/camera.js", CAMERA),
        ("/blur.js", BLUR),
        ("/report.js", REPORT),
    ];
    all.into_iter().fold(Router::new(), |router, (path, text)| {
        router.route(path, get(async move || ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], text)))
    })
}

/// No browser keeps anything of this page, and nothing else may use it.
async fn careful(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What is answered where something was done and there is nothing to tell.
type Done = Json<serde_json::Value>;

fn done((): ()) -> Done {
    Json(json!({}))
}

/// Why something is not done, as the page's script reads it.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    words: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, words: words.into() }
    }

    /// What was asked for is not as it may be.
    pub(super) fn wrong(refusal: Refusal) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.0)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.words }))).into_response()
    }
}

/// What is refused because the unit cannot do it now.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, refusal.0)
    }
}

fn ticket(headers: &HeaderMap) -> Option<Ticket> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION).map(|(_, value)| Ticket(value.to_owned()))
}

async fn only_inside(State(shared): Page, mut request: Request, next: Next) -> Response {
    match inside(&shared, request.headers()) {
        Ok(technician) => {
            request.extensions_mut().insert(technician);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// Who asks, where that one is in.
pub(super) fn inside(shared: &Shared, headers: &HeaderMap) -> Result<Technician, Failure> {
    let shown = ticket(headers).ok_or(Outside::NotIn);
    let who = shown.and_then(|ticket| shared.door().who(&ticket, shared.clock.mono()));
    who.map(Technician).map_err(|outside| {
        let words = match outside {
            Outside::NotIn => "log in with the setup code on the label".to_owned(),
            Outside::TakenOver(by) => format!("{by} has taken over"),
        };
        Failure::new(StatusCode::UNAUTHORIZED, words)
    })
}

#[derive(Deserialize)]
struct Login {
    name: String,
    code: String,
    #[serde(default)]
    take_over: bool,
}

/// Somebody else is in.
#[derive(Serialize)]
struct Occupied {
    error: String,
    by: String,
    since: WallTime,
}

async fn login(State(shared): Page, Json(login): Json<Login>) -> Result<Response, Failure> {
    let name = name(&login.name)?;
    let inner = Arc::clone(&shared);
    shared.unit(move |unit| let_in(&inner, unit, &name, &login)).await?
}

/// Judges a code and lets in who has shown the right one. All of it at once: whoever comes meanwhile comes after.
fn let_in(shared: &Shared, unit: &dyn Unit, name: &str, login: &Login) -> Result<Response, Failure> {
    if let Err(refusal) = unit.try_code(&login.code) {
        unit.note(&format!("technician's page: {name} was not let in: {refusal}"))?;
        return Err(Failure::new(StatusCode::FORBIDDEN, refusal.0));
    }
    let (now, wall) = (shared.clock.mono(), shared.clock.wall().time);
    let before = shared.door().inside(now).map(|inside| (inside.name.clone(), inside.since));
    if let Some((by, since)) = before.clone().filter(|_| !login.take_over) {
        let error = format!("{by} is in");
        return Ok((StatusCode::CONFLICT, Json(Occupied { error, by, since })).into_response());
    }
    unit.note(&match before {
        Some((before, _)) => format!("technician's page: {name} took over from {before}"),
        None => format!("technician's page: {name} logged in"),
    })?;
    let cookie = enter(shared, name, now, wall)?;
    Ok(([(SET_COOKIE, cookie)], Json(json!({ "technician": name }))).into_response())
}

/// A name as it goes into the log: a person's, of one line.
fn name(typed: &str) -> Result<String, Failure> {
    let name: String = typed.trim().chars().filter(|sign| !sign.is_control()).take(MAX_NAME).collect();
    let missing = || Failure::new(StatusCode::BAD_REQUEST, "give your name: it goes into the unit's log");
    if name.is_empty() { Err(missing()) } else { Ok(name) }
}

/// Lets somebody in; the cookie that proves it.
fn enter(shared: &Shared, name: &str, now: MonoTime, wall: WallTime) -> Result<String, Failure> {
    let mut random = [0; Ticket::RANDOM_BYTES];
    let drawn = aws_lc_rs::rand::fill(&mut random);
    drawn.map_err(|_| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random bytes"))?;
    let ticket = Ticket::of(&random);
    shared.door().enter(name, &ticket, now, wall);
    Ok(format!("{SESSION}={}; Path=/; Secure; HttpOnly; SameSite=Strict", ticket.0))
}

async fn logout(State(shared): Page, Extension(Technician(name)): Extension<Technician>) -> Result<Response, Failure> {
    shared.unit(move |unit| unit.note(&format!("technician's page: {name} logged out"))).await??;
    shared.door().clear();
    let cookie = format!("{SESSION}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(([(SET_COOKIE, cookie)], Json(json!({}))).into_response())
}

/// How the unit is, and who asks.
#[derive(Serialize)]
struct Told {
    technician: String,
    #[serde(flatten)]
    glance: Glance,
}

async fn glance(
    State(shared): Page,
    Extension(Technician(technician)): Extension<Technician>,
) -> Result<Json<Told>, Failure> {
    let glance = shared.unit(|unit| unit.glance()).await?;
    Ok(Json(Told { technician, glance }))
}

#[derive(Deserialize)]
struct After {
    /// The number of the picture that is shown already.
    after: Option<i64>,
}

/// A picture other than the one that is shown already, with its measures in a header, so that both are of one moment.
async fn picture(
    State(shared): Page,
    Path(camera): Path<CameraId>,
    Query(After { after }): Query<After>,
) -> Result<Response, Failure> {
    if !shared.ask_picture(&camera) {
        return Err(no_camera(&camera));
    }
    let none = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "no picture comes from this camera");
    let until = shared.clock.mono().saturating_add(PICTURE);
    let picture = shared.other_picture(&camera, after, until).await.ok_or_else(none)?;
    let measures = serde_json::to_string(&picture).unwrap_or_default();
    let headers = [("content-type", "image/jpeg"), ("x-measures", measures.as_str())];
    Ok((headers, picture.jpeg).into_response())
}

fn no_camera(camera: &CameraId) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, format!("there is no camera {camera}"))
}

async fn test_read(
    State(shared): Page,
    Path(camera): Path<CameraId>,
    Extension(Technician(name)): Extension<Technician>,
) -> Result<Done, Failure> {
    let asked = shared.unit(move |unit| {
        unit.note(&format!("technician's page: {name} asked for a test read at {camera}"))?;
        unit.test_read(camera);
        Ok::<(), Refusal>(())
    });
    Ok(asked.await?.map(done)?)
}

async fn checks(State(shared): Page, Extension(Technician(name)): Extension<Technician>) -> Result<Done, Failure> {
    let begun = shared.unit(move |unit| {
        unit.note(&format!("technician's page: {name} began the checks"))?;
        unit.begin_checks();
        Ok::<(), Refusal>(())
    });
    Ok(begun.await?.map(done)?)
}

async fn drawing(State(shared): Page, Path(camera): Path<CameraId>) -> Result<Json<Drawing>, Failure> {
    let asked = camera.clone();
    shared.unit(move |unit| unit.drawing(&asked)).await?.map(Json).ok_or_else(|| no_camera(&camera))
}

/// What is put in force at a camera: the unit judges it, writes it down and takes it.
fn putting<G: DeserializeOwned + Send + 'static>(
    take: fn(&dyn Unit, &CameraId, &G, &str) -> Result<(), Refusal>,
) -> MethodRouter<Arc<Shared>> {
    put(
        async move |State(shared): Page,
                    Path(camera): Path<CameraId>,
                    Extension(Technician(name)): Extension<Technician>,
                    Json(given): Json<G>| {
            let taken = shared.unit(move |unit| take(unit, &camera, &given, &name)).await?;
            taken.map(done).map_err(Failure::wrong)
        },
    )
}

async fn find_cameras(
    State(shared): Page,
    Extension(Technician(name)): Extension<Technician>,
) -> Result<Done, Failure> {
    shared.unit(move |unit| unit.find_cameras(&name)).await?.map(done).map_err(Failure::wrong)
}

async fn ask_streams(
    State(shared): Page,
    Extension(Technician(name)): Extension<Technician>,
    Json(of): Json<TypedSource>,
) -> Result<Done, Failure> {
    shared.unit(move |unit| unit.ask_streams(&of, &name)).await?.map(done).map_err(Failure::wrong)
}

#[derive(Deserialize)]
struct Enrol {
    code: String,
    #[serde(default)]
    broker: String,
}

async fn enrol(
    State(shared): Page,
    Extension(Technician(name)): Extension<Technician>,
    Json(Enrol { code, broker }): Json<Enrol>,
) -> Result<Done, Failure> {
    let broker = Some(broker.trim().to_owned()).filter(|broker| !broker.is_empty());
    let begun = shared.unit(move |unit| {
        unit.note(&format!("technician's page: {name} began the enrolment"))?;
        unit.enrol(&code, broker).map_err(Failure::wrong)
    });
    begun.await?.map(done)
}
