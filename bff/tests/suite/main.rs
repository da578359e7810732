//! The edge's behaviour, through its ports, on real servers.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails the test")]

mod events;
mod messaging;
mod notify;
