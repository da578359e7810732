//! How users can be reached, and what everyone may know about them.

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::identity::identifier::{Address, Email, Phone};

/// A user's proved addresses and public names.
#[derive(Debug, Clone)]
pub struct Contact {
    /// The user.
    pub user_id: Uuid,
    /// The e-mail address, when a code proved it.
    pub email: Option<Email>,
    /// The phone number, when a code proved it.
    pub phone: Option<Phone>,
    names: Vec<String>,
}

impl Contact {
    /// Where a code or a notice can be sent, mail first.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        let email = self.email.clone().map(Address::Email);
        email
            .into_iter()
            .chain(self.phone.clone().map(Address::Phone))
    }

    /// The user's own address that is the same as this one, as it was proved:
    /// messages go there, however the request spelled it.
    #[must_use]
    pub fn own(&self, address: &Address) -> Option<Address> {
        self.addresses()
            .find(|own| own.canonical() == address.canonical())
    }

    /// What a password must not contain.
    #[must_use]
    pub fn known(&self) -> Vec<String> {
        let addresses = self.addresses().flat_map(|address| address.known());
        self.names.iter().cloned().chain(addresses).collect()
    }
}

/// How a user can be reached, unless they are blocked or gone.
///
/// # Errors
/// When the store doesn't answer.
pub async fn of(executor: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Option<Contact>> {
    find(executor, Some(user_id), None).await
}

/// The same, of whoever has this address.
///
/// # Errors
/// When the store doesn't answer.
pub async fn by_address(
    executor: impl PgExecutor<'_>,
    address: &Address,
) -> sqlx::Result<Option<Contact>> {
    find(executor, None, Some(address)).await
}

async fn find(
    executor: impl PgExecutor<'_>,
    user_id: Option<Uuid>,
    address: Option<&Address>,
) -> sqlx::Result<Option<Contact>> {
    let (email, phone) = match address {
        Some(Address::Email(email)) => (Some(email.canonical()), None),
        Some(Address::Phone(phone)) => (None, Some(phone.e164())),
        None => (None, None),
    };
    let row = sqlx::query!(
        "SELECT id, full_name, username, email, email_verified_at, phone, phone_verified_at
         FROM users
         WHERE status IN ('active', 'deactivated') AND deleted_at IS NULL
           AND (id = $1 OR email_canonical = $2 AND email_verified_at IS NOT NULL
                OR phone = $3 AND phone_verified_at IS NOT NULL)",
        user_id,
        email,
        phone,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Contact {
        user_id: row.id,
        email: row
            .email
            .filter(|_| row.email_verified_at.is_some())
            .and_then(|text| Email::parse(&text).ok()),
        phone: row
            .phone
            .filter(|_| row.phone_verified_at.is_some())
            .and_then(|text| Phone::stored(&text).ok()),
        names: row.full_name.into_iter().chain(row.username).collect(),
    }))
}
