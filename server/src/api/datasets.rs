//! Data sets: the built-in pictures and added folders.

use axum::{Json, extract::State, http::StatusCode};
use shared::api::{AddDataset, DatasetInfo};

use super::{
    Api,
    error::ApiError,
    extract::{Json as Body, Path},
    wanted::StopOnDrop,
};

/// All data sets, the built-in one first. Of each, the first 100 left-out files.
#[utoipa::path(get, path = "/datasets", tag = "data", responses((status = 200, body = [DatasetInfo])))]
pub async fn list_datasets(State(api): State<Api>) -> Result<Json<Vec<DatasetInfo>>, ApiError> {
    Ok(Json(api.app.list_datasets().await?))
}

/// Adds a folder in one of the known layouts. Every image is read once; files that are no image are left out and named.
#[utoipa::path(post, path = "/datasets", tag = "data", request_body = AddDataset,
    responses((status = 201, body = DatasetInfo)))]
pub async fn add_dataset(
    State(api): State<Api>,
    Body(request): Body<AddDataset>,
) -> Result<(StatusCode, Json<DatasetInfo>), ApiError> {
    let gone = StopOnDrop::default();
    let info = api.app.add_dataset(request, gone.watch()).await?;
    Ok((StatusCode::CREATED, Json(info.abridged())))
}

/// A data set, with the first 100 left-out files.
#[utoipa::path(get, path = "/datasets/{name}", tag = "data", params(("name" = String, Path, description = "Data set")),
    responses((status = 200, body = DatasetInfo)))]
pub async fn get_dataset(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<DatasetInfo>, ApiError> {
    Ok(Json(api.app.get_dataset(&name).await?.abridged()))
}

/// Removes a data set's entry, never its files. Refused while a study on it is not over.
#[utoipa::path(delete, path = "/datasets/{name}", tag = "data", params(("name" = String, Path, description = "Data set")),
    responses((status = 204, description = "It is removed")))]
pub async fn remove_dataset(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.app.remove_dataset(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
