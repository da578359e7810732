//! The aggregating engine, on real servers.

mod added;
mod cached;
mod faults;
mod home;
mod http;
mod reads;
mod resources;
mod stage;
mod stampede;
