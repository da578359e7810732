use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bff::{
    cache::{Cache, CacheSettings, Invalidate, Key, Scope, Ttl},
    events::invalidation::{self, Changes},
    upstream::{Deadline, Guards, RecentWrites},
};
use futures::FutureExt as _;
use platform::{
    clock::Clock as _,
    config::Millis,
    outbox::{self, NewEvent},
    redis::{Redis, RedisSettings},
    testing::Server,
};
use proto::events::{
    AccountUpdated, Event, HoldCaptured, HoldExpired, HoldPlaced, HoldReleased, ItemDeleted,
    ItemUpdated, OrderCancelled, OrderCreated, OrderExpired, OrderFulfilled, OrderPaid, SUBJECTS,
    SessionRevoked, TransferPosted, UserDeactivated, UserDeletionRequested, UserErased,
    UserRegistered, UserUpdated,
};
use serde_json::json;
use uuid::Uuid;

use crate::{helpers::eventually, messaging::Messaging};

/// Everything that was to be dropped, in order.
type Dropped = Arc<Mutex<Vec<Invalidate>>>;

fn follow(messaging: &Messaging) -> Dropped {
    let dropped = Dropped::default();
    let (nats, lifetime, log) = (
        messaging.nats.clone(),
        messaging.lifetime.clone(),
        dropped.clone(),
    );
    messaging.lifetime.spawn(async move {
        let note = |what| log.lock().unwrap().push(what);
        Changes::new(&nats).follow(&lifetime, note).await;
    });
    dropped
}

async fn append<E: Event>(messaging: &Messaging, event: &E) {
    let event = NewEvent::new(E::SUBJECT, event.aggregate_id(), 1, event, &messaging.clock);
    outbox::append(&messaging.pool, &event).await.unwrap();
}

fn drain(dropped: &Dropped) -> Vec<Invalidate> {
    std::mem::take(&mut dropped.lock().unwrap())
}

#[tokio::test]
async fn every_event_drops_what_it_changed_on_every_replica() {
    use Invalidate::{Everything, Item, User};
    let messaging = Messaging::new().await;
    let replicas = [follow(&messaging), follow(&messaging)];
    for dropped in &replicas {
        // Once for each store.
        eventually("it follows", async || dropped.lock().unwrap().len() == 2).await;
        assert_eq!(drain(dropped), [Everything, Everything]);
    }
    messaging.start_worker();

    let [user_id, other, item_id, order_id] = [1, 2, 3, 4].map(Uuid::from_u128);
    // Of whoever is new nothing is cached yet that isn't so.
    append(&messaging, &UserRegistered { user_id }).await;
    append(&messaging, &UserUpdated { user_id }).await;
    append(&messaging, &UserDeactivated { user_id }).await;
    let requested_at = messaging.clock.now();
    let requested = UserDeletionRequested {
        user_id,
        requested_at,
    };
    append(&messaging, &requested).await;
    let erased = UserErased {
        user_id,
        requested_at,
        erased_at: requested_at,
    };
    append(&messaging, &erased).await;
    append(
        &messaging,
        &AccountUpdated {
            account_id: other,
            user_id,
        },
    )
    .await;
    append(
        &messaging,
        &TransferPosted {
            transfer_id: order_id,
            user_ids: vec![user_id, other],
        },
    )
    .await;
    let hold_id = order_id;
    append(&messaging, &HoldPlaced { hold_id, user_id }).await;
    append(&messaging, &HoldCaptured { hold_id, user_id }).await;
    append(&messaging, &HoldReleased { hold_id, user_id }).await;
    append(&messaging, &HoldExpired { hold_id, user_id }).await;
    append(&messaging, &ItemUpdated { item_id }).await;
    append(&messaging, &ItemDeleted { item_id }).await;
    append(&messaging, &OrderCreated { order_id, user_id }).await;
    append(&messaging, &OrderPaid { order_id, user_id }).await;
    append(&messaging, &OrderCancelled { order_id, user_id }).await;
    append(&messaging, &OrderExpired { order_id, user_id }).await;
    append(&messaging, &OrderFulfilled { order_id, user_id }).await;
    // Says nothing about what is cached.
    append(
        &messaging,
        &SessionRevoked {
            session_id: other,
            user_id,
            revoked_at: messaging.clock.now(),
        },
    )
    .await;

    for dropped in &replicas {
        eventually("everything was heard", async || {
            dropped.lock().unwrap().len() == 18
        })
        .await;
        let heard = drain(dropped);
        let count = |what| heard.iter().filter(|one| **one == what).count();
        assert_eq!(count(User(user_id)), 15);
        assert_eq!(count(User(other)), 1);
        assert_eq!(count(Item(item_id)), 2);
    }
    messaging.finish().await;
}

#[tokio::test]
async fn an_event_that_this_version_does_not_know_drops_everything() {
    let messaging = Messaging::new().await;
    let dropped = follow(&messaging);
    eventually("it follows", async || dropped.lock().unwrap().len() == 2).await;
    drain(&dropped);
    messaging.start_worker();
    for (subject, data) in [
        ("evt.accounts.user.updated.v9", json!({})),
        (UserUpdated::SUBJECT, json!({ "unexpected": true })),
    ] {
        let event = NewEvent::new(
            subject,
            messaging.clock.new_id(),
            1,
            &data,
            &messaging.clock,
        );
        outbox::append(&messaging.pool, &event).await.unwrap();
        eventually("it was heard", async || !dropped.lock().unwrap().is_empty()).await;
        assert_eq!(drain(&dropped), [Invalidate::Everything]);
    }
    messaging.finish().await;
}

#[test]
fn the_test_above_has_every_event() {
    assert_eq!(
        SUBJECTS.len(),
        19,
        "give the new event its line there, and this its number"
    );
}

/// How long Redis may take with each change below.
const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn memory_forgets_at_once_however_long_redis_takes() {
    let messaging = Messaging::new().await;
    let server = Server::redis().await;
    let redis = RedisSettings {
        url: server.url(),
        response_timeout_ms: Millis(10_000),
        ..RedisSettings::default()
    };
    let settings = CacheSettings {
        redis_limit_ms: Millis(PATIENCE.as_millis() as u64),
        ..CacheSettings::default()
    };
    let redis = Redis::new(&redis).unwrap();
    let cache = Cache::new(
        &settings,
        Some(redis),
        &Guards::new(messaging.shared_clock()),
        RecentWrites::none(),
    );
    let changes = Changes::new(&messaging.nats);
    messaging.lifetime.spawn(invalidation::keep_in_step(
        cache.clone(),
        changes.clone(),
        messaging.lifetime.clone(),
    ));
    messaging.start_worker();
    let key = |user| Key::new("value", Scope::User(user));
    let fill = async |user| {
        let fetch = |_| async { Ok(bytes::Bytes::from_static(b"1")) }.boxed();
        let deadline = Deadline::within(Duration::from_secs(10));
        let (key, ttl) = (key(user), Ttl::seconds(600, 600));
        cache.get(&key, ttl, deadline, fetch).await.unwrap();
    };
    let change = async |user_id| append(&messaging, &UserUpdated { user_id }).await;
    // Each store's feed begins by dropping everything.
    eventually("it follows", async || changes.check().is_ok()).await;
    let users: Vec<Uuid> = (100..120).map(Uuid::from_u128).collect();
    for user in &users {
        fill(*user).await;
    }
    let kept = || {
        users
            .iter()
            .filter(|user| cache.peek(&key(**user)).is_some())
    };
    assert_eq!(kept().count(), users.len());
    server.stop();
    let began = Instant::now();
    for user in &users {
        change(*user).await;
    }
    eventually("all of them are forgotten", async || kept().count() == 0).await;
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    server.cont();
    messaging.finish().await;
}
