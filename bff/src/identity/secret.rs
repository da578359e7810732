//! Random secrets, and the forms in which clients hold them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::keys::keyed_hash;

/// 256 random bits.
pub type Secret256 = [u8; 32];

/// Fresh random bits from the operating system.
///
/// # Panics
/// When the system gives no randomness; nothing safe could be done then.
#[must_use]
pub fn random() -> Secret256 {
    let mut secret = [0; 32];
    SysRng
        .try_fill_bytes(&mut secret)
        .expect("the operating system gives randomness");
    secret
}

/// What a one-time code is like.
pub const SIX_DIGITS: &str = "^[0-9]{6}$";

/// A number of six digits, each as likely as every other.
#[must_use]
pub fn six_digits() -> String {
    // 2^64 is so much larger than 10^6 that the remainder's bias is below 10^-13.
    let wide = u64::from_be_bytes(random()[..8].try_into().expect("eight bytes"));
    format!("{:06}", wide % 1_000_000)
}

/// What is stored of a secret: it is random, so a plain hash is enough.
#[must_use]
pub fn digest(secret: &Secret256) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A session cookie's value: the session, and the secret that proves it.
#[derive(Debug)]
pub struct CookieValue {
    /// The session.
    pub session_id: Uuid,
    /// Its secret.
    pub secret: Secret256,
}

impl CookieValue {
    /// As the cookie holds it.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(self.session_id.as_bytes());
        bytes[16..].copy_from_slice(&self.secret);
        BASE64.encode(bytes)
    }

    /// Reads a cookie.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 48] = decode(text)?;
        let (id, secret) = bytes.split_at(16);
        Some(Self {
            session_id: Uuid::from_slice(id).ok()?,
            secret: secret.try_into().ok()?,
        })
    }
}

/// A refresh token: the session, the token's place in the session's chain, a
/// secret, and a tag over these.
///
/// The tag tells a token that was once issued from one that was made up, so
/// that only the use of a real, displaced token counts as theft. The successor's
/// secret is derived from the token's own, so that a displaced token returns the
/// same successor without the successor being kept anywhere.
#[derive(Debug)]
pub struct RefreshToken {
    /// The session.
    pub session_id: Uuid,
    /// 0 for the first token of the session.
    pub generation: u32,
    secret: Secret256,
}

const TAG: usize = 16;
const REFRESH_TOKEN: usize = 16 + 4 + 32 + TAG;

impl RefreshToken {
    /// The first token of a session.
    #[must_use]
    pub fn first(session_id: Uuid) -> Self {
        Self {
            session_id,
            generation: 0,
            secret: random(),
        }
    }

    /// The token that takes this one's place.
    #[must_use]
    pub fn successor(&self, key: &Secret256) -> Self {
        let secret = keyed_hash(
            key,
            &[
                b"successor",
                self.session_id.as_bytes(),
                &self.generation.to_be_bytes(),
                &self.secret,
            ],
        );
        Self {
            session_id: self.session_id,
            generation: self.generation + 1,
            secret,
        }
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest(&self.secret)
    }

    /// As the client holds it.
    #[must_use]
    pub fn encode(&self, key: &Secret256) -> String {
        let mut bytes = [0; REFRESH_TOKEN];
        bytes[..16].copy_from_slice(self.session_id.as_bytes());
        bytes[16..20].copy_from_slice(&self.generation.to_be_bytes());
        bytes[20..52].copy_from_slice(&self.secret);
        bytes[52..].copy_from_slice(&self.tag(key));
        BASE64.encode(bytes)
    }

    /// Reads a token that this edge has issued.
    #[must_use]
    pub fn decode(text: &str, key: &Secret256) -> Option<Self> {
        let bytes: [u8; REFRESH_TOKEN] = decode(text)?;
        let token = Self {
            session_id: Uuid::from_slice(&bytes[..16]).ok()?,
            generation: u32::from_be_bytes(bytes[16..20].try_into().ok()?),
            secret: bytes[20..52].try_into().ok()?,
        };
        bool::from(token.tag(key).ct_eq(&bytes[52..])).then_some(token)
    }

    fn tag(&self, key: &Secret256) -> [u8; TAG] {
        let whole = keyed_hash(
            key,
            &[
                b"tag",
                self.session_id.as_bytes(),
                &self.generation.to_be_bytes(),
                &self.secret,
            ],
        );
        whole[..TAG]
            .try_into()
            .expect("a tag is shorter than the hash")
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The only text of this length; anything else isn't looked at.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_read_only_unchanged() {
        let key = random();
        let token = RefreshToken::first(Uuid::from_u128(7)).successor(&key);
        let text = token.encode(&key);
        let read = RefreshToken::decode(&text, &key).unwrap();
        assert_eq!(
            (read.session_id, read.generation, read.secret),
            (token.session_id, 1, token.secret)
        );
        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let changed = String::from_utf8(changed).unwrap();
            assert!(RefreshToken::decode(&changed, &key).is_none(), "{position}");
        }
        assert!(RefreshToken::decode(&text, &random()).is_none());
    }

    #[test]
    fn the_successor_is_always_the_same() {
        let key = random();
        let token = RefreshToken::first(Uuid::from_u128(7));
        assert_eq!(
            token.successor(&key).digest(),
            token.successor(&key).digest()
        );
        assert_ne!(
            token.successor(&key).digest(),
            token.successor(&random()).digest()
        );
    }

    #[test]
    fn codes_are_six_digits_drawn_at_random() {
        let codes: Vec<String> = (0..1_000).map(|_| six_digits()).collect();
        for place in 0..6 {
            let digits: std::collections::BTreeSet<u8> =
                codes.iter().map(|code| code.as_bytes()[place]).collect();
            assert!(digits.into_iter().eq(b'0'..=b'9'), "{place}");
        }
        assert!(codes.iter().all(|code| code.len() == 6));
        // About one pair in two thousand codes is alike by chance.
        let others: std::collections::BTreeSet<_> = codes.iter().collect();
        assert!(others.len() > 990, "{}", others.len());
    }

    #[test]
    fn of_a_secrets_256_bits_none_stands_still() {
        let secrets: Vec<Secret256> = (0..200).map(|_| random()).collect();
        for bit in 0..256 {
            let is_set = |secret: &Secret256| secret[bit / 8] >> (bit % 8) & 1 == 1;
            let set = secrets.iter().filter(|secret| is_set(secret)).count();
            // Half of them, give or take eight times the deviation.
            assert!((44..=156).contains(&set), "bit {bit}: {set}");
        }
        let session = Uuid::from_u128(7);
        let first = || RefreshToken::first(session).digest();
        assert_ne!(first(), first());
    }
}
