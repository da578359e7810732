//! The edge of Portico.
//!
//! The way of a request, in order:
//!
//! 1. [`edge::serve`] accepts the connection and hands over each request.
//! 2. [`edge::layers`] lists what stands around every route: [`edge::observe`]
//!    gives it an id, an address and a time limit, and what is too much at once
//!    is shed.
//! 3. [`edge::router`] finds its handler; [`edge::limits`] counts it among those
//!    of its class, by [`limits`].
//! 4. Extractors read it: [`edge::authenticate`] finds out who makes it,
//!    [`edge::extract`] reads its fields and names every fault.
//! 5. [`handlers`] call one function: of [`identity`], of [`accounts`], of
//!    [`screens`].
//! 6. A screen fetches its parts at the same time, each from the [`cache`] or
//!    through a guard from what is [`upstream`].
//! 7. What goes wrong becomes an [`edge::error::ApiError`], and that alone
//!    becomes an HTTP error.

// A future is copied whenever it is moved.
#![warn(clippy::large_futures)]

pub mod accounts;
pub mod app;
pub mod cache;
pub mod cli;
pub mod config;
pub mod edge;
pub mod events;
pub mod handlers;
pub mod identity;
pub mod limits;
pub mod notify;
pub mod schema;
pub mod screens;
pub mod upstream;
