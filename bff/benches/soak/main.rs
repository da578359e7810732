//! The edge under a mixed load, while its ways to PostgreSQL, Redis, NATS and
//! the orders service break and heal again.
//!
//!     make soak                                # ten minutes
//!     make soak SOAK_SECONDS=60 SOAK_SEED=7    # that minute once more
//!
//! The seed decides which faults come when, and what each guest does. It ends
//! well when every answer was valid by the OpenAPI document and about nobody
//! else, every transfer was made once, the books balance, the memory of the edge, of
//! its worker and of the orders service stayed flat, and nothing is left under way
//! in any of them.

mod arrival;
mod contract;
mod edge;
mod guest;
mod money;
#[path = "../load/orders.rs"]
mod orders;
#[expect(dead_code, reason = "the load harness measures more")]
#[path = "../load/process.rs"]
mod process;
mod program;
mod report;
mod rest;
mod run;
mod schedule;
#[path = "../load/settings.rs"]
mod settings;
mod stand;
#[path = "../load/stores.rs"]
mod stores;
mod streams;
#[expect(dead_code, reason = "the load harness does more with people")]
#[path = "../load/users.rs"]
mod users;
#[expect(dead_code, reason = "the load harness asks for more")]
#[path = "../load/visitor.rs"]
mod visitor;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Arguments {
    /// Seconds that faults come and go for
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// What decides over everything; a new one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Guests at once
    #[arg(long, default_value_t = 24)]
    guests: usize,
    /// What `cargo bench` passes on
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What the soak starts itself again as.
#[derive(Debug, Subcommand)]
enum Role {
    #[command(hide = true)]
    Orders,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Orders) => orders::serve().await,
        None => run::run(&arguments).await,
    }
}
