//! Data sets: the built-in pictures and added folders.

use axum::{Json, extract::State, http::StatusCode};
use shared::api::{AddDataset, DatasetInfo};

use super::{
    Api,
    error::ApiError,
    extract::{Json as Body, Path},
    wanted::StopOnDrop,
};

/// All data sets, the built-in one first. Each lists at most the first 100 skipped files.
#[utoipa::path(get, path = "/datasets", tag = "data", responses((status = 200, body = [DatasetInfo])))]
pub async fn list_datasets(State(api): State<Api>) -> Result<Json<Vec<DatasetInfo>>, ApiError> {
    Ok(Json(api.app.list_datasets().await?))
}

/// Adds a folder in one of the known layouts. Every image is read once; files that are not images are skipped and listed.
#[utoipa::path(post, path = "/datasets", tag = "data", request_body = AddDataset,
    responses((status = 201, body = DatasetInfo)))]
pub async fn add_dataset(
    State(api): State<Api>,
    Body(request): Body<AddDataset>,
) -> Result<(StatusCode, Json<DatasetInfo>), ApiError> {
    let gone = StopOnDrop::default();
    api.check_root("path", &request.path)?;
    let info = api.app.add_dataset(request, gone.watch()).await?;
    Ok((StatusCode::CREATED, Json(info.abridged())))
}

/// Adds the present state of a data set's folder as a new version, `<name>@2` and so on. The versions before stay, with the studies and
/// results that name them. Refused when the folder has not changed.
#[utoipa::path(post, path = "/datasets/{name}/versions", tag = "data", params(("name" = String, Path, description = "Data set")),
    responses((status = 201, body = DatasetInfo)))]
pub async fn update_dataset(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<DatasetInfo>), ApiError> {
    let gone = StopOnDrop::default();
    let info = api.app.update_dataset(&name, gone.watch()).await?;
    Ok((StatusCode::CREATED, Json(info.abridged())))
}

/// A data set, with at most the first 100 skipped files.
#[utoipa::path(get, path = "/datasets/{name}", tag = "data", params(("name" = String, Path, description = "Data set")),
    responses((status = 200, body = DatasetInfo)))]
pub async fn get_dataset(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<DatasetInfo>, ApiError> {
    Ok(Json(api.app.get_dataset(&name).await?.abridged()))
}

/// Removes a data set's entry, never its files. Refused while a study on it has queued or running runs.
#[utoipa::path(delete, path = "/datasets/{name}", tag = "data", params(("name" = String, Path, description = "Data set")),
    responses((status = 204, description = "The data set was removed")))]
pub async fn remove_dataset(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.app.remove_dataset(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
