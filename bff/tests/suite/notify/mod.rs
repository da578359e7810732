//! Codes reach their owners: once, in time, and shown to nobody else.

mod delivery;
mod mail;
mod sms;
pub mod smtp;
