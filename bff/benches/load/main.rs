//! What the edge costs, on real servers, beside two references measured in the
//! same run: **the floor**, a bare handler that answers the bytes of the home
//! screen, and **the hand-written fan-out**, which makes the calls that the
//! screen makes and merges them by hand; and beside two peers that a team might
//! pick instead, Fastify and nginx with Lua.
//!
//!     cargo bench -p bff --bench load
//!
//! `docs/benchmarks.md` says how to read what it prints.

mod bare_refresh;
mod fan_out;
mod faults;
mod flood;
mod floor;
mod generator;
mod history;
mod orders;
mod overload;
mod peers;
mod persistent;
mod plan;
mod process;
mod report;
mod settings;
mod sign_ins;
mod stand;
mod stores;
mod streams;
mod subject;
mod tokens;
mod transfers;
mod users;
mod visitor;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; each measures everything once, and medians are printed
    #[arg(long, default_value_t = 5, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: usize,
    /// Seconds that one measurement takes
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Connections, each one user's
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Measure only what has one of these in its name, separated by commas
    #[arg(long, default_value = "")]
    only: String,
    /// What `cargo bench` passes on
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What the harness starts itself again as.
#[derive(Debug, Clone, Subcommand)]
enum Role {
    #[command(hide = true)]
    Floor { port: u16, body: PathBuf },
    #[command(hide = true)]
    FanOut(Box<fan_out::Arguments>),
    #[command(hide = true)]
    Orders,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = match arguments.role {
        Some(_) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?,
        // The load comes from one thread: what it takes from the two cores is
        // the same for everything that is measured.
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    runtime.block_on(async {
        match arguments.role.clone() {
            Some(Role::Floor { port, body }) => floor::serve(port, &body).await,
            Some(Role::FanOut(arguments)) => fan_out::serve(*arguments).await,
            Some(Role::Orders) => orders::serve().await,
            None => plan::run(&arguments).await,
        }
    })
}
