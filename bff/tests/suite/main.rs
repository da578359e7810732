//! The edge's behaviour, through its ports, on real servers.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails the test")]

mod bad_input;
mod cache;
mod events;
mod helpers;
mod limits;
mod messaging;
mod money;
mod notify;
mod openapi;
mod orders_stub;
mod outages;
mod registration;
mod screens;
mod sessions;
mod shedding;
mod sign_in;
mod worker;
