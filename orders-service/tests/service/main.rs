//! The service through its own port, on a real database.

mod deadlines;
mod faults;
mod health;
mod helpers;
mod items;
mod messages;
mod orders;
mod paging;
mod process;
mod recommendations;
mod search;
mod shop;
mod tokens;
