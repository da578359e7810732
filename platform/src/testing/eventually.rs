use std::time::{Duration, Instant};

/// What isn't so by then isn't going to be.
const CAP: Duration = Duration::from_secs(30);

/// What a condition says: `true` or `false`, or a value as soon as there is one.
pub trait Condition {
    /// What is known when it is met.
    type Value;

    /// The value, if it is met.
    fn met(self) -> Option<Self::Value>;
}

impl Condition for bool {
    type Value = ();

    fn met(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn met(self) -> Option<T> {
        self
    }
}

/// Waits until a condition is met, for 30 s at most.
///
/// # Panics
/// When it isn't met by then; `what` says what was waited for.
pub async fn eventually<C: Condition>(what: &str, condition: impl AsyncFnMut() -> C) -> C::Value {
    within(CAP, what, condition).await
}

/// Waits until a condition is met that has to be met by then.
///
/// # Panics
/// When it isn't; `what` says what was waited for.
pub async fn within<C: Condition>(
    bound: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> C,
) -> C::Value {
    let began = Instant::now();
    loop {
        // What was true when it was asked, was true in time.
        let asked = began.elapsed();
        if let Some(value) = condition().await.met() {
            return value;
        }
        assert!(asked < bound, "not within {bound:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
