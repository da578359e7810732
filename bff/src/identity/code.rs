//! One-time codes: six digits, sent to an address, good once.

use chrono::TimeDelta;
use platform::clock::SharedClock;
use uuid::Uuid;

use super::{
    error::Error,
    identifier::{Address, Phone},
    keys::{MasterKey, keyed_hash},
    secret::{Secret256, hex, six_digits},
    settings::CodeSettings,
    store::codes::{self, CodeKeys, Issued, Taken},
};
use crate::{
    accounts::contacts::Contact,
    notify::{self, Language, Message, Sealer},
    upstream::{GuardedRedis, Primary},
};

/// What a code is good for. A code for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To register with this address.
    Registration,
    /// To choose another password without the one before.
    ResetPassword,
    /// To add this address to an account.
    AddIdentifier,
    /// To prove again who is signed in.
    StepUp,
}

impl Purpose {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Registration,
        Self::ResetPassword,
        Self::AddIdentifier,
        Self::StepUp,
    ];

    /// Those that a code is asked for by name for.
    pub const ASKED_FOR: [Self; 3] = [Self::Registration, Self::AddIdentifier, Self::StepUp];

    /// As it is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::ResetPassword => "reset_password",
            Self::AddIdentifier => "add_identifier",
            Self::StepUp => "step_up",
        }
    }
}

/// What the one who asked for a code is told, sent or not.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// How long the code is good.
    pub expires_in: TimeDelta,
    /// When another may be asked for.
    pub resend_after: TimeDelta,
}

/// A code that was taken. Put it back when the work it was for fails.
#[derive(Debug)]
pub struct Redeemed {
    keys: CodeKeys,
    mac: Secret256,
    taken: Taken,
}

/// Everything that is done with codes. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Codes {
    redis: GuardedRedis,
    pool: Primary,
    sealer: Sealer,
    clock: SharedClock,
    settings: CodeSettings,
    key: Secret256,
}

impl Codes {
    /// Codes go out through the outbox of `pool`, sealed.
    #[must_use]
    pub fn new(
        redis: GuardedRedis,
        pool: Primary,
        sealer: Sealer,
        clock: SharedClock,
        settings: CodeSettings,
        master: &MasterKey,
    ) -> Self {
        Self {
            redis,
            pool,
            sealer,
            clock,
            settings,
            key: master.derive("one-time codes"),
        }
    }

    /// How long a code is good.
    #[must_use]
    pub fn lifetime(&self) -> TimeDelta {
        self.settings.lifetime_s.delta()
    }

    /// Sends a code. When it is not for the address's owner, nobody gets it, and
    /// the same work is done: nothing tells whether anyone has the address.
    ///
    /// # Errors
    /// [`Error::TooOften`] within the limits of one identifier;
    /// when Redis or the outbox doesn't answer.
    pub async fn send(
        &self,
        address: &Address,
        purpose: Purpose,
        is_for_owner: bool,
        language: Language,
    ) -> Result<Sent, Error> {
        let now = self.clock.now();
        let code = six_digits();
        let mac = self.mac(address, purpose, &code);
        let keys = self.keys(address, purpose);
        let at = now.timestamp_millis();
        let issued = codes::issue(&self.redis, &keys, &mac, at, &self.settings).await?;
        let next = match issued {
            Issued::Code { next } => next,
            Issued::TooOften { wait } => return Err(Error::TooOften(wait)),
        };
        let lifetime = self.lifetime();
        if self.is_within_budget(address, is_for_owner).await? {
            let message = Message::code(address, purpose, code, now + lifetime, language);
            let message = if is_for_owner {
                message
            } else {
                message.decoy()
            };
            notify::enqueue(&self.pool, &self.sealer, &message, &*self.clock).await?;
        }
        Ok(Sent {
            expires_in: lifetime,
            resend_after: next,
        })
    }

    /// Takes the code if it is right.
    ///
    /// # Errors
    /// [`Error::InvalidCode`] whatever is wrong with it;
    /// when Redis doesn't answer.
    pub async fn redeem(
        &self,
        address: &Address,
        purpose: Purpose,
        code: &str,
    ) -> Result<Redeemed, Error> {
        let keys = self.keys(address, purpose);
        let mac = self.mac(address, purpose, code);
        let now = self.clock.now_ms();
        let taken = codes::redeem(&self.redis, &keys, &mac, now, &self.settings).await?;
        let outcome = if taken.is_some() {
            "accepted"
        } else {
            "refused"
        };
        metrics::counter!("codes_checked_total", "purpose" => purpose.as_str(), "outcome" => outcome)
            .increment(1);
        let taken = taken.ok_or(Error::InvalidCode)?;
        Ok(Redeemed { keys, mac, taken })
    }

    /// Puts a code back, so that its owner need not ask for another. If Redis
    /// is away the code is spent, which is the safe side.
    pub async fn restore(&self, code: Redeemed) {
        let now = self.clock.now_ms();
        let restored = codes::restore(&self.redis, &code.keys, &code.mac, &code.taken, now).await;
        if let Err(error) = restored {
            tracing::debug!(%error, "a code wasn't put back");
        }
    }

    /// Voids every open code of a user. What was sent and guessed still counts.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn void_all(&self, contact: &Contact) -> Result<(), Error> {
        let of_address =
            |address: Address| Purpose::ALL.map(|purpose| self.keys(&address, purpose));
        let all: Vec<CodeKeys> = contact.addresses().flat_map(of_address).collect();
        Ok(codes::void(&self.redis, &all).await?)
    }

    /// Remembers which of a user's addresses the last code to step up went to.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn note_step_up(&self, user_id: Uuid, address: &Address) -> Result<(), Error> {
        let lifetime = self.settings.lifetime_s.millis();
        let kind = address.kind();
        Ok(codes::note_step_up(&self.redis, user_id, kind, lifetime).await?)
    }

    /// The address that it went to, if the user still has it.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn step_up_address(&self, contact: &Contact) -> Result<Option<Address>, Error> {
        let noted = codes::step_up_address(&self.redis, contact.user_id).await?;
        let is_noted = |address: &Address| noted.as_deref() == Some(address.kind());
        Ok(contact.addresses().find(is_noted))
    }

    fn keys(&self, address: &Address, purpose: Purpose) -> CodeKeys {
        let owner = keyed_hash(&self.key, &[b"owner", address.canonical().as_bytes()]);
        CodeKeys::new(&self.redis, purpose.as_str(), &hex(&owner[..16]))
    }

    fn mac(&self, address: &Address, purpose: Purpose, code: &str) -> Secret256 {
        let canonical = address.canonical().as_bytes();
        keyed_hash(
            &self.key,
            &[
                b"code",
                purpose.as_str().as_bytes(),
                canonical,
                code.as_bytes(),
            ],
        )
    }

    /// Messages to phones cost money, and premium numbers earn it for someone:
    /// countries and a day's messages are bounded. Beyond that nothing is sent,
    /// which the one who asked isn't told.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn is_within_budget(&self, address: &Address, is_real: bool) -> Result<bool, Error> {
        let refused = match address {
            Address::Email(_) => None,
            // What nobody gets is counted as well, for the sake of time, but apart.
            Address::Phone(phone) if is_real => self.sms_refusal("sms", phone).await?,
            Address::Phone(phone) => self.sms_refusal("no-sms", phone).await?,
        };
        if let Some(reason) = refused {
            metrics::counter!("codes_not_sent_total", "reason" => reason).increment(1);
            tracing::warn!(reason, to = %address.masked(), "a code was not sent");
        }
        Ok(refused.is_none())
    }

    async fn sms_refusal(
        &self,
        budget: &str,
        phone: &Phone,
    ) -> Result<Option<&'static str>, Error> {
        let allowed = &self.settings.sms_countries.0;
        let region = phone.region();
        let is_allowed = region.is_some_and(|region| allowed.contains(&region));
        if !allowed.is_empty() && !is_allowed {
            return Ok(Some("country"));
        }
        let country = match region {
            Some(region) => region.to_string(),
            None => phone.country_code().to_string(),
        };
        let day = self.clock.now().date_naive().to_string();
        let in_country = format!("{budget}:{country}");
        let in_country = codes::count_message(&self.redis, &in_country, &day).await?;
        if in_country > self.settings.sms_per_country_per_day {
            return Ok(Some("country_budget"));
        }
        let in_all = codes::count_message(&self.redis, budget, &day).await?;
        Ok((in_all > self.settings.sms_per_day).then_some("budget"))
    }
}
