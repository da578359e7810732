//! Events from the outbox to their consumers, and money in the database, on real
//! servers.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails the test")]

mod consumers;
mod dead_letters;
mod feeds;
mod money;
mod outages;
mod outbox;
mod refusals;
mod streams;
mod support;
mod transactions;
