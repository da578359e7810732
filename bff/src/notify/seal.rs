use pasetors::{
    Local,
    keys::SymmetricKey,
    token::UntrustedToken,
    version4::{LocalToken, V4},
};
use uuid::Uuid;

use super::Message;

/// Encrypts messages for as long as they wait to be sent. Cloning copies the key.
#[derive(Clone, Debug)]
pub struct Sealer(SymmetricKey<V4>);

impl Sealer {
    /// A sealer with a key that nothing else uses.
    ///
    /// # Panics
    /// Never: every 32 bytes are a key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(SymmetricKey::from(&key).expect("32 bytes are a key"))
    }

    /// Seals a message for the event with this id: under another it can't be
    /// opened.
    pub(super) fn seal(&self, id: Uuid, message: &Message) -> String {
        let plain = serde_json::to_vec(message).expect("a message is plain data");
        LocalToken::encrypt(&self.0, &plain, None, Some(id.as_bytes()))
            .expect("the key is well-formed and the system gives randomness")
    }

    /// `None` when it was sealed with another key, for another event, or changed.
    pub(super) fn open(&self, id: Uuid, sealed: &str) -> Option<Message> {
        let token = UntrustedToken::<Local, V4>::try_from(sealed).ok()?;
        let opened = LocalToken::decrypt(&self.0, &token, None, Some(id.as_bytes())).ok()?;
        serde_json::from_str(opened.payload()).ok()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        identity::{code::Purpose, identifier::Address},
        notify::Language,
    };

    fn message() -> Message {
        let to = Address::parse("ann@example.com", "US".parse().unwrap()).unwrap();
        Message::code(
            &to,
            Purpose::Registration,
            "271828".into(),
            DateTime::UNIX_EPOCH,
            Language::En,
        )
    }

    #[test]
    fn a_sealed_message_shows_nothing_and_opens_unchanged() {
        let (sealer, id) = (Sealer::new([7; 32]), Uuid::from_u128(1));
        let sealed = sealer.seal(id, &message());
        assert!(sealed.starts_with("v4.local."), "{sealed}");
        assert!(!sealed.contains("271828") && !sealed.contains("ann"));
        assert_eq!(sealer.open(id, &sealed), Some(message()));
    }

    #[test]
    fn it_opens_with_its_key_for_its_event_alone() {
        let (sealer, id) = (Sealer::new([7; 32]), Uuid::from_u128(1));
        let sealed = sealer.seal(id, &message());
        assert_eq!(Sealer::new([8; 32]).open(id, &sealed), None);
        assert_eq!(sealer.open(Uuid::from_u128(2), &sealed), None);
        let changed = sealed.replace("v4.local.", "v4.local.A");
        assert_eq!(sealer.open(id, &changed), None);
        assert_eq!(sealer.open(id, ""), None);
    }

    #[test]
    fn a_decoy_looks_like_a_message_from_outside() {
        let (sealer, id) = (Sealer::new([7; 32]), Uuid::from_u128(1));
        let real = sealer.seal(id, &message());
        let decoy = sealer.seal(id, &message().decoy());
        assert!(real.len().abs_diff(decoy.len()) <= 2);
        assert!(sealer.open(id, &decoy).unwrap().is_decoy());
    }

    #[test]
    fn no_log_line_holds_code_or_address() {
        let shown = format!("{:?}", message());
        assert!(
            !shown.contains("271828") && !shown.contains("ann@"),
            "{shown}"
        );
    }
}
