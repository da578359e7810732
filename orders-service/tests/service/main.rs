//! The service through its own port, on a real database.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's help fails the test"
)]

mod deadlines;
mod faults;
mod health;
mod helpers;
mod items;
mod messages;
mod orders;
mod page_tokens;
mod paging;
mod privacy;
mod process;
mod recommendations;
mod search;
mod shop;
mod tokens;
