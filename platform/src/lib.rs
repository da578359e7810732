//! What every Portico binary does alike. No business rules live here, and no
//! other crate of the workspace is known.

pub mod clock;
pub mod config;
pub mod consumer;
pub mod currency;
pub mod inbox;
pub mod money;
pub mod nats;
pub mod ops;
pub mod outbox;
pub mod paseto;
pub mod postgres;
pub mod program;
pub mod redis;
pub mod retry;
pub mod shutdown;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
