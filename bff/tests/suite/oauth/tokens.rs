//! Id tokens, right ones and wrong ones. The keys are made up for these tests.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64},
};
use platform::clock::{Clock as _, SystemClock};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::RSA_PKCS1_SHA256,
};
use serde_json::{Value, json};

use super::{fault::Fault, provider::Person};

const PROVIDER: &str = include_str!("keys/provider.pem");
const STRANGER: &str = include_str!("keys/stranger.pem");

/// What a right token is about.
pub struct Subject<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub kid: &'a str,
    pub person: &'a Person,
}

fn key(pem: &str) -> KeyPair {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    KeyPair::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap()
}

/// The key set that is published.
pub fn published(kid: &str) -> Value {
    let public = PublicKeyComponents::<Vec<u8>>::from(key(PROVIDER).public());
    let (n, e) = (BASE64.encode(public.n), BASE64.encode(public.e));
    json!({ "keys": [
        { "kty": "EC", "kid": "curve", "crv": "P-256", "x": "AA", "y": "AA" },
        { "kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "n": n, "e": e },
    ] })
}

/// An id token, with the fault if it is one of a token's.
pub fn id_token(subject: &Subject<'_>, fault: Option<Fault>) -> String {
    let now = SystemClock.now().timestamp();
    let mut header = json!({ "alg": "RS256", "typ": "JWT", "kid": subject.kid });
    let mut claims = json!({
        "iss": subject.issuer, "aud": subject.client_id, "azp": subject.client_id,
        "sub": subject.person.subject, "nonce": subject.nonce,
        "iat": now, "exp": now + 3600,
        "email": subject.person.email, "email_verified": subject.person.email_verified,
        "name": subject.person.name,
    });
    match fault {
        Some(Fault::Nonce) => claims["nonce"] = "bm9uY2U".into(),
        Some(Fault::NoNonce) => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Some(Fault::Audience) => claims["aud"] = "someone-else".into(),
        Some(Fault::TwoAudiences) => claims["aud"] = json!([subject.client_id, "someone-else"]),
        Some(Fault::NoAudience) => claims["aud"] = json!([]),
        Some(Fault::AuthorizedParty) => claims["azp"] = "someone-else".into(),
        Some(Fault::Issuer) => claims["iss"] = "https://accounts.evil.example".into(),
        Some(Fault::Expired) => claims["exp"] = (now - 31).into(),
        Some(Fault::FromTheFuture) => claims["iat"] = (now + 120).into(),
        Some(Fault::NoSubject) => claims["sub"] = "".into(),
        Some(Fault::UnknownKid) => header["kid"] = "nobodys".into(),
        Some(Fault::NoKid) => drop(header.as_object_mut().unwrap().remove("kid")),
        Some(Fault::CriticalHeader) => header["crit"] = json!(["b64"]),
        Some(Fault::AlgorithmNone) => header["alg"] = "none".into(),
        Some(Fault::AlgorithmPs256) => header["alg"] = "PS256".into(),
        Some(Fault::AlgorithmHs256) => header["alg"] = "HS256".into(),
        _ => {}
    }
    let part = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = match fault {
        Some(Fault::AlgorithmNone) => Vec::new(),
        // The classic: the public key, taken for a shared secret.
        Some(Fault::AlgorithmHs256) => {
            let public = PublicKeyComponents::<Vec<u8>>::from(key(PROVIDER).public());
            let secret = hmac::Key::new(hmac::HMAC_SHA256, &public.n);
            hmac::sign(&secret, signed.as_bytes()).as_ref().to_vec()
        }
        Some(Fault::WrongKey) => sign(STRANGER, &signed),
        Some(Fault::ChangedAfterSigning) => sign(PROVIDER, &signed.replace('.', ".A")),
        _ => sign(PROVIDER, &signed),
    };
    format!("{signed}.{}", BASE64.encode(signature))
}

fn sign(pem: &str, signed: &str) -> Vec<u8> {
    let key = key(pem);
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    signature
}
