//! The hand-written fan-out: what someone would write who needs one screen and
//! nothing else. The same statements, the same calls and the same connections
//! as the edge's; no token check, limits, deadlines, breakers, cache, metrics,
//! logs or partial answers.
//!
//! The same program in another process answers each of the calls over HTTP, for
//! a peer that can neither speak SQL nor read protobuf.

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
        store,
        token::Tokens,
    },
    upstream::{
        AccountsSettings, Guards,
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
use serde::Serialize;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
use uuid::Uuid;

use super::{bare_refresh::refresh, settings::MASTER_KEY};

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
pub(crate) struct Clients {
    accounts: PgPool,
    catalog: CatalogServiceClient<Channel>,
    orders: OrderServiceClient<Channel>,
    tokens: Tokens,
    pub(crate) sessions: Sessions,
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
            store::guarded(Redis::new(&redis)?, &Guards::new(clock.clone())),
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
        .pool_of_readers("fan-out")?,
        catalog: CatalogServiceClient::new(channel.clone()),
        orders: OrderServiceClient::new(channel),
        tokens,
    };
    let router = Router::new()
        .route("/home/{user_id}", get(home))
        .route("/v1/auth/refresh", post(refresh))
        .merge(parts())
        .with_state(clients);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await?;
    Ok(axum::serve(listener, router).await?)
}

impl Clients {
    async fn profile(&self, user_id: Uuid) -> Result<User, StatusCode> {
        let found = users::find(&self.accounts, user_id).await;
        found.map_err(failed)?.ok_or(StatusCode::NOT_FOUND)
    }

    async fn accounts(&self, user_id: Uuid) -> Result<Vec<Account>, StatusCode> {
        let found = money::list(&self.accounts, user_id, None, 100).await;
        found.map_err(failed)
    }

    async fn orders(&self, user_id: Uuid) -> Result<Vec<Order>, StatusCode> {
        let latest = ListOrdersRequest {
            page_size: 5,
            ..Default::default()
        };
        let request = call(&service_token(&self.tokens, user_id)?, latest)?;
        let answer = self.orders.clone().list_orders(request).await;
        views(answer.map_err(failed)?.into_inner().orders)
    }

    async fn recommendations(&self, user_id: Uuid) -> Result<Vec<Item>, StatusCode> {
        let worthwhile = ListRecommendationsRequest {
            page_size: 10,
            ..Default::default()
        };
        let request = call(&service_token(&self.tokens, user_id)?, worthwhile)?;
        let answer = self.catalog.clone().list_recommendations(request).await;
        views(answer.map_err(failed)?.into_inner().items)
    }
}

async fn home(
    State(clients): State<Clients>,
    Path(user_id): Path<Uuid>,
) -> Result<Json<Home>, StatusCode> {
    let (profile, accounts, orders, recommendations) = tokio::join!(
        clients.profile(user_id),
        clients.accounts(user_id),
        clients.orders(user_id),
        clients.recommendations(user_id),
    );
    Ok(Json(Home {
        data: Data {
            profile: profile?,
            accounts: accounts?,
            orders: orders?,
            recommendations: recommendations?,
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

/// The calls, one by one, and the token that the orders service wants.
fn parts() -> Router<Clients> {
    type From = State<Clients>;
    Router::new()
        .route(
            "/profile/{id}",
            get(async |State(from): From, Path(id)| from.profile(id).await.map(Json)),
        )
        .route(
            "/accounts/{id}",
            get(async |State(from): From, Path(id)| from.accounts(id).await.map(Json)),
        )
        .route(
            "/orders/{id}",
            get(async |State(from): From, Path(id)| from.orders(id).await.map(Json)),
        )
        .route(
            "/recommendations/{id}",
            get(async |State(from): From, Path(id)| from.recommendations(id).await.map(Json)),
        )
        .route(
            "/token/{id}",
            get(async |State(from): From, Path(id)| {
                let token = service_token(&from.tokens, id)?;
                Ok::<_, StatusCode>(token.to_string())
            }),
        )
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

pub(crate) fn failed(_: impl std::fmt::Display) -> StatusCode {
    StatusCode::BAD_GATEWAY
}
