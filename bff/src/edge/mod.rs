//! HTTP: how requests come in, and how answers and errors go out.

pub mod authenticate;
pub mod client_address;
pub mod credentials;
pub mod csrf;
pub mod error;
pub mod extract;
pub mod idempotency;
pub mod layers;
pub mod limits;
mod linger;
pub mod observe;
pub mod openapi;
mod problem;
mod red;
pub mod request_id;
pub mod roles;
pub mod router;
pub mod serve;
mod shed;
mod timer;
mod trace;
pub mod visit;
