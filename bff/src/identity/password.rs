//! Passwords: what may be one, and how they are hashed.
//!
//! Argon2id with the parameters of the OWASP password storage cheat sheet. A
//! hash takes a core and 19 MiB, so only as many run as there are cores, and
//! only so many wait: beyond that a request is refused rather than queued.

mod check;
mod cost;
mod memory;
mod policy;

use std::{num::NonZero, panic::resume_unwind, sync::Arc};

use tokio::sync::Semaphore;

use super::{identifier::Password, settings::PasswordSettings};
use memory::Memory;

pub use cost::{Cost, NoCost};
pub use policy::Weakness;

/// Too many hashes are waiting already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being hashed")]
pub struct Busy;

/// Hashes and checks passwords, within bounds. Cloning shares the bounds.
#[derive(Clone)]
pub struct Hasher {
    /// Those of stored hashes; new ones have the first.
    costs: Arc<[Cost]>,
    memory: Memory,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    min_score: u8,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher")
            .field("costs", &self.costs)
            .finish_non_exhaustive()
    }
}

impl Hasher {
    /// A hasher with these parameters.
    ///
    /// # Errors
    /// When the parameters are none that Argon2 has.
    pub fn new(settings: &PasswordSettings) -> anyhow::Result<Self> {
        let new = Cost::new(
            settings.memory_kib,
            settings.iterations,
            settings.parallelism,
        )
        .map_err(|error| anyhow::anyhow!("passwords: {error}"))?;
        let mut costs = vec![new];
        for cost in &settings.other_costs.0 {
            if !costs.contains(cost) {
                costs.push(*cost);
            }
        }
        let concurrency = match settings.concurrency {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            given => given,
        };
        Ok(Self {
            costs: costs.into(),
            memory: Memory::default(),
            running: Arc::new(Semaphore::new(concurrency)),
            admitted: Arc::new(Semaphore::new(concurrency + settings.queue)),
            min_score: settings.min_score,
        })
    }

    /// Hashes a new password, unless it breaks a rule. `known` is what everyone
    /// may know about its owner.
    ///
    /// # Errors
    /// [`Busy`]; inside, every rule that the password breaks.
    pub async fn hash(
        &self,
        password: Password,
        known: Vec<String>,
    ) -> Result<Result<String, Vec<Weakness>>, Busy> {
        let (memory, cost, min_score) = (self.memory.clone(), self.costs[0], self.min_score);
        self.run(move || {
            let broken = policy::weaknesses(password.expose(), &known, min_score);
            if !broken.is_empty() {
                return Err(broken);
            }
            Ok(check::hash(cost, &memory, password.expose()))
        })
        .await
    }

    /// Checks a password against a stored hash. The work is the same without one,
    /// and whichever cost it has, so that the time doesn't tell.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<Verdict, Busy> {
        let (memory, costs) = (self.memory.clone(), self.costs.clone());
        self.run(move || check::check(&costs, &memory, password.expose(), stored.as_deref()))
            .await
    }

    /// Runs work that takes a core, off the runtime's threads. Work whose
    /// caller is gone before it begins isn't done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| {
            metrics::counter!("password_hashes_refused_total").increment(1);
            Busy
        })?;
        let running = self
            .running
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Busy)?;
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let _held = (admitted, running);
            span.in_scope(work)
        });
        match done.await {
            Ok(done) => Ok(done),
            // As if it had panicked here; it isn't cancelled.
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not this password.
    Wrong,
    /// This password.
    Right {
        /// Its hash with today's parameters, when the stored one has others.
        rehashed: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_made_checked_and_renewed() {
        let weak = PasswordSettings {
            memory_kib: 64,
            iterations: 1,
            ..PasswordSettings::default()
        };
        let old = Hasher::new(&weak).unwrap();
        let new = Hasher::new(&PasswordSettings {
            memory_kib: 128,
            ..weak
        })
        .unwrap();
        let password = || Password::new("plum orbit cello 9").unwrap();
        let stored = old.hash(password(), Vec::new()).await.unwrap().unwrap();
        assert_eq!(
            old.verify(password(), Some(stored.clone())).await.unwrap(),
            Verdict::Right { rehashed: None }
        );
        let wrong = Password::new("plum orbit cello 8").unwrap();
        assert_eq!(
            old.verify(wrong, Some(stored.clone())).await.unwrap(),
            Verdict::Wrong
        );
        let Verdict::Right {
            rehashed: Some(renewed),
        } = new.verify(password(), Some(stored)).await.unwrap()
        else {
            panic!("a hash with old parameters is made anew");
        };
        assert!(renewed.contains("m=128,"), "{renewed}");
        assert!(
            matches!(
                old.verify(password(), Some(renewed)).await.unwrap(),
                Verdict::Right { rehashed: Some(_) }
            ),
            "memory that was lent before is too small, and grows"
        );
        let nobody = old.verify(password(), None).await.unwrap();
        assert_eq!(nobody, Verdict::Wrong);
    }

    #[tokio::test]
    async fn beyond_the_queue_work_is_refused() {
        let settings = PasswordSettings {
            concurrency: 1,
            queue: 1,
            ..PasswordSettings::default()
        };
        let hasher = Hasher::new(&settings).unwrap();
        let verify = || hasher.verify(Password::new("x").unwrap(), None);
        let outcomes = futures::future::join_all((0..3).map(|_| verify())).await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_err()).count(),
            1
        );
    }
}
