//! Who sends the request.

use axum::{Extension, Json};
use shared::api::Me;

use super::gate::Known;

/// Whom the server takes the sender for.
#[utoipa::path(get, path = "/me", tag = "program", responses((status = 200, body = Me)))]
pub async fn get_me(Extension(known): Extension<Known>) -> Json<Me> {
    Json(of(known))
}

/// What the sender is told about themselves.
pub(super) fn of(Known { caller, has_session }: Known) -> Me {
    Me { name: caller.name, rights: caller.rights.to_string(), has_session }
}
