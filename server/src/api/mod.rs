//! The HTTP API under `/api/v1`, and the dashboard's files. The only module that knows status codes.
//!
//! Each resource has a file; a handler extracts, makes one call and responds. A handler's annotation
//! (`#[utoipa::path]`) is both its route and its entry in the `OpenAPI` document, so the two cannot differ.
//!
//! | file | holds |
//! |---|---|
//! | `error`, `extract` | the mapping from errors to status codes; request parts |
//! | `request_id` | a name for each request, in its answer, the log and the record of changes |
//! | `gate`, `guard` | who may ask; same-origin check and headers |
//! | `openapi`, `schema` | the document |
//! | `studies`, `deletions`, `runs`, `queue`, `run_files`, `events` | studies, deleted ones that can be restored, runs, the order of those that wait, the files of runs, the live stream |
//! | `datasets`, `samples`, `keys` | data sets, their images, key images |
//! | `checkpoints`, `imports`, `evaluations`, `predictions`, `judged`, `inside`, `reconstructions`, `pictures`, `compare`, `results`, `figures`, `reports` | results |
//! | `health`, `metrics`, `system`, `disk`, `me`, `presets` | the program, and who uses it |
//! | `pixels`, `uploads`, `files`, `wanted` | helpers: sending and taking in images, reading files, long work |

mod checkpoints;
mod compare;
mod datasets;
mod deletions;
mod disk;
mod error;
mod evaluations;
mod events;
mod extract;
mod figures;
mod files;
mod gate;
mod guard;
mod health;
mod imports;
mod inside;
mod judged;
mod keys;
mod me;
mod metrics;
mod openapi;
mod overview;
mod pictures;
mod pixels;
mod plans;
mod predictions;
mod presets;
mod queue;
mod reconstructions;
mod reports;
mod request_id;
mod results;
mod run_files;
mod runs;
mod samples;
mod schema;
mod settings;
mod studies;
mod system;
mod uploads;
mod wanted;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, Uri},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use shared::api::Retention;
use tokio::sync::Semaphore;
use tower_http::{
    CompressionLevel,
    compression::CompressionLayer,
    timeout::RequestBodyTimeoutLayer,
    trace::{DefaultOnResponse, TraceLayer},
};
use tracing::Level;
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

pub use self::guard::Hosts;
use self::{error::ApiError, events::Streams, gate::Gate, request_id::RequestId};
use crate::{
    App,
    access::{Access, Roots},
    app::reconstructions::Kept,
    assets::Pages,
    audit::Audit,
    base_path::BasePath,
    http,
    ids::IdSource,
};

/// How long a client may be silent while it sends a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Path prefix of the API.
const ROOT: &str = "/api/v1";

/// State shared by all handlers.
#[derive(Clone)]
struct Api {
    app: App,
    kept: Kept,
    /// Held while an evaluation runs.
    evaluating: Arc<tokio::sync::Mutex<()>>,
    health: Arc<health::LastHealth>,
    disk: Arc<disk::LastCount>,
    roots: Roots,
    retention: Option<Retention>,
    streams: Arc<Streams>,
    pages: Pages,
}

impl Api {
    /// Checks the path that a field names.
    ///
    /// # Errors
    /// When it is in none of the folders that may be read.
    fn check_root(&self, field: &str, path: &str) -> Result<(), ApiError> {
        self.roots.check(field, path).map_err(|error| ApiError::Invalid(vec![error]))
    }
}

/// How the server is reached, and by whom.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Its names.
    pub hosts: Hosts,
    /// The path below which a reverse proxy serves it.
    pub base: BasePath,
    /// Who is let in.
    pub access: Access,
    /// Folders from which files may be read on request.
    pub roots: Roots,
    /// Which checkpoints it removes by itself.
    pub retention: Option<Retention>,
    /// How many live streams there may be at a time.
    pub streams: usize,
}

impl Serving {
    /// Lets everyone in who addresses it by address or as localhost, and reads any folder.
    pub fn open(app: &App) -> Self {
        Self {
            hosts: Hosts::default(),
            base: BasePath::default(),
            access: Access::open(app.store.clone(), app.clock.clone()),
            roots: Roots::any(),
            retention: None,
            streams: http::streams(),
        }
    }
}

/// The router of the whole web server.
pub fn router(app: App, serving: Serving) -> Router {
    let Serving { hosts, base, access, roots, retention, streams } = serving;
    // A source of their own: the names of studies and runs do not depend on how many requests came before.
    let ids = IdSource::system(app.clock.clone());
    let audit = Audit::of(app.data_dir.root(), app.clock.clone());
    let gate = Gate { access, audit, base: base.clone() };
    let pages = Pages::below(base.as_str());
    let policy = guard::content_security_policy(&pages.policy_hashes());
    let api = Api {
        app,
        kept: Kept::default(),
        evaluating: Arc::default(),
        health: Arc::default(),
        disk: Arc::default(),
        roots,
        retention,
        streams: Arc::new(Streams::new(streams)),
        pages,
    };
    let (router, described) = OpenApiRouter::with_openapi(openapi::Info::openapi())
        .nest(ROOT, resources())
        .split_for_parts();
    let router = router
        .route(gate::READY, get(system::get_ready))
        .route(gate::METRICS, get(metrics::get_metrics))
        .fallback(outside)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(move |request: Request, next| {
            gate::pass(gate.clone(), request, next)
        }))
        .layer(Extension(openapi::document(described)))
        .layer(DefaultBodyLimit::max(extract::JSON_LIMIT))
        .layer(RequestBodyTimeoutLayer::new(BODY_TIMEOUT))
        .layer(middleware::from_fn(move |request: Request, next| {
            guard::only_own_pages(hosts.clone(), request, next)
        }))
        .layer(middleware::from_fn(request_id::name_problem))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(middleware::from_fn(move |request: Request, next| {
            guard::security_headers(policy.clone(), request, next)
        }))
        // An internal error is logged once, where it becomes a problem.
        .layer(
            TraceLayer::new_for_http()
                // Without the query, which may have a token.
                .make_span_with(|request: &Request| {
                    let id = request.extensions().get::<RequestId>().map(RequestId::as_str);
                    // As important as an error, so that no filter takes it from the line of one.
                    tracing::error_span!(
                        "request", id, method = %request.method(), path = request.uri().path()
                    )
                })
                .on_response(DefaultOnResponse::new().level(Level::DEBUG))
                .on_failure(()),
        )
        .layer(middleware::from_fn(move |request: Request, next| {
            request_id::name(ids.clone(), request, next)
        }))
        .with_state(api);
    if base.as_str().is_empty() {
        return router;
    }
    // A proxy passes the whole path on, or what is below the base path.
    Router::new().nest_service(base.as_str(), router.clone()).fallback_service(router)
}

/// All routes below [`ROOT`].
fn resources() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health::get_health))
        .routes(routes!(me::get_me))
        .routes(routes!(overview::get_overview))
        .routes(routes!(system::get_system))
        .routes(routes!(system::list_devices))
        .routes(routes!(disk::get_disk))
        .routes(routes!(openapi::get_openapi))
        .routes(routes!(presets::list_presets))
        .routes(routes!(presets::get_preset_plan))
        .routes(routes!(settings::list_settings))
        .routes(routes!(datasets::list_datasets, datasets::add_dataset))
        .routes(routes!(datasets::get_dataset, datasets::remove_dataset))
        .routes(routes!(datasets::update_dataset))
        .routes(routes!(samples::list_samples))
        .routes(routes!(samples::get_image))
        .routes(routes!(keys::list_keys))
        .routes(routes!(keys::add_key).layer(uploads::upload_limit()))
        .routes(routes!(keys::get_key_pixels))
        .routes(routes!(keys::get_key_image))
        .routes(routes!(plans::create_plan))
        .routes(routes!(studies::list_studies, studies::create_study))
        .routes(routes!(studies::get_study, studies::change_study, studies::delete_study))
        .routes(routes!(deletions::list_deletions))
        .routes(routes!(deletions::undo_deletion))
        .routes(routes!(deletions::end_deletion))
        .routes(routes!(studies::get_verdict))
        .routes(routes!(reports::get_report))
        .routes(routes!(studies::cancel_study))
        .routes(routes!(runs::list_runs))
        .routes(routes!(runs::get_run))
        .routes(routes!(runs::cancel_run))
        .routes(routes!(runs::retry_run))
        .routes(routes!(queue::hold_run))
        .routes(routes!(queue::release_run))
        .routes(routes!(queue::get_queue))
        .routes(routes!(queue::get_queue_time))
        .routes(routes!(queue::move_queued))
        .routes(routes!(queue::pause_queue))
        .routes(routes!(queue::resume_queue))
        .routes(routes!(runs::list_run_events))
        .routes(routes!(run_files::get_log))
        .routes(routes!(run_files::get_manifest))
        .routes(routes!(run_files::get_poison))
        .routes(routes!(run_files::get_evaluation))
        .routes(routes!(run_files::get_poison_list))
        .routes(routes!(run_files::get_inverted))
        .routes(routes!(judged::list_judged))
        .routes(routes!(judged::get_judged_image))
        .routes(routes!(judged::get_under_found_trigger))
        .routes(routes!(judged::list_strips))
        .routes(routes!(judged::get_strip_image))
        .routes(routes!(predictions::list_predictions))
        .routes(routes!(predictions::list_pairs))
        .routes(routes!(events::stream_events))
        .routes(routes!(checkpoints::list_checkpoints))
        .routes(routes!(imports::list_imports, imports::import_checkpoint))
        .routes(routes!(imports::get_import, imports::remove_import))
        .routes(routes!(imports::export_import))
        .routes(routes!(imports::export_run))
        .routes(routes!(evaluations::create_evaluation))
        .routes(routes!(reconstructions::create_reconstruction))
        .routes(routes!(pictures::list_pictures))
        .routes(routes!(pictures::add_picture).layer(uploads::upload_limit()))
        .routes(routes!(pictures::remove_picture))
        .routes(routes!(inside::get_features))
        .routes(routes!(inside::get_attention))
        .routes(routes!(results::list_result_rows))
        .routes(routes!(results::group_result_rows))
        .routes(routes!(results::list_result_columns))
        .routes(routes!(figures::get_plot))
        .routes(routes!(figures::get_matrix))
        .routes(routes!(figures::get_roc))
        .routes(routes!(figures::get_encoders))
        .routes(routes!(figures::get_search))
        .routes(routes!(figures::get_scores))
        .routes(routes!(results::get_result_file))
        .routes(routes!(compare::list_results))
        .routes(routes!(compare::list_epochs))
        .routes(routes!(figures::get_figure))
}

/// Answers all other paths: with the dashboard's files and pages, or with a problem below `/api`.
async fn outside(State(api): State<Api>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") {
        let detail = format!("there is nothing at {path}; {ROOT}/openapi.json lists what there is");
        return ApiError::NotFound(detail).into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return ApiError::Method(format!("{path} can only be read")).into_response();
    }
    api.pages.serve(&uri, &headers)
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::Method(format!(
        "{} does not take {method}; {ROOT}/openapi.json lists what it takes",
        uri.path()
    ))
}

/// Requests that are worked on at the same time. Each may decode an image of hundreds of megabytes.
const WORKING: usize = 4;
/// Requests that may wait for them.
const WAITING: usize = 128;
static WORK: Semaphore = Semaphore::const_new(WORKING);
static PLACES: Semaphore = Semaphore::const_new(WORKING + WAITING);

/// Runs long or blocking work (pixels, folders, models) on a thread where that is allowed, for a few requests at a time.
///
/// # Errors
/// [`ApiError::Busy`] when too many wait already; whatever the work returns.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let place = PLACES.try_acquire().map_err(|_| {
        ApiError::Busy(format!(
            "{WAITING} requests are waiting for images already; try again later"
        ))
    })?;
    let turn = WORK.acquire().await.map_err(ApiError::internal)?;
    let span = tracing::Span::current();
    // The work goes on when its request is given up, so it takes its place along.
    tokio::task::spawn_blocking(move || {
        let _kept = (place, turn);
        span.in_scope(work)
    })
    .await
    .map_err(ApiError::internal)?
}
