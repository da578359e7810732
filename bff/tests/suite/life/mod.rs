//! The life of a user: leaving, coming back, being erased, taking a copy along.

mod erasure;
mod everything;
mod export;
mod forgetting;
pub mod house;
mod lapsing;
mod leaving;
