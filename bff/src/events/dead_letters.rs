//! `bff dead-letters`: what consumers gave up, for an operator.

use std::fmt::Write as _;

use anyhow::Context as _;
use platform::{consumer::DeadLetters, nats::Nats};

/// The oldest `limit` dead letters, one a line.
///
/// # Errors
/// When NATS doesn't answer.
pub async fn list(nats: &Nats, limit: usize) -> anyhow::Result<String> {
    let letters = DeadLetters::new(nats.clone()).list(limit).await?;
    if letters.is_empty() {
        return Ok("no dead letters\n".into());
    }
    let mut text = String::from("NUMBER  AT  CONSUMER  TRIES  EVENT  ID  REASON\n");
    for letter in letters {
        let id = letter.event_id.as_deref().unwrap_or("-");
        writeln!(
            text,
            "{}  {}  {}  {}  {}  {id}  {}",
            letter.sequence,
            letter.at,
            letter.consumer,
            letter.deliveries,
            letter.event_type,
            letter.reason,
        )?;
    }
    Ok(text)
}

/// Puts the dead letter with this number back into its stream.
///
/// # Errors
/// When there is none, or NATS doesn't answer.
pub async fn replay(nats: &Nats, number: u64) -> anyhow::Result<String> {
    let letter = DeadLetters::new(nats.clone())
        .replay(number)
        .await?
        .with_context(|| format!("there is no dead letter {number}"))?;
    Ok(format!(
        "{} is back for {}\n",
        letter.event_type, letter.consumer
    ))
}
