//! Pages of a list, by keyset: a page begins after the last row of the one
//! before, so nothing is skipped or repeated while rows come and go.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use uuid::Uuid;

use super::Refused;

/// Bytes of the authentication code in a token.
const CODE: usize = 16;

/// A token longer than this isn't looked at.
const LONGEST_TOKEN: usize = 512;

/// Where a row stands in its list: by a key, and among equal keys by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position<K> {
    /// What the list is ordered by.
    pub key: K,
    /// The row.
    pub id: Uuid,
}

/// How many rows a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// Reads what was sent: 0 means `default`.
    ///
    /// # Errors
    /// Outside of 0 to `most`.
    pub fn parse(size: i32, default: u16, most: u16) -> Result<Self, Refused> {
        match u16::try_from(size) {
            Ok(0) => Ok(Self(default)),
            Ok(size) if size <= most => Ok(Self(size)),
            _ => Err(Refused("outside of what a page can have")),
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i64 {
        i64::from(self.0)
    }
}

/// Makes and reads page tokens. A token says where the next page begins and
/// holds for one query alone: it is authenticated together with the query, so
/// one that was changed, made up or taken from another query is refused.
#[derive(Clone)]
pub struct PageTokens(Hmac<Sha256>);

impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageTokens")
    }
}

impl PageTokens {
    /// Tokens that are authenticated with `key`.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    fn make(&self, query: &[u8], position: &impl Serialize) -> String {
        let position = serde_json::to_vec(position).expect("a position is plain data");
        let mut token = self.code(query, &position).finalize().into_bytes()[..CODE].to_vec();
        token.extend(position);
        URL_SAFE_NO_PAD.encode(token)
    }

    fn read<P: DeserializeOwned>(&self, query: &[u8], token: &str) -> Option<P> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (code, position) = token.split_at_checked(CODE)?;
        self.code(query, position)
            .verify_truncated_left(code)
            .ok()?;
        serde_json::from_slice(position).ok()
    }

    /// The query's length stands first, so that no other pair of texts is the
    /// same to the code.
    fn code(&self, query: &[u8], position: &[u8]) -> Hmac<Sha256> {
        let mut code = self.0.clone();
        code.update(&(query.len() as u64).to_be_bytes());
        code.update(query);
        code.update(position);
        code
    }
}

/// One page of a query.
#[derive(Debug, Clone)]
pub struct Page {
    tokens: PageTokens,
    query: Vec<u8>,
    size: PageSize,
    token: String,
}

impl Page {
    /// The page of `query` that begins at `token`, the first when it is empty.
    /// `query` is everything that decides which rows are in the list and how
    /// they are ordered.
    #[must_use]
    pub fn new(tokens: &PageTokens, query: Vec<u8>, size: PageSize, token: String) -> Self {
        Self {
            tokens: tokens.clone(),
            query,
            size,
            token,
        }
    }

    /// The row after which the page begins.
    ///
    /// # Errors
    /// When the token isn't one of this query.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<Position<K>>, Refused> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let position = self.tokens.read(&self.query, &self.token);
        position.map(Some).ok_or(Refused(
            "expected the token of an earlier page of this query",
        ))
    }

    /// How many rows to read: one more than the page has, which tells whether
    /// another page follows.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.size.get() + 1
    }

    /// Cuts off what belongs to the next page. Returns the page, and the token
    /// of the next one, empty when there is none.
    pub fn cut<T, K: Serialize>(
        &self,
        mut rows: Vec<T>,
        position: impl FnOnce(&T) -> Position<K>,
    ) -> (Vec<T>, String) {
        let size = usize::from(self.size.0);
        if rows.len() <= size {
            return (rows, String::new());
        }
        rows.truncate(size);
        let next = rows
            .last()
            .map(|last| self.tokens.make(&self.query, &position(last)));
        (rows, next.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(tokens: &PageTokens, query: &[u8], token: &str) -> Page {
        let size = PageSize::parse(1, 20, 100).unwrap();
        Page::new(tokens, query.to_vec(), size, token.to_owned())
    }

    fn token(tokens: &PageTokens, query: &[u8], key: f32) -> String {
        let (_, token) = page(tokens, query, "").cut(vec![key, 0.0], |key| Position {
            key: *key,
            id: Uuid::nil(),
        });
        token
    }

    proptest! {
        #[test]
        fn a_position_survives_its_token_exactly(key in proptest::num::f32::NORMAL) {
            let tokens = PageTokens::new(b"key");
            let token = token(&tokens, b"query", key);
            let after = page(&tokens, b"query", &token).after::<f32>().unwrap().unwrap();
            prop_assert_eq!(after.key.to_bits(), key.to_bits());
        }

        #[test]
        fn a_changed_token_is_refused(at in 0_usize..40, bit in 0_u8..6) {
            let tokens = PageTokens::new(b"key");
            let mut bytes = URL_SAFE_NO_PAD.decode(token(&tokens, b"query", 1.5)).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let token = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(page(&tokens, b"query", &token).after::<f32>().is_err());
        }
    }

    #[test]
    fn a_token_holds_for_its_query_and_key_alone() {
        let tokens = PageTokens::new(b"key");
        let token = token(&tokens, b"query", 1.5);
        assert!(page(&tokens, b"query", &token).after::<f32>().is_ok());
        assert!(page(&tokens, b"quer", &token).after::<f32>().is_err());
        assert!(
            page(&PageTokens::new(b"other"), b"query", &token)
                .after::<f32>()
                .is_err()
        );
        for nonsense in ["x", "AAAA", "=", "é", &"A".repeat(600)] {
            assert!(page(&tokens, b"query", nonsense).after::<f32>().is_err());
        }
    }
}
