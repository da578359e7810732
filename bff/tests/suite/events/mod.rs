//! What events do in the edge.

mod invalidation;
mod process;
mod sweeping;
