//! The service under test: in this process, on port 0, with a database and a
//! signing key of its own.

mod refusals;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use migrator::Store;
use orders_service::config::Settings;
pub use platform::testing::eventually;
use platform::{
    clock::{Clock, SystemClock},
    config::{Millis, Secret},
    paseto::{Claims, PublicKeys, SigningKey},
    postgres::PostgresSettings,
    shutdown::Lifetime,
    testing::{Database, ManualClock, nats_url, unique_name},
};
use proto::orders::v1::{
    catalog_service_client::CatalogServiceClient, order_service_client::OrderServiceClient,
    privacy_service_client::PrivacyServiceClient,
};
pub use refusals::{assert_refused, invalid_fields};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use uuid::Uuid;

/// How long a test waits for something that should come at once.
pub const CAP: Duration = Duration::from_secs(20);

/// A running service.
pub struct Service {
    pub database: Database,
    pub clock: ManualClock,
    pub channel: Channel,
    pub key: SigningKey,
    pub files: TempDir,
    lifetime: Lifetime,
}

impl Service {
    /// With the settings of a test.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// With other settings, and ready to serve.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let service = Self::not_yet_ready(change).await;
        eventually("the service serves", async || {
            let found = service
                .catalog(service.anonymous())
                .get_item(missing_item())
                .await;
            found.is_err_and(|status| status.code() == Code::NotFound)
        })
        .await;
        service
    }

    /// With other settings, which may keep it from serving.
    pub async fn not_yet_ready(change: impl FnOnce(&mut Settings)) -> Self {
        let database = database().await;
        let files = tempfile::tempdir().unwrap();
        let key = signing_key();
        let mut settings = settings(&database, &files);
        write_keys(&files, &[&key]);
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let channel = Endpoint::from_shared(endpoint).unwrap().connect_lazy();
        let (clock, lifetime) = (ManualClock::new(), Lifetime::new());
        let serving = orders_service::serve(
            settings,
            Arc::new(clock.clone()),
            lifetime.clone(),
            listener,
        );
        tokio::spawn(async move { serving.await.expect("the service ends well") });
        Self {
            database,
            clock,
            channel,
            key,
            files,
            lifetime,
        }
    }

    /// A user's token, but for what `change` does to it.
    pub fn token(&self, user: Uuid, change: impl FnOnce(&mut Claims)) -> String {
        sign(&self.key, &self.clock, user, change)
    }

    /// A token for a call on nobody's behalf.
    pub fn anonymous(&self) -> String {
        anonymous(&self.key, &self.clock)
    }

    /// The catalogue, called with this token and a deadline.
    pub fn catalog(
        &self,
        token: String,
    ) -> CatalogServiceClient<InterceptedService<Channel, Bearer>> {
        CatalogServiceClient::with_interceptor(self.channel.clone(), Bearer(token))
    }

    /// The catalogue, called on nobody's behalf.
    pub fn public_catalog(&self) -> CatalogServiceClient<InterceptedService<Channel, Bearer>> {
        self.catalog(self.anonymous())
    }

    /// A user's orders.
    pub fn orders_of(&self, user: Uuid) -> OrderServiceClient<InterceptedService<Channel, Bearer>> {
        self.orders(self.token(user, |_| ()))
    }

    /// Orders, called with this token and a deadline.
    pub fn orders(&self, token: String) -> OrderServiceClient<InterceptedService<Channel, Bearer>> {
        OrderServiceClient::with_interceptor(self.channel.clone(), Bearer(token))
    }

    /// What is kept about a user.
    pub fn privacy_of(
        &self,
        user: Uuid,
    ) -> PrivacyServiceClient<InterceptedService<Channel, Bearer>> {
        self.privacy(self.token(user, |_| ()))
    }

    /// What is kept about whom this token names.
    pub fn privacy(
        &self,
        token: String,
    ) -> PrivacyServiceClient<InterceptedService<Channel, Bearer>> {
        PrivacyServiceClient::with_interceptor(self.channel.clone(), Bearer(token))
    }

    /// A connection that may do everything.
    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(self.database.superuser_url().expose().as_str())
            .await
            .unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.lifetime.stop();
    }
}

/// An empty database with today's schema.
pub async fn database() -> Database {
    let template = format!("orders_{}", migrator::digest(Store::Orders));
    Database::create(&template, async |url| {
        migrator::up(Store::Orders, &url)
            .await
            .expect("the migrations apply");
    })
    .await
}

/// Settings under which services of different tests don't meet.
pub fn settings(database: &Database, files: &TempDir) -> Settings {
    let mut settings = Settings {
        postgres: PostgresSettings {
            max_connections: 5,
            ..PostgresSettings::at(database.url_as("orders_app"))
        },
        ..Settings::default()
    };
    settings.nats.url = nats_url();
    settings.nats.prefix = unique_name();
    settings.ops.listen = ([127, 0, 0, 1], 0).into();
    settings.tokens.public_keys_file = files.path().join("keys.json");
    settings.tokens.look_every_ms = Millis(50);
    settings.secrets.page_token_key =
        Secret::new("cGFnZSB0b2tlbnMgb2YgdGhlIHRlc3RzLCAzMiBieXRlcw==");
    settings
}

/// Puts a token and a deadline on every call.
#[derive(Clone)]
pub struct Bearer(pub String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let bearer = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        if request.metadata().get("grpc-timeout").is_none() {
            request.set_timeout(CAP);
        }
        Ok(request)
    }
}

/// A key that is good now.
pub fn signing_key() -> SigningKey {
    let now = SystemClock.now();
    SigningKey::generate(now - TimeDelta::hours(1), now + TimeDelta::days(365)).unwrap()
}

/// Publishes these keys to the service.
pub fn write_keys(files: &TempDir, keys: &[&SigningKey]) {
    let keys = keys.iter().map(|key| key.public().clone()).collect();
    let document = serde_json::to_vec(&PublicKeys { keys }).unwrap();
    // As an operator would: never half a file.
    let draft = files.path().join("draft");
    std::fs::write(&draft, document).unwrap();
    std::fs::rename(draft, files.path().join("keys.json")).unwrap();
}

/// A token as the edge mints it, but for what `change` does to it.
pub fn sign(
    key: &SigningKey,
    clock: &dyn Clock,
    user: Uuid,
    change: impl FnOnce(&mut Claims),
) -> String {
    let now = clock.now();
    let mut claims = Claims {
        iss: "portico".into(),
        aud: "orders".into(),
        sub: user,
        sid: Uuid::nil(),
        role: "customer".into(),
        iat: now,
        nbf: now,
        exp: now + TimeDelta::seconds(60),
        jti: Uuid::new_v4(),
    };
    change(&mut claims);
    key.sign(&claims)
}

/// A token for a call on nobody's behalf.
pub fn anonymous(key: &SigningKey, clock: &dyn Clock) -> String {
    sign(key, clock, Uuid::nil(), |claims| {
        claims.role = "anonymous".into()
    })
}

/// Asks for an item that doesn't exist.
pub fn missing_item() -> proto::orders::v1::GetItemRequest {
    proto::orders::v1::GetItemRequest {
        id: Uuid::nil().to_string(),
        currency: String::new(),
    }
}

/// Waits until a statement waits for a lock in the database of `sql`.
pub async fn until_something_waits(sql: &mut PgConnection) {
    eventually("a statement waits for the lock", async || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database =
                       (SELECT oid FROM pg_database WHERE datname = current_database())";
        sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(&mut *sql)
            .await
            .unwrap()
            == 1
    })
    .await;
}
