//! A classifier evaluated under a trigger.

use axum::{Json, extract::State};
use shared::api::{ClassifierSource, EvaluateRequest, EvaluatedClassifier};

use super::{Api, error::ApiError, extract::Json as Body, wanted::StopOnDrop};

/// Evaluates a fine-tuned checkpoint, or a `ViTForImageClassification` of Hugging Face on the server's machine, on a data set's validation
/// images without and with a trigger. Evaluations run one at a time; dropping the request cancels the work.
#[utoipa::path(post, path = "/evaluations", tag = "results", request_body = EvaluateRequest,
    responses((status = 200, body = EvaluatedClassifier)))]
pub async fn create_evaluation(
    State(api): State<Api>,
    Body(request): Body<EvaluateRequest>,
) -> Result<Json<EvaluatedClassifier>, ApiError> {
    if let ClassifierSource::File { path, .. } = &request.checkpoint {
        api.check_root("checkpoint.path", path)?;
    }
    let gone = StopOnDrop::default();
    // Each evaluation uses all threads, and the memory of its model.
    let _turn = api.evaluating.lock().await;
    let opened = api.app.open_classifier(&request.checkpoint).await?;
    Ok(Json(api.app.evaluate(opened, &request, gone.watch()).await?))
}
