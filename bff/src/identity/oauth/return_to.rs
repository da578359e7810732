use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

/// Where a browser goes at the end: a path on an origin of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

/// A text that names no place to return to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path, or a URL on one of the allowed origins")]
pub struct NotAllowed;

/// What this program adds itself.
const OWN: [&str; 2] = ["ticket", "error"];

/// A path is decoded no deeper than this.
const LAYERS: usize = 3;

impl ReturnTo {
    /// Reads where to return to. `origins` are the allowed ones, such as
    /// `https://app.example.com`; a path alone is one on the first of them.
    ///
    /// The origin is compared as text, before any parser sees it: what two
    /// parsers read in two ways never gets that far.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn parse(text: &str, origins: &[String]) -> Result<Self, NotAllowed> {
        if text.len() > 2_048 || !text.bytes().all(is_plain) {
            return Err(NotAllowed);
        }
        let (origin, rest) = if text.starts_with('/') {
            (origins.first().ok_or(NotAllowed)?, text)
        } else {
            let split = |origin| Some((origin, text.strip_prefix(String::as_str(origin))?));
            let is_path = |(_, rest): &(_, &str)| rest.is_empty() || rest.starts_with('/');
            let mut candidates = origins.iter().filter_map(split);
            candidates.find(is_path).ok_or(NotAllowed)?
        };
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        if !is_harmless(path) {
            return Err(NotAllowed);
        }
        let mut url = Url::parse(&format!("{origin}{rest}")).map_err(|_| NotAllowed)?;
        if url.origin().ascii_serialization() != *origin {
            return Err(NotAllowed);
        }
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| !OWN.contains(&&**name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        Ok(Self(url.into()))
    }

    /// The place itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place with one more parameter.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut url = Url::parse(&self.0).expect("it was written from a URL");
        url.query_pairs_mut().append_pair(name, value);
        url.into()
    }
}

/// Visible ASCII but the backslash, which browsers take for a slash.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'\\'
}

/// Whether a path stays one, however often a proxy or a page decodes it.
fn is_harmless(path: &str) -> bool {
    let mut layer = path.to_owned();
    for _ in 0..LAYERS {
        if layer.contains("//") || layer.contains('\\') || layer.chars().any(char::is_control) {
            return false;
        }
        let Ok(inner) = percent_decode_str(&layer).decode_utf8() else {
            return false;
        };
        if inner == layer {
            return true;
        }
        layer = inner.into_owned();
    }
    false
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parse(text: &str) -> Result<String, NotAllowed> {
        let origins = [
            "https://app.example".to_owned(),
            "http://localhost:3000".into(),
        ];
        ReturnTo::parse(text, &origins).map(|place| place.0)
    }

    #[rstest]
    #[case("/", "https://app.example/")]
    #[case("/shop/cart", "https://app.example/shop/cart")]
    #[case("/shop?tab=2&x=a%20b#top", "https://app.example/shop?tab=2&x=a+b#top")]
    #[case("/caf%C3%A9", "https://app.example/caf%C3%A9")]
    #[case("https://app.example", "https://app.example/")]
    #[case("https://app.example/a", "https://app.example/a")]
    #[case("http://localhost:3000/a", "http://localhost:3000/a")]
    #[case(
        "/a?next=https://evil.example",
        "https://app.example/a?next=https%3A%2F%2Fevil.example"
    )]
    fn a_place_on_the_list_is_taken(#[case] text: &str, #[case] place: &str) {
        assert_eq!(parse(text).as_deref(), Ok(place));
    }

    #[rstest]
    #[case("")]
    #[case("shop")]
    #[case("//evil.example")]
    #[case("///evil.example")]
    #[case("/\\evil.example")]
    #[case("\\\\evil.example")]
    #[case("/a//evil.example")]
    #[case("/.//evil.example")]
    #[case("/%2Fevil.example")]
    #[case("/%2f%2fevil.example")]
    #[case("/%5cevil.example")]
    #[case("/%252fevil.example")]
    #[case("/%25252fevil.example")]
    #[case("/%25255cevil.example")]
    #[case("/a%0d%0aset-cookie:x=1")]
    #[case("/a%00")]
    #[case("/a\r\nset-cookie: x=1")]
    #[case("/\tevil.example")]
    #[case("\t//evil.example")]
    #[case(" /a")]
    #[case("/a b")]
    #[case("/%ff")]
    #[case("/é")]
    #[case("javascript:alert(1)")]
    #[case("JaVaScRiPt:alert(1)")]
    #[case("data:text/html,x")]
    #[case("https://evil.example")]
    #[case("https:/evil.example")]
    #[case("https:evil.example")]
    #[case("https://app.example@evil.example/")]
    #[case("https://app.example:pw@evil.example/")]
    #[case("https://user@app.example/")]
    #[case("https://app.example.evil.example/")]
    #[case("https://app.example:444/")]
    #[case("https://app.example\\@evil.example/")]
    #[case("https://app.example#@evil.example/")]
    #[case("https://app.example?@evil.example/")]
    #[case("https://app.example//evil.example")]
    #[case("https://app.example/\\evil.example")]
    #[case("https://APP.example/")]
    #[case("http://app.example/")]
    #[case("https://xn--pp-eka.example/")]
    fn a_trick_is_refused(#[case] text: &str) {
        assert_eq!(parse(text), Err(NotAllowed), "{text:?}");
    }

    #[test]
    fn what_is_added_stands_alone() {
        let origins = ["https://app.example".to_owned()];
        let place = ReturnTo::parse("/done?ticket=planted&a=1&error=x", &origins).unwrap();
        assert_eq!(
            place.with("ticket", "t"),
            "https://app.example/done?a=1&ticket=t"
        );
    }

    #[test]
    fn without_a_list_nothing_is_on_it() {
        assert_eq!(ReturnTo::parse("/", &[]), Err(NotAllowed));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(parse(&format!("/{}", "a".repeat(2_048))).is_err());
    }
}
