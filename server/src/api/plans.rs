//! What a study would run, without starting it.

use axum::{Json, extract::State};
use shared::{StudySpec, api::StudyPlan, study::StudyFile};

use super::{
    Api,
    error::ApiError,
    extract::{Json as Body, Query},
    studies::CreateQuery,
};

/// The runs that a study would create, or reuse from the data folder. An invalid specification is refused with a list of all wrong fields.
#[utoipa::path(post, path = "/plans", tag = "studies", request_body = StudyFile, params(CreateQuery),
    responses((status = 200, body = StudyPlan)))]
pub async fn create_plan(
    State(api): State<Api>,
    Query(query): Query<CreateQuery>,
    Body(spec): Body<StudySpec>,
) -> Result<Json<StudyPlan>, ApiError> {
    Ok(Json(api.app.plan(spec, query.fresh()).await?))
}
