//! What events do in the edge.

mod invalidation;
mod sweeping;
