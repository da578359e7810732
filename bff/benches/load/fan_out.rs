//! The hand-written fan-out: what someone would write who needs one screen and
//! nothing else. The same statements, the same calls and the same connections
//! as the edge's; no token check, limits, deadlines, breakers, cache, metrics,
//! logs or partial answers.
//!
//! Beside it a bare refresh: the same call to Redis and the same signature, and
//! nothing around them.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use bff::{
    accounts::{
        money::{self, Account},
        users::{self, User},
    },
    identity::{
        Caller, Role,
        keys::{KeyFile, KeyRing, MasterKey},
        session::Sessions,
        settings::SessionSettings,
        token::Tokens,
    },
    upstream::{
        AccountsSettings,
        view::{Item, Order},
    },
};
use chrono::TimeDelta;
use http::StatusCode;
use platform::{
    clock::{SharedClock, SystemClock},
    config::{Secret, ServerUrl},
    nats::{Nats, NatsSettings},
    postgres::PostgresSettings,
    redis::{Redis, RedisSettings},
};
use proto::orders::v1::{
    ListOrdersRequest, ListRecommendationsRequest, catalog_service_client::CatalogServiceClient,
    order_service_client::OrderServiceClient,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
use uuid::Uuid;

use super::settings::MASTER_KEY;

const LIMIT: Duration = Duration::from_millis(800);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    pub(crate) port: u16,
    pub(crate) accounts: ServerUrl,
    pub(crate) orders: String,
    pub(crate) keys: PathBuf,
    pub(crate) redis: ServerUrl,
    pub(crate) nats: ServerUrl,
}

#[derive(Clone)]
struct Clients {
    accounts: PgPool,
    catalog: CatalogServiceClient<Channel>,
    orders: OrderServiceClient<Channel>,
    tokens: Tokens,
    sessions: Sessions,
}

#[derive(Serialize)]
struct Home {
    data: Data,
    parts: Parts,
    complete: bool,
}

#[derive(Serialize)]
struct Data {
    profile: User,
    accounts: Vec<Account>,
    orders: Vec<Order>,
    recommendations: Vec<Item>,
}

#[derive(Serialize)]
struct Parts {
    profile: Part,
    accounts: Part,
    orders: Part,
    recommendations: Part,
}

#[derive(Serialize, Clone, Copy)]
struct Part {
    status: &'static str,
    source: &'static str,
    age_ms: u32,
}

const LIVE: Part = Part {
    status: "ok",
    source: "live",
    age_ms: 0,
};

pub(crate) async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(arguments.orders)?.connect_lazy();
    let keys = KeyRing::new(&KeyFile::read(&arguments.keys)?)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let tokens = Tokens::new(keys, clock.clone(), TimeDelta::minutes(5));
    let redis = RedisSettings {
        url: arguments.redis,
        ..RedisSettings::default()
    };
    let nats = NatsSettings {
        url: arguments.nats,
        ..NatsSettings::default()
    };
    let clients = Clients {
        sessions: Sessions::new(
            Redis::new(&redis)?,
            Nats::connect(&nats, "bare").await?,
            clock,
            SessionSettings::default(),
            tokens.clone(),
            &MasterKey::from_base64(&Secret::new(MASTER_KEY))?,
        ),
        accounts: PostgresSettings {
            max_connections: AccountsSettings::default().max_connections,
            ..PostgresSettings::at(arguments.accounts)
        }
        .pool("fan-out")?,
        catalog: CatalogServiceClient::new(channel.clone()),
        orders: OrderServiceClient::new(channel),
        tokens,
    };
    let router = Router::new()
        .route("/home/{user_id}", get(home))
        .route("/v1/auth/refresh", post(refresh))
        .with_state(clients);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    Ok(axum::serve(listener, router).await?)
}

async fn home(
    State(mut clients): State<Clients>,
    Path(user_id): Path<Uuid>,
) -> Result<Json<Home>, StatusCode> {
    let token = service_token(&clients.tokens, user_id)?;
    let latest = call(
        &token,
        ListOrdersRequest {
            page_size: 5,
            ..Default::default()
        },
    )?;
    let worthwhile = call(
        &token,
        ListRecommendationsRequest {
            page_size: 10,
            ..Default::default()
        },
    )?;
    let (profile, accounts, orders, items) = tokio::join!(
        users::find(&clients.accounts, user_id),
        money::list(&clients.accounts, user_id, None, 100),
        clients.orders.list_orders(latest),
        clients.catalog.list_recommendations(worthwhile),
    );
    let orders = orders.map_err(failed)?.into_inner().orders;
    let items = items.map_err(failed)?.into_inner().items;
    Ok(Json(Home {
        data: Data {
            profile: profile.map_err(failed)?.ok_or(StatusCode::NOT_FOUND)?,
            accounts: accounts.map_err(failed)?,
            orders: views(orders)?,
            recommendations: views(items)?,
        },
        parts: Parts {
            profile: LIVE,
            accounts: LIVE,
            orders: LIVE,
            recommendations: LIVE,
        },
        complete: true,
    }))
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

#[derive(Serialize)]
struct Refreshed {
    access_token: String,
    refresh_token: String,
}

async fn refresh(
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

fn service_token(tokens: &Tokens, user_id: Uuid) -> Result<Arc<str>, StatusCode> {
    let caller = Caller {
        user_id,
        session_id: Uuid::nil(),
        role: Role::Customer,
    };
    tokens.for_orders(Some(&caller)).map_err(failed)
}

fn call<M>(token: &str, message: M) -> Result<Request<M>, StatusCode> {
    let mut request = Request::new(message);
    let token = format!("Bearer {token}").parse().map_err(failed)?;
    request.metadata_mut().insert("authorization", token);
    request.set_timeout(LIMIT);
    Ok(request)
}

fn views<M, V: TryFrom<M>>(messages: Vec<M>) -> Result<Vec<V>, StatusCode> {
    let views = messages.into_iter().map(V::try_from);
    views
        .collect::<Result<_, _>>()
        .map_err(|_| StatusCode::BAD_GATEWAY)
}

fn failed(_: impl std::fmt::Display) -> StatusCode {
    StatusCode::BAD_GATEWAY
}
