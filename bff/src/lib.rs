//! The edge of Portico.

pub mod identity;
