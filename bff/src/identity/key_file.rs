//! The file of the keys that sign tokens, and how keys come and go in it.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use platform::paseto::{PublicKeys, SKEW, SigningKey};
use serde::{Deserialize, Serialize};

/// One key in the key file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// PASERK key id, for people who read the file.
    pub kid: String,
    /// PASERK: `k4.secret.…`
    pub secret: String,
    /// It signs from here on.
    pub not_before: DateTime<Utc>,
    /// Its tokens are worth nothing from here on.
    pub not_after: DateTime<Utc>,
}

/// The key file: readable by the edge alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// In the order of their making.
    pub keys: Vec<StoredKey>,
}

/// How one key follows another.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long the new key is published before it signs: what the slowest
    /// verifier takes to read the public keys again.
    pub lead: TimeDelta,
    /// For how long the keys before are still believed once the new one signs.
    pub overlap: TimeDelta,
    /// For how long the new key signs.
    pub lifetime: TimeDelta,
    /// How long a token is good.
    pub token_lifetime: TimeDelta,
}

/// What a key is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published; signs later.
    Next,
    /// Signs, and verifies what it signed.
    Signs,
    /// Verifies what it signed before.
    Verifies,
    /// Is of no use any more.
    Over,
}

impl KeyState {
    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signs => "signs",
            Self::Verifies => "verifies",
            Self::Over => "over",
        }
    }
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// When it can't be read or holds something else.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads what a file holds.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        Ok(serde_json::from_slice(text)?)
    }

    /// Writes the secret keys to `path`, for the owner alone, and the public
    /// ones to `public`. Either file changes as a whole or not at all.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write(&self, path: &Path, public: Option<&Path>) -> anyhow::Result<()> {
        write(path, 0o600, &serde_json::to_vec_pretty(self)?)?;
        let Some(public) = public else { return Ok(()) };
        write(
            public,
            0o644,
            &serde_json::to_vec_pretty(&self.public_keys()?)?,
        )
    }

    /// Every key, ready to sign.
    ///
    /// # Errors
    /// When one of them is no key.
    pub fn signing_keys(&self) -> anyhow::Result<Vec<SigningKey>> {
        self.keys
            .iter()
            .map(|key| {
                SigningKey::from_paserk(&key.secret, key.not_before, key.not_after)
                    .with_context(|| key.kid.clone())
            })
            .collect()
    }

    /// The public halves, as they are published.
    ///
    /// # Errors
    /// When one of them is no key.
    pub fn public_keys(&self) -> anyhow::Result<PublicKeys> {
        let keys = self.signing_keys()?;
        Ok(PublicKeys {
            keys: keys.iter().map(|key| key.public().clone()).collect(),
        })
    }

    /// Adds a key that signs from `from` on, for `lifetime`.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(&mut self, from: DateTime<Utc>, lifetime: TimeDelta) -> anyhow::Result<()> {
        let key = SigningKey::generate(from, from + lifetime)?;
        self.keys.push(StoredKey {
            kid: key.public().kid.clone(),
            secret: key.to_paserk()?,
            not_before: from,
            not_after: from + lifetime,
        });
        Ok(())
    }

    /// Adds the next key and lets those before it run out. Keys that are over
    /// leave the file.
    ///
    /// The next key begins to sign after the lead, and sooner when the keys
    /// before don't last that long, so that there is always one that signs.
    ///
    /// # Errors
    /// When the overlap is too short for the last token of a key to live its
    /// life, or a next key waits already.
    pub fn rotate(&mut self, now: DateTime<Utc>, plan: Rotation) -> anyhow::Result<()> {
        let least = plan.token_lifetime + SKEW;
        anyhow::ensure!(
            plan.overlap >= least,
            "the overlap must be {} seconds at least: the life of a token and what clocks may be apart",
            least.num_seconds()
        );
        anyhow::ensure!(
            plan.lifetime > plan.overlap,
            "a key must live longer than the overlap"
        );
        if let Some(next) = self.keys.iter().find(|key| now < key.not_before) {
            anyhow::bail!("{} is next already, from {} on", next.kid, next.not_before);
        }
        self.keys.retain(|key| now <= key.not_after + SKEW);
        let last = self.keys.iter().map(|key| key.not_after).max();
        let signs_until = last.map_or(now, |last| last - plan.token_lifetime);
        let from = (now + plan.lead).min(signs_until).max(now);
        for key in &mut self.keys {
            key.not_after = key.not_after.min(from + plan.overlap);
        }
        self.generate(from, plan.lifetime)
    }

    /// Takes a key away: its tokens are worth nothing as soon as the file is
    /// read again.
    ///
    /// # Errors
    /// When there is no such key, or no other that signs now.
    pub fn retire(
        &mut self,
        kid: &str,
        now: DateTime<Utc>,
        token_lifetime: TimeDelta,
    ) -> anyhow::Result<()> {
        let place = self.keys.iter().position(|key| key.kid == kid);
        self.keys.remove(place.context("there is no such key")?);
        anyhow::ensure!(
            self.signer(now, token_lifetime).is_some(),
            "no other key signs now: rotate first, with --lead-s 0"
        );
        Ok(())
    }

    /// What each key is good for, in the order of the file.
    #[must_use]
    pub fn states(&self, now: DateTime<Utc>, token_lifetime: TimeDelta) -> Vec<KeyState> {
        let signer = self.signer(now, token_lifetime);
        let state = |(place, key): (usize, &StoredKey)| match () {
            () if signer == Some(place) => KeyState::Signs,
            () if now < key.not_before => KeyState::Next,
            () if now <= key.not_after + SKEW => KeyState::Verifies,
            () => KeyState::Over,
        };
        self.keys.iter().enumerate().map(state).collect()
    }

    fn signer(&self, now: DateTime<Utc>, token_lifetime: TimeDelta) -> Option<usize> {
        let times = self.keys.iter().map(|key| (key.not_before, key.not_after));
        signer(times, now, token_lifetime)
    }
}

/// Which of these keys signs: the youngest that is good for the whole life of
/// a token made now.
pub(super) fn signer(
    times: impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)>,
    now: DateTime<Utc>,
    token_lifetime: TimeDelta,
) -> Option<usize> {
    times
        .enumerate()
        .filter(|(_, (from, until))| *from <= now && now + token_lifetime <= *until)
        .max_by_key(|(_, (from, _))| *from)
        .map(|(place, _)| place)
}

/// Writes beside the file and renames, so that a reader never sees half of it.
fn write(path: &Path, mode: u32, content: &[u8]) -> anyhow::Result<()> {
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .with_context(|| directory.display().to_string())?;
    }
    let draft = path.with_extension("new");
    // What was left behind may be readable by others, and would stay so.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| draft.display().to_string());
        }
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .with_context(|| draft.display().to_string())?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path).with_context(|| path.display().to_string())
}

#[cfg(test)]
#[path = "key_file_tests.rs"]
mod tests;
