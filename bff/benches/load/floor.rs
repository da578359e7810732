//! The floor: what HTTP itself costs.

use std::{net::Ipv4Addr, path::Path};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::header;
use tokio::net::TcpListener;

pub(crate) async fn serve(port: u16, body: &Path) -> anyhow::Result<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let answer = async move || ([(header::CONTENT_TYPE, "application/json")], body);
    let router = Router::new().route("/", get(answer));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    Ok(axum::serve(listener, router).await?)
}
