//! Opaque, signed cursors of the lists that the edge pages through itself.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    edge::{
        error::{ApiError, FieldError},
        extract::{Cursor, Limit},
    },
    identity::keys::{MasterKey, keyed_hash},
};

crate::request! {
    /// Which page of a list.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct PageQuery {
        /// How many.
        #[param(required = false)]
        limit: Limit,
        /// From an earlier page.
        cursor: Option<Cursor>,
    }
}

/// Bytes of the authentication code in a cursor.
const CODE: usize = 16;

/// Makes and reads cursors. A cursor holds for one query of one user alone.
#[derive(Clone)]
pub struct Cursors([u8; 32]);

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors(***)")
    }
}

impl Cursors {
    /// Cursors signed with a key of their own.
    #[must_use]
    pub fn new(master: &MasterKey) -> Self {
        Self(master.derive("cursors"))
    }

    /// A cursor to what follows `last` in the list that `query` names.
    #[must_use]
    pub fn make(&self, query: &[&[u8]], last: Uuid) -> String {
        let cursor = [&self.code(query, last.as_bytes())[..], last.as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(cursor)
    }

    /// Where the page begins: after this; none: at the beginning.
    ///
    /// # Errors
    /// 400, naming `cursor`, when it isn't one of this query.
    pub fn read(&self, query: &[&[u8]], cursor: Option<&Cursor>) -> Result<Option<Uuid>, ApiError> {
        let Some(Cursor(cursor)) = cursor else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
        let read = bytes.split_at_checked(CODE).and_then(|(code, last)| {
            let good: bool = self.code(query, last).ct_eq(code).into();
            Uuid::from_slice(last).ok().filter(|_| good)
        });
        read.map(Some).ok_or_else(|| {
            let detail = "expected a cursor from an earlier page of this query";
            ApiError::invalid(vec![FieldError::new("cursor", "invalid", detail)])
        })
    }

    fn code(&self, query: &[&[u8]], last: &[u8]) -> [u8; CODE] {
        let hash = keyed_hash(&self.0, &[query, &[last]].concat());
        hash[..CODE].try_into().expect("the hash is longer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_holds_for_its_query_alone() {
        let cursors = Cursors::new(&MasterKey::of_nobody());
        let last = Uuid::from_u128(7);
        let cursor = cursors.make(&[b"accounts", b"ann"], last);
        let read = |query: &[&[u8]], cursor: &str| {
            let cursor = Cursor(cursor.to_owned());
            cursors.read(query, Some(&cursor)).ok().flatten()
        };
        assert_eq!(read(&[b"accounts", b"ann"], &cursor), Some(last));
        assert_eq!(read(&[b"accounts", b"bob"], &cursor), None);
        assert_eq!(read(&[b"accountsann"], &cursor), None);
        for changed in ["", "AAAA", "=", &cursor[1..], &cursor.to_lowercase()] {
            assert_eq!(read(&[b"accounts", b"ann"], changed), None, "{changed:?}");
        }
    }
}
