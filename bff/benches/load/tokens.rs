//! What checking an access token costs.

use std::{hint::black_box, sync::Arc, time::Instant};

use bff::identity::{
    Caller, Role,
    keys::{KeyFile, KeyRing},
    token::Tokens,
};
use chrono::TimeDelta;
use platform::clock::{Clock as _, SystemClock};
use uuid::Uuid;

/// Tokens that are told apart.
const TOKENS: u128 = 1_000;
/// How often each is checked once it is known.
const REPEATS: u32 = 200;

/// Microseconds for each check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verification {
    pub(crate) first: f64,
    pub(crate) again: f64,
}

pub(crate) fn measure() -> anyhow::Result<Verification> {
    let mut file = KeyFile::default();
    let from = SystemClock.now() - TimeDelta::hours(1);
    file.generate(from, TimeDelta::days(1))?;
    let keys = KeyRing::new(&file)?;
    let tokens = Tokens::new(keys, Arc::new(SystemClock), TimeDelta::minutes(5));
    let texts = (0..TOKENS).map(|number| {
        let caller = Caller {
            user_id: Uuid::from_u128(number),
            session_id: Uuid::from_u128(number),
            role: Role::Customer,
        };
        tokens.for_client(&caller, tokens.lifetime())
    });
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;

    let began = Instant::now();
    for text in &texts {
        black_box(tokens.verify(black_box(text.as_bytes()))?);
    }
    let first = began.elapsed();
    let began = Instant::now();
    for _ in 0..REPEATS {
        for text in &texts {
            black_box(tokens.verify(black_box(text.as_bytes()))?);
        }
    }
    let again = began.elapsed() / REPEATS;
    let count = texts.len() as f64;
    Ok(Verification {
        first: first.as_secs_f64() * 1e6 / count,
        again: again.as_secs_f64() * 1e6 / count,
    })
}
