//! The cache's memory, whatever is put into it: measured in a process of its own.

#![expect(clippy::unwrap_used, reason = "a helper that fails, fails the test")]

use std::{sync::Arc, time::Duration};

use bff::{
    cache::{Cache, CacheSettings, Key, Scope, Ttl},
    upstream::{Deadline, Guards, RecentWrites},
};
use futures::FutureExt as _;
use platform::testing::{ManualClock, eventually};

const TTL: Ttl = Ttl::seconds(10, 60);

fn cache(memory_bytes: u64) -> Cache {
    let settings = CacheSettings {
        memory_bytes,
        ..CacheSettings::default()
    };
    Cache::new(
        &settings,
        None,
        &Guards::new(Arc::new(ManualClock::new())),
        RecentWrites::none(),
    )
}

fn key(number: usize) -> Key {
    Key::new("value", Scope::Public).detail(number.to_string())
}

async fn put(cache: &Cache, number: usize, bytes: usize) {
    let fetch = move |_| async move { Ok(vec![b' '; bytes].into()) }.boxed();
    let deadline = Deadline::within(Duration::from_secs(10));
    cache.get(&key(number), TTL, deadline, fetch).await.unwrap();
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// What the metrics say of the cache.
fn gauge(name: &str) -> usize {
    let metrics = platform::telemetry::metrics_handle().render();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.expect(name).trim().parse::<f64>().unwrap() as usize
}

#[tokio::test]
async fn a_million_keys_take_no_more_memory_than_was_given() {
    let _ = platform::telemetry::metrics_handle();
    let limit = 16 << 20;
    let cache = cache(limit as u64);
    // What is there once, however little is kept.
    put(&cache, 0, 1).await;
    let before = resident();
    let grown = || resident().saturating_sub(before);
    for number in 1..100_000 {
        put(&cache, number, 1).await;
    }
    let full = grown();
    for number in 100_000..1_000_000 {
        put(&cache, number, 1).await;
    }
    let in_the_end = grown();
    // An allocator isn't exact.
    let most = limit + limit / 4;
    assert!(full < most, "{full} bytes with 100,000 keys");
    assert!(in_the_end < most, "{in_the_end} bytes with all");
    eventually("room is made", async || {
        put(&cache, 0, 100).await;
        gauge(r#"cache_bytes{tier="l1"}"#) <= limit
    })
    .await;
    let entries = gauge(r#"cache_entries{tier="l1"}"#);
    assert!((1_000..200_000).contains(&entries), "{entries}");
    assert!(gauge(r#"cache_evictions_total{tier="l1"}"#) >= 800_000);
}
