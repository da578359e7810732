//! A bare refresh: the same call to Redis, guard and all, and the same signature
//! as the edge's, and nothing around them.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::fan_out::{Clients, failed};

#[derive(Deserialize)]
pub(crate) struct Refresh {
    refresh_token: String,
}

#[derive(Serialize)]
pub(crate) struct Refreshed {
    access_token: String,
    refresh_token: String,
}

pub(crate) async fn refresh(
    State(clients): State<Clients>,
    Json(body): Json<Refresh>,
) -> Result<Json<Refreshed>, StatusCode> {
    let pair = clients.sessions.refresh(&body.refresh_token).await;
    let pair = pair.map_err(failed)?;
    Ok(Json(Refreshed {
        access_token: pair.access_token,
        refresh_token: pair.refresh_token,
    }))
}
