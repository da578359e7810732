//! How users can be reached, and what everyone may know about them.

use chrono::{DateTime, Utc};
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

    /// The address of this kind: `email` or `phone`.
    #[must_use]
    pub fn of_kind(&self, kind: &str) -> Option<Address> {
        self.addresses().find(|address| address.kind() == kind)
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

/// Gives a user an address in place of the one of its kind before. Returns the
/// version that the user has then.
///
/// # Errors
/// When the store doesn't answer, or by unique constraint when somebody else has
/// the address.
pub async fn set_address(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    address: &Address,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    let (email, phone) = match address {
        Address::Email(email) => (Some(email), None),
        Address::Phone(phone) => (None, Some(phone.e164())),
    };
    sqlx::query_scalar!(
        "UPDATE users SET
             email = COALESCE($2, email), email_canonical = COALESCE($3, email_canonical),
             email_verified_at = CASE WHEN $2 IS NULL THEN email_verified_at ELSE $5 END,
             phone = COALESCE($4, phone),
             phone_verified_at = CASE WHEN $4 IS NULL THEN phone_verified_at ELSE $5 END,
             updated_at = $5, version = version + 1
         WHERE id = $1 AND status = 'active' RETURNING version",
        user_id,
        email.map(Email::address),
        email.map(Email::canonical),
        phone,
        at,
    )
    .fetch_optional(executor)
    .await
}

/// Takes a user's address of this one's kind away. Returns the version that the
/// user has then.
///
/// # Errors
/// When the store doesn't answer.
pub async fn remove_address(
    executor: impl PgExecutor<'_>,
    user_id: Uuid,
    address: &Address,
    at: DateTime<Utc>,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "UPDATE users SET
             email = CASE WHEN $2 THEN NULL ELSE email END,
             email_canonical = CASE WHEN $2 THEN NULL ELSE email_canonical END,
             email_verified_at = CASE WHEN $2 THEN NULL ELSE email_verified_at END,
             phone = CASE WHEN $2 THEN phone END,
             phone_verified_at = CASE WHEN $2 THEN phone_verified_at END,
             updated_at = $3, version = version + 1
         WHERE id = $1 AND status = 'active' RETURNING version",
        user_id,
        matches!(address, Address::Email(_)),
        at,
    )
    .fetch_optional(executor)
    .await
}

/// The ways in which a user can sign in.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    /// By an address, with a password or a code that replaces it.
    pub addresses: i64,
    /// By a user name and a password.
    pub by_name: bool,
    /// By providers.
    pub identities: i64,
}

impl Ways {
    /// Whether there is one at all.
    #[must_use]
    pub fn suffice(self) -> bool {
        self.addresses > 0 || self.by_name || self.identities > 0
    }
}

/// Looks at the ways in which a user can sign in, after a change and before it
/// is committed. The user's row was changed in the same transaction, or is
/// locked by this: two changes at once can't each leave the other's way.
///
/// # Errors
/// When the store doesn't answer.
pub async fn ways(executor: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Option<Ways>> {
    sqlx::query_as!(
        Ways,
        r#"SELECT num_nonnulls(email_verified_at, phone_verified_at)::bigint AS "addresses!",
                  (username IS NOT NULL AND EXISTS (SELECT FROM credentials WHERE user_id = u.id)) AS "by_name!",
                  (SELECT count(*) FROM identities WHERE user_id = u.id) AS "identities!"
           FROM users u WHERE id = $1 FOR NO KEY UPDATE"#,
        user_id,
    )
    .fetch_optional(executor)
    .await
}
