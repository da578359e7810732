use futures::future::join_all;
use platform::testing::eventually;
use platform::{config::Seconds, nats::Stream};

use crate::support::{Bench, corner};

#[tokio::test]
async fn many_processes_may_make_the_streams_at_once_and_again() {
    let bench = Bench::new().await;
    for made in join_all((0..8).map(|_| bench.nats.ensure_streams())).await {
        made.unwrap();
    }
    bench.nats.ensure_streams().await.unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn streams_follow_the_settings_when_they_change() {
    let mut settings = corner();
    let bench = Bench::with(settings.clone()).await;
    bench.nats.ensure_streams().await.unwrap();
    settings.notify_max_age_s = Seconds(77);
    let changed = Bench::with(settings).await;
    changed.nats.ensure_streams().await.unwrap();
    let name = changed.nats.stream_name(Stream::Notify);
    let stream = bench.nats.jetstream().get_stream(name).await.unwrap();
    assert_eq!(stream.cached_info().config.max_age.as_secs(), 77);
    bench.finish().await;
}

#[tokio::test]
async fn streams_that_someone_deletes_are_made_again() {
    let bench = Bench::new().await;
    bench.start_relay();
    bench.start_effects();
    bench.append_many(3).await;
    eventually("events flow", async || bench.effects().await == 3).await;
    let name = bench.nats.stream_name(Stream::Accounts);
    bench.nats.jetstream().delete_stream(name).await.unwrap();
    bench.append_many(3).await;
    eventually("events flow again", async || bench.effects().await == 6).await;
    bench.finish().await;
}

#[tokio::test]
async fn a_prefix_that_would_not_fit_in_a_subject_is_refused() {
    for prefix in ["a.b", "A", "a b", "*"] {
        let settings = platform::nats::NatsSettings {
            prefix: prefix.into(),
            ..corner()
        };
        let refused = platform::nats::Nats::connect(&settings, "test").await;
        assert!(refused.is_err(), "{prefix}");
    }
}
