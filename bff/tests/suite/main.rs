//! The edge's behaviour, through its ports, on real servers.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails the test")]

mod administration;
mod bad_input;
mod cache;
mod code_sends;
mod codes;
mod cookies;
mod credentials;
mod documentation;
mod equal_work;
mod events;
mod helpers;
mod keys;
mod life;
mod limits;
mod messaging;
mod model;
mod money;
mod notices;
mod notify;
mod oauth;
mod openapi;
mod orders_stub;
mod outages;
mod outrunning;
mod passwords;
mod processes;
mod profile;
mod program;
mod races;
mod registration;
mod rolling;
mod screens;
mod session_list;
mod sessions;
mod shedding;
mod sign_in;
mod step_up;
mod stored;
mod streams;
mod timing;
mod tokens;
mod told;
mod trail;
mod worker;
