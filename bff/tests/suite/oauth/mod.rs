//! Signing in through other providers, against one that may be wrong.

mod configuration;
mod data;
mod fault;
mod faults;
mod flows;
mod linking;
mod outages;
mod pre_hijack;
mod provider;
mod sign_in;
mod stage;
mod tickets;
mod tokens;
