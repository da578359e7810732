//! Sign-ins as fast as they go, beside what Argon2 alone does on the cores, and
//! what the other reads notice of them.

use std::{
    num::NonZero,
    time::{Duration, Instant},
};

use argon2::{
    Algorithm, Argon2, Params, PasswordVerifier as _, Version, password_hash::phc::PasswordHash,
};
use bff::identity::settings::PasswordSettings;

use super::{
    generator::{self, Latencies, Throughput},
    report,
    stand::{HOME, Stand},
    visitor::{Script, Visitor, get},
};

/// Sign-ins under way at once: enough that a core never waits for one.
pub(crate) const AT_ONCE: usize = 8;
/// Home screens a second meanwhile: few, for they take from the same cores.
const READS_PER_SECOND: f64 = 200.0;
const WARM_UP: Duration = Duration::from_millis(500);

/// What was found, round by round.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    pub(crate) rounds: Vec<Round>,
}

#[derive(Debug)]
pub(crate) struct Round {
    /// Passwords a second that Argon2 alone checks.
    pub(crate) argon_alone: f64,
    pub(crate) signed_in: Throughput,
    pub(crate) reads: Latencies,
}

/// One after the other, again and again.
pub(crate) async fn measure(
    stand: &Stand,
    rounds: usize,
    time: Duration,
) -> anyhow::Result<SignIns> {
    let mut found = SignIns::default();
    for round in 0..rounds {
        report::progress(&format!("sign-ins, round {}", round + 1));
        let argon_alone = argon_alone(&stand.people.hash, time)?;
        let (signed_in, reads) = sign_in(stand, time).await?;
        found.rounds.push(Round {
            argon_alone,
            signed_in,
            reads,
        });
    }
    Ok(found)
}

/// Checks a second that every core together does, and nothing else.
fn argon_alone(hash: &str, time: Duration) -> anyhow::Result<f64> {
    let settings = PasswordSettings::default();
    let params = Params::new(
        settings.memory_kib,
        settings.iterations,
        settings.parallelism,
        None,
    )
    .map_err(|error| anyhow::anyhow!("{error}"))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let check = || -> anyhow::Result<f64> {
        let hash = PasswordHash::new(hash).map_err(|error| anyhow::anyhow!("{error}"))?;
        let (mut count, began) = (0_u32, Instant::now());
        while began.elapsed() < time {
            // A wrong password takes as long as the right one.
            let _ = argon.verify_password(b"walnut saddle fog 2", &hash);
            count += 1;
        }
        Ok(f64::from(count) / began.elapsed().as_secs_f64())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(check)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it doesn't panic"))
            .sum()
    })
}

/// Signs people in at the cached edge while others read their home screens.
async fn sign_in(stand: &Stand, time: Duration) -> anyhow::Result<(Throughput, Latencies)> {
    let edge = &stand.cached;
    let (mut signing_in, mut reading) = (Vec::new(), Vec::new());
    for person in stand.people.others.iter().take(AT_ONCE) {
        let script = Script::Same(person.login());
        signing_in.push(Visitor::connect(edge.address, script).await?);
    }
    for user in &stand.people.users {
        let request = get(HOME, &[("authorization", &user.bearer())]);
        reading.push(Visitor::connect(edge.address, Script::Same(request)).await?);
    }
    let programs = [edge];
    tokio::try_join!(
        generator::closed(signing_in, &programs, 200, WARM_UP, time),
        generator::open(reading, READS_PER_SECOND, 200, WARM_UP + time),
    )
}
