//! Concurrent misses for one key make one call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use super::{generation::Stamp, key::Key};
use crate::upstream::Deadline;

/// A call in flight. Everyone who waits for it holds it, the first one no more
/// than the others: whoever leaves, the rest drive it on, and when all have
/// left it is dropped, and with it the work.
pub(super) type Flight<T> = Shared<BoxFuture<'static, T>>;

/// The calls in flight, by key.
#[derive(Debug)]
pub(super) struct Flights<T: Clone>(Arc<Mutex<Map<T>>>);

#[derive(Debug)]
struct Map<T: Clone> {
    slots: HashMap<Key, Slot<T>>,
    taken_off: u64,
}

#[derive(Debug)]
struct Slot<T: Clone> {
    number: u64,
    stamp: Stamp,
    deadline: Deadline,
    flight: WeakShared<BoxFuture<'static, T>>,
}

impl<T: Clone + Send + Sync + 'static> Default for Flights<T> {
    fn default() -> Self {
        let (slots, taken_off) = (HashMap::new(), 0);
        Self(Arc::new(Mutex::new(Map { slots, taken_off })))
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Joins the flight for `key`, or starts one.
    ///
    /// A flight is not joined when it began before a change (its stamp is
    /// another), or when it will give up long before this caller would: in less
    /// than half of the time that is left until `deadline`.
    pub(super) fn join(
        &self,
        key: &Key,
        stamp: Stamp,
        deadline: Deadline,
        start: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Flight<T> {
        let mut map = lock(&self.0);
        if let Some(slot) = map.slots.get(key)
            && slot.stamp == stamp
            && slot.deadline.remaining() * 2 >= deadline.remaining()
            && let Some(flight) = slot.flight.upgrade()
        {
            return flight;
        }
        let work = start();
        map.taken_off += 1;
        let number = map.taken_off;
        let landing = Landing {
            map: self.0.clone(),
            key: key.clone(),
            number,
        };
        let flight = async move {
            let _landing = landing;
            work.await
        };
        let flight = flight.boxed().shared();
        let weak = flight.downgrade().expect("it was just made");
        let slot = Slot {
            number,
            stamp,
            deadline,
            flight: weak,
        };
        map.slots.insert(key.clone(), slot);
        flight
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).slots.len()
    }
}

/// Clears the slot when the flight ends or is dropped.
struct Landing<T: Clone> {
    map: Arc<Mutex<Map<T>>>,
    key: Key,
    number: u64,
}

impl<T: Clone> Drop for Landing<T> {
    fn drop(&mut self) {
        let mut map = lock(&self.map);
        if map
            .slots
            .get(&self.key)
            .is_some_and(|slot| slot.number == self.number)
        {
            map.slots.remove(&self.key);
        }
    }
}

/// What is behind the lock is whole between any two statements.
fn lock<T: Clone>(map: &Mutex<Map<T>>) -> MutexGuard<'_, Map<T>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use tokio::sync::Notify;

    use super::{
        super::{generation::Generations, key::Scope},
        *,
    };

    struct Stage {
        flights: Flights<u32>,
        calls: Arc<AtomicU32>,
        go: Arc<Notify>,
        stamp: Stamp,
    }

    impl Stage {
        fn new() -> Self {
            Self {
                flights: Flights::default(),
                calls: Arc::default(),
                go: Arc::default(),
                stamp: Generations::default().stamp([]),
            }
        }

        fn join(&self, limit_ms: u64) -> Flight<u32> {
            let (calls, go) = (self.calls.clone(), self.go.clone());
            let key = Key::new("test", Scope::Public);
            let deadline = Deadline::within(Duration::from_millis(limit_ms));
            self.flights.join(&key, self.stamp, deadline, || {
                let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
                async move {
                    go.notified().await;
                    call
                }
                .boxed()
            })
        }
    }

    #[tokio::test]
    async fn five_hundred_waiters_make_one_call() {
        let stage = Stage::new();
        let waiters: Vec<_> = (0..500).map(|_| tokio::spawn(stage.join(1_000))).collect();
        stage.go.notify_one();
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), 1);
        }
        assert_eq!(stage.flights.len(), 0, "the slot is free again");
        drop(stage.join(1_000));
        assert_eq!(
            stage.calls.load(Ordering::Relaxed),
            2,
            "the next one calls anew"
        );
    }

    #[tokio::test]
    async fn a_leader_that_leaves_fails_nobody() {
        let stage = Stage::new();
        let mut leader = stage.join(1_000);
        assert!(futures::poll!(&mut leader).is_pending());
        let follower = tokio::spawn(stage.join(1_000));
        tokio::task::yield_now().await;
        drop(leader);
        stage.go.notify_one();
        assert_eq!(follower.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn when_all_have_left_the_work_stops() {
        let stage = Stage::new();
        let (mut one, mut two) = (stage.join(1_000), stage.join(1_000));
        assert!(futures::poll!(&mut one).is_pending() && futures::poll!(&mut two).is_pending());
        drop(one);
        assert_eq!(Arc::strong_count(&stage.go), 2, "the work still waits");
        drop(two);
        assert_eq!(Arc::strong_count(&stage.go), 1, "the work is gone");
        assert_eq!(stage.flights.len(), 0);
    }

    #[tokio::test]
    async fn nobody_joins_a_flight_that_is_in_more_of_a_hurry() {
        let stage = Stage::new();
        let hurried = stage.join(100);
        let patient = stage.join(1_000);
        assert_eq!(stage.calls.load(Ordering::Relaxed), 2);
        drop(hurried);
        let third = stage.join(1_000);
        assert_eq!(
            stage.calls.load(Ordering::Relaxed),
            2,
            "joins the patient one"
        );
        drop((patient, third));
    }

    #[tokio::test]
    async fn nobody_joins_a_flight_from_before_a_change() {
        let mut stage = Stage::new();
        let before = stage.join(1_000);
        let generations = Generations::default();
        generations.raise_everything();
        stage.stamp = generations.stamp([]);
        let after = stage.join(1_000);
        stage.go.notify_one();
        stage.go.notify_one();
        assert_eq!((before.await, stage.calls.load(Ordering::Relaxed)), (1, 2));
        stage.go.notify_one();
        assert_eq!(after.await, 2);
    }
}
