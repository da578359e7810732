//! The check of an id token: OpenID Connect Core, section 3.1.3.7, and RFC 8725.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use platform::paseto::SKEW;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::Failure;

/// More keys than this are no key set: Google has two or three.
const MAX_KEYS: usize = 32;

/// The keys that a provider signs with.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: String,
    n: Vec<u8>,
    e: Vec<u8>,
}

/// A key set as it is published (RFC 7517).
#[derive(Debug, Deserialize)]
pub(super) struct PublishedKeys {
    keys: Vec<PublishedKey>,
}

#[derive(Debug, Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl PublishedKey {
    /// The key, if it is one that signs with RS256.
    fn read(self) -> Option<Key> {
        let is_ours = self.kty == "RSA"
            && self.alg.is_none_or(|alg| alg == "RS256")
            && self.usage.is_none_or(|usage| usage == "sig");
        if !is_ours {
            return None;
        }
        Some(Key {
            kid: self.kid?,
            n: BASE64.decode(self.n?).ok()?,
            e: BASE64.decode(self.e?).ok()?,
        })
    }
}

impl TryFrom<PublishedKeys> for KeySet {
    type Error = Failure;

    fn try_from(published: PublishedKeys) -> Result<Self, Failure> {
        if published.keys.len() > MAX_KEYS {
            return Err(Failure::Answer("too many keys"));
        }
        let keys = published.keys.into_iter().filter_map(PublishedKey::read);
        Ok(Self(keys.collect()))
    }
}

impl KeySet {
    /// Whether there is a key of this id.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid)
    }
}

/// What a token has to say to be believed.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// The issuer, as its discovery document names it.
    pub issuer: &'a str,
    /// Our application's id.
    pub audience: &'a str,
    /// This flow's.
    pub nonce: &'a str,
    /// Now.
    pub now: DateTime<Utc>,
}

/// What an id token says, once it was checked.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nonce: Option<String>,
    pub email: Option<String>,
    /// Only the JSON value `true` vouches.
    #[serde(default)]
    pub email_verified: Value,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Whether it is this one alone: we trust no other.
    fn is(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.len() == 1 && several[0] == audience,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    crit: Option<Value>,
}

/// A token that was taken apart. Nothing in it is believed but the key's id.
#[derive(Debug)]
pub(super) struct IdToken<'a> {
    /// Names the key that signed it.
    pub kid: String,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> IdToken<'a> {
    /// Takes a token apart. The one algorithm that is known is RS256.
    ///
    /// # Errors
    /// When it is no token of ours.
    pub(super) fn parse(text: &'a str) -> Result<Self, Failure> {
        let malformed = Failure::Answer("a malformed id token");
        let Some((signed, signature)) = text.rsplit_once('.') else {
            return Err(malformed);
        };
        let Some((header, payload)) = signed.split_once('.') else {
            return Err(malformed);
        };
        let Ok(signature) = BASE64.decode(signature) else {
            return Err(malformed);
        };
        let header: Header = decode(header)?;
        if header.alg != "RS256" || header.crit.is_some() {
            return Err(Failure::Answer("an id token of another algorithm"));
        }
        Ok(Self {
            kid: header.kid,
            signed,
            payload,
            signature,
        })
    }

    /// Checks the signature and everything that the token says of itself.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn check(&self, keys: &KeySet, expected: &Expected<'_>) -> Result<Claims, Failure> {
        let mut candidates = keys.0.iter().filter(|key| key.kid == self.kid);
        let key = candidates.next().ok_or(Failure::Answer("an unknown key"))?;
        RsaPublicKeyComponents {
            n: &key.n,
            e: &key.e,
        }
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            self.signed.as_bytes(),
            &self.signature,
        )
        .map_err(|_| Failure::Answer("a wrong signature"))?;

        let claims: Claims = decode(self.payload)?;
        let now = expected.now;
        let same_nonce = claims
            .nonce
            .as_deref()
            .is_some_and(|nonce| nonce.as_bytes().ct_eq(expected.nonce.as_bytes()).into());
        let wrong = if !is_issuer(&claims.iss, expected.issuer) {
            "another issuer"
        } else if !claims.aud.is(expected.audience) {
            "another audience"
        } else if claims
            .azp
            .as_deref()
            .is_some_and(|azp| azp != expected.audience)
        {
            "another authorized party"
        } else if (now - SKEW).timestamp() >= claims.exp {
            "an expired id token"
        } else if (now + SKEW).timestamp() < claims.iat {
            "an id token of the future"
        } else if !same_nonce {
            "another nonce"
        } else {
            return Ok(claims);
        };
        Err(Failure::Answer(wrong))
    }
}

/// Google's is written with and without its scheme.
fn is_issuer(iss: &str, issuer: &str) -> bool {
    iss == issuer || issuer.strip_prefix("https://") == Some(iss)
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, Failure> {
    let bytes = BASE64
        .decode(part)
        .map_err(|_| Failure::Answer("an id token of no base64"))?;
    serde_json::from_slice(&bytes).map_err(|_| Failure::Answer("an id token of no JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_written_with_and_without_its_scheme() {
        let google = "https://accounts.google.com";
        assert!(is_issuer(google, google));
        assert!(is_issuer("accounts.google.com", google));
        for other in [
            "",
            "google.com",
            "http://accounts.google.com",
            "https://accounts.google.com/",
        ] {
            assert!(!is_issuer(other, google), "{other}");
        }
        // What isn't safe has no short form.
        assert!(!is_issuer("127.0.0.1", "http://127.0.0.1"));
    }

    #[test]
    fn the_audience_is_us_alone() {
        let audience = |json| serde_json::from_value::<Audience>(json).unwrap();
        assert!(audience(serde_json::json!("us")).is("us"));
        assert!(audience(serde_json::json!(["us"])).is("us"));
        assert!(!audience(serde_json::json!(["us", "them"])).is("us"));
        assert!(!audience(serde_json::json!([])).is("us"));
    }

    #[test]
    fn a_claim_that_comes_twice_is_no_claim() {
        let twice = BASE64.encode(r#"{"iss":"a","iss":"b","sub":"c","aud":"d","exp":1,"iat":1}"#);
        assert!(decode::<Claims>(&twice).is_err());
    }

    #[test]
    fn a_key_set_is_bounded_and_holds_keys_that_sign_alone() {
        let key = |usage: &str, alg: &str| serde_json::json!({ "kty": "RSA", "kid": "k", "use": usage, "alg": alg, "n": "AQAB", "e": "AQAB" });
        let set = |keys: Vec<Value>| {
            let published =
                serde_json::from_value::<PublishedKeys>(serde_json::json!({ "keys": keys }));
            KeySet::try_from(published.unwrap())
        };
        assert!(set(vec![key("sig", "RS256")]).unwrap().has("k"));
        assert!(
            !set(vec![key("enc", "RS256"), key("sig", "RS512")])
                .unwrap()
                .has("k")
        );
        assert!(set(vec![key("sig", "RS256"); MAX_KEYS + 1]).is_err());
    }
}
