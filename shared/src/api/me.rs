//! Who uses the program.

use serde::{Deserialize, Serialize};

/// Whom the server takes the sender of a request for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// Name of their token; `password`, or `local` for the printed address and where everyone is let in.
    pub name: String,
    /// What they may do: `read`, `run` or `admin`.
    pub rights: String,
    /// Whether a browser's session let them in, which `POST /logout` ends.
    pub has_session: bool,
}
