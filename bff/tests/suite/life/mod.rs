//! The life of a user: leaving, coming back, being erased, taking a copy along.

mod erasure;
mod export;
pub mod house;
mod leaving;
