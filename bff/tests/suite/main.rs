//! The edge's tests: through its public port, on real servers.

mod bad_input;
mod helpers;
mod openapi;
mod registration;
mod sessions;
mod sign_in;
mod worker;
