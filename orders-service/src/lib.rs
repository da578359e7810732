//! The orders service: catalogue and orders over gRPC, with a database, an
//! outbox and events of their own.
//!
//! The way of a call: [`grpc::observe`] opens its span and counts it;
//! [`grpc::guard`] refuses it without a deadline or a good token and gives it
//! one of a bounded number of slots; the service in [`grpc`] reads the message
//! into the types of [`domain`] and asks [`store`], inside the deadline, in a
//! transaction that PostgreSQL ends at the deadline too; an [`error::Error`]
//! becomes a `google.rpc.Status`.

pub mod cli;
pub mod config;
pub mod deadline;
pub mod domain;
pub mod error;
mod events;
pub mod grpc;
mod serve;
pub mod store;
mod tasks;

pub use serve::serve;
