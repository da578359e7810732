//! What this process may no longer believe after an event: every replica hears
//! every event and drops what it had cached.

use std::{
    collections::HashSet,
    future::ready,
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt as _, stream};
use platform::{
    consumer::{Delivery, Feed, Signal},
    nats::{Nats, Stream},
    shutdown::Lifetime,
};
use proto::events::{
    AccountUpdated, Event, HoldCaptured, HoldExpired, HoldPlaced, HoldReleased, ItemDeleted,
    ItemUpdated, OrderCancelled, OrderCreated, OrderExpired, OrderFulfilled, OrderPaid,
    SessionRevoked, TransferPosted, UserDeactivated, UserDeletionRequested, UserErased,
    UserRegistered, UserUpdated,
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::cache::{Cache, Invalidate};

/// More changes at once than this are taken for [`Invalidate::Everything`].
const MOST: usize = 1_000;

/// Changes of which Redis is told at once.
const AT_ONCE: usize = 16;

/// What both stores tell of changes. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Changes([Feed; 2]);

impl Changes {
    /// Those of the stores behind these streams.
    #[must_use]
    pub fn new(nats: &Nats) -> Self {
        Self([Stream::Accounts, Stream::Orders].map(|stream| Feed::new(nats.clone(), stream)))
    }

    /// That they are followed.
    ///
    /// # Errors
    /// When they aren't: what is cached may be old for as long as it is kept.
    pub fn check(&self) -> Result<(), String> {
        match self.0.iter().all(Feed::is_following) {
            true => Ok(()),
            false => Err("what changes isn't heard of".into()),
        }
    }

    /// Calls `drop` for each change until the process ends. It must be quick, and
    /// whatever was read before the call and is stored after it must not count.
    ///
    /// [`Invalidate::Everything`] comes first, after each lost connection, and for
    /// an event that this version doesn't know.
    pub async fn follow(&self, lifetime: &Lifetime, drop: impl Fn(Invalidate) + Send + Sync) {
        let tell = |signal| match signal {
            Signal::Reset { .. } => drop(Invalidate::Everything),
            // Whatever is cached of whoever is new was read after that: nobody could be
            // signed in as them before.
            Signal::Event(delivery) if delivery.event_type == UserRegistered::SUBJECT => {}
            Signal::Event(delivery) => scopes(&delivery).into_iter().for_each(&drop),
        };
        let [accounts, orders] = &self.0;
        tokio::join!(accounts.run(lifetime, tell), orders.run(lifetime, tell));
    }
}

/// Keeps a cache in step with both stores until the process ends.
pub async fn keep_in_step(cache: Cache, changes: Changes, lifetime: Lifetime) {
    let (waiting, arrived) = (Mutex::new(HashSet::new()), Notify::new());
    let lock = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let note = |what| {
        // At once, however long Redis takes with those before.
        drop(cache.forget(what));
        let mut waiting = lock();
        waiting.insert(what);
        if waiting.len() > MOST {
            *waiting = HashSet::from([Invalidate::Everything]);
        }
        arrived.notify_one();
    };
    let drop_each = async {
        loop {
            arrived.notified().await;
            let all = std::mem::take(&mut *lock());
            let all = stream::iter(all).map(|what| cache.invalidate(what));
            all.buffer_unordered(AT_ONCE).for_each(ready).await;
        }
    };
    tokio::select! {
        () = changes.follow(&lifetime, note) => {}
        () = drop_each => {}
    }
}

/// The users whom an event is about.
pub(super) fn users(delivery: &Delivery) -> Vec<Uuid> {
    let scopes = scopes(delivery).into_iter();
    let user = |scope| match scope {
        Invalidate::User(id) => Some(id),
        _ => None,
    };
    scopes.filter_map(user).collect()
}

fn scopes(delivery: &Delivery) -> Vec<Invalidate> {
    use Invalidate::{Item, User};
    match delivery.event_type.as_str() {
        UserRegistered::SUBJECT => read(delivery, |e: UserRegistered| vec![User(e.user_id)]),
        UserUpdated::SUBJECT => read(delivery, |e: UserUpdated| vec![User(e.user_id)]),
        UserDeactivated::SUBJECT => read(delivery, |e: UserDeactivated| vec![User(e.user_id)]),
        UserDeletionRequested::SUBJECT => {
            read(delivery, |e: UserDeletionRequested| vec![User(e.user_id)])
        }
        UserErased::SUBJECT => read(delivery, |e: UserErased| vec![User(e.user_id)]),
        // Sessions aren't cached; revocation has its own way.
        SessionRevoked::SUBJECT => Vec::new(),
        TransferPosted::SUBJECT => read(delivery, |e: TransferPosted| {
            e.user_ids.into_iter().map(User).collect()
        }),
        HoldPlaced::SUBJECT => read(delivery, |e: HoldPlaced| vec![User(e.user_id)]),
        HoldCaptured::SUBJECT => read(delivery, |e: HoldCaptured| vec![User(e.user_id)]),
        HoldReleased::SUBJECT => read(delivery, |e: HoldReleased| vec![User(e.user_id)]),
        HoldExpired::SUBJECT => read(delivery, |e: HoldExpired| vec![User(e.user_id)]),
        AccountUpdated::SUBJECT => read(delivery, |e: AccountUpdated| vec![User(e.user_id)]),
        ItemUpdated::SUBJECT => read(delivery, |e: ItemUpdated| vec![Item(e.item_id)]),
        ItemDeleted::SUBJECT => read(delivery, |e: ItemDeleted| vec![Item(e.item_id)]),
        OrderCreated::SUBJECT => read(delivery, |e: OrderCreated| vec![User(e.user_id)]),
        OrderPaid::SUBJECT => read(delivery, |e: OrderPaid| vec![User(e.user_id)]),
        OrderCancelled::SUBJECT => read(delivery, |e: OrderCancelled| vec![User(e.user_id)]),
        OrderExpired::SUBJECT => read(delivery, |e: OrderExpired| vec![User(e.user_id)]),
        OrderFulfilled::SUBJECT => read(delivery, |e: OrderFulfilled| vec![User(e.user_id)]),
        _ => vec![Invalidate::Everything],
    }
}

fn read<E: Event>(
    delivery: &Delivery,
    scopes: impl FnOnce(E) -> Vec<Invalidate>,
) -> Vec<Invalidate> {
    match delivery.json() {
        Ok(event) => scopes(event),
        Err(reason) => {
            tracing::warn!(event_type = delivery.event_type, %reason, "unreadable event");
            vec![Invalidate::Everything]
        }
    }
}
