//! Imported checkpoints, and the export of checkpoints to other programs.

use axum::{
    Json,
    extract::State,
    http::{
        StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use engine::interchange::ExportFormat;
use serde::Deserialize;
use shared::{
    RunId,
    api::{ImportCheckpoint, ImportedCheckpoint},
};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Json as Body, Path, Query},
};
use crate::app::checkpoints::export_files;

/// What to write.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// `mae`, `huggingface` (transformers) or `timm` (the encoder alone).
    format: String,
    /// For a Hugging Face export, `model.safetensors` (the default) or `config.json`.
    file: Option<String>,
    /// For a run, the epoch of the checkpoint; defaults to the last.
    epoch: Option<u32>,
}

/// All imported checkpoints, newest first.
#[utoipa::path(get, path = "/checkpoints/imported", tag = "results",
    responses((status = 200, body = [ImportedCheckpoint])))]
pub async fn list_imports(
    State(api): State<Api>,
) -> Result<Json<Vec<ImportedCheckpoint>>, ApiError> {
    Ok(Json(api.app.store.list_imports().await?))
}

/// Imports a `.pth` or safetensors file of MAE, timm or Hugging Face. No code in it is executed.
#[utoipa::path(post, path = "/checkpoints/imported", tag = "results", request_body = ImportCheckpoint,
    responses((status = 201, body = ImportedCheckpoint)))]
pub async fn import_checkpoint(
    State(api): State<Api>,
    Body(request): Body<ImportCheckpoint>,
) -> Result<(StatusCode, Json<ImportedCheckpoint>), ApiError> {
    api.check_root("path", &request.path)?;
    Ok((StatusCode::CREATED, Json(api.app.import_checkpoint(request).await?)))
}

/// An imported checkpoint.
#[utoipa::path(get, path = "/checkpoints/imported/{name}", tag = "results",
    params(("name" = String, Path, description = "Imported checkpoint")),
    responses((status = 200, body = ImportedCheckpoint)))]
pub async fn get_import(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<ImportedCheckpoint>, ApiError> {
    Ok(Json(api.app.store.get_import(&name).await?))
}

/// Removes an imported checkpoint, but not the file it was imported from. Refused while a study starts from it or restores with it.
#[utoipa::path(delete, path = "/checkpoints/imported/{name}", tag = "results",
    params(("name" = String, Path, description = "Imported checkpoint")),
    responses((status = 204, description = "The checkpoint was removed")))]
pub async fn remove_import(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.app.remove_import(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Exports an imported checkpoint for another program.
#[utoipa::path(get, path = "/checkpoints/imported/{name}/export", tag = "results",
    params(("name" = String, Path, description = "Imported checkpoint"), ExportQuery),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
pub async fn export_import(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiError> {
    if query.epoch.is_some() {
        return Err(ApiError::field("epoch", "applies only to the checkpoints of a run"));
    }
    let file = api.app.import_file(&name).await?;
    download(file, &query, &name).await
}

/// Exports a pre-training's checkpoint for another program.
#[utoipa::path(get, path = "/runs/{id}/export", tag = "results",
    params(("id" = RunId, Path, description = "Run"), ExportQuery),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
pub async fn export_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiError> {
    let file = api.app.run_checkpoint_file(run, query.epoch).await?;
    download(file, &query, &run.to_string()).await
}

/// A file of an export, named after the checkpoint.
async fn download(
    checkpoint: std::path::PathBuf,
    query: &ExportQuery,
    of: &str,
) -> Result<Response, ApiError> {
    let format: ExportFormat =
        query.format.parse().map_err(|message: String| ApiError::field("format", message))?;
    let files = export_files(checkpoint, format).await?;
    let names: Vec<_> = files.iter().map(|file| file.name).collect();
    let wanted = query.file.as_deref().unwrap_or(names[0]).to_owned();
    let file = files.into_iter().find(|file| file.name == wanted).ok_or_else(|| {
        ApiError::field("file", format!("is one of {}, not {wanted:?}", names.join(", ")))
    })?;
    // transformers looks for its two files by fixed names.
    let name = match format {
        ExportFormat::HuggingFace => file.name.to_owned(),
        _ => format!("{of}-{}.safetensors", format.as_str()),
    };
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, file.bytes).into_response())
}
