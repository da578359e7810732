//! The rows of the accounts database.

use argon2::{Argon2, PasswordHasher as _};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use platform::currency::Currency;
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Parameters, Progress, SeedError, World,
    copy::copy,
    filling::Filling,
    house,
    ledger::{Account, Ledger, Owner},
    market,
    users::{DEMO_PASSWORD, User},
};

#[derive(Serialize)]
struct UserRow<'a> {
    id: Uuid,
    username: &'a str,
    username_canonical: &'a str,
    full_name: &'a str,
    birth_date: NaiveDate,
    email: &'a str,
    email_canonical: &'a str,
    email_verified_at: DateTime<Utc>,
    phone: Option<&'a str>,
    phone_verified_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_login_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct CredentialRow {
    user_id: Uuid,
    password: String,
    changed_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct AccountRow {
    id: Uuid,
    kind: &'static str,
    user_id: Uuid,
    name: &'static str,
    currency: Currency,
    minor_units: u32,
    balance: Decimal,
    held: Decimal,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct TransferRow {
    id: Uuid,
    debit_account_id: Uuid,
    credit_account_id: Uuid,
    currency: Currency,
    minor_units: u32,
    amount: Decimal,
    note: &'static str,
    created_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct EntryRow {
    transfer_id: Uuid,
    account_id: Uuid,
    account_version: i64,
    currency: Currency,
    minor_units: u32,
    amount: Decimal,
    balance_after: Decimal,
}

#[derive(Serialize)]
struct HoldRow {
    id: Uuid,
    state: &'static str,
    account_id: Uuid,
    currency: Currency,
    minor_units: u32,
    amount: Decimal,
    expires_at: DateTime<Utc>,
    transfer_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Writes everything there is about people and their money.
pub(crate) async fn fill(
    mut filling: Filling,
    parameters: &Parameters,
    world: &World,
    progress: &Progress,
) -> Result<(), SeedError> {
    let connection = &mut filling.connection;
    let users = &world.users;
    copy(
        connection,
        progress,
        "users",
        users.len(),
        users.iter().map(user_row),
    )
    .await?;
    let credentials = credentials(users)?;
    copy(
        connection,
        progress,
        "credentials",
        credentials.len(),
        credentials.iter(),
    )
    .await?;

    let house = house::read(connection).await?;
    let house_count = house.len();
    let ledger = Ledger::new(parameters, house, users, &world.orders);
    let count = ledger.accounts.len() - house_count;
    let rows = ledger.accounts[house_count..]
        .iter()
        .filter_map(|account| account_row(account, users));
    copy(connection, progress, "accounts", count, rows).await?;
    let count = ledger.transfers.len();
    copy(
        connection,
        progress,
        "transfers",
        count,
        transfer_rows(&ledger),
    )
    .await?;
    let count = ledger.entries.len();
    copy(connection, progress, "entries", count, entry_rows(&ledger)).await?;
    copy(
        connection,
        progress,
        "holds",
        ledger.holds.len(),
        hold_rows(&ledger),
    )
    .await?;
    house::write(connection, &ledger.accounts[..house_count]).await?;
    filling.finish(parameters, progress, "accounts").await
}

fn user_row(user: &User) -> UserRow<'_> {
    UserRow {
        id: user.id,
        username: &user.username,
        username_canonical: &user.username,
        full_name: &user.full_name,
        birth_date: user.birth_date,
        email: &user.email,
        email_canonical: &user.email,
        email_verified_at: user.created_at,
        phone: user.phone,
        phone_verified_at: user.phone.map(|_| user.created_at),
        created_at: user.created_at,
        updated_at: user.created_at,
        last_login_at: user.last_login_at,
    }
}

/// Only the demo user can sign in.
fn credentials(users: &[User]) -> Result<Vec<CredentialRow>, SeedError> {
    users
        .iter()
        .filter(|user| user.is_demo)
        .map(|user| {
            // The library's own choice of parameters, which is OWASP's.
            let hash = Argon2::default().hash_password(DEMO_PASSWORD.as_bytes())?;
            Ok(CredentialRow {
                user_id: user.id,
                password: hash.to_string(),
                changed_at: user.created_at,
            })
        })
        .collect()
}

fn account_row(account: &Account, users: &[User]) -> Option<AccountRow> {
    let Owner::User(user) = account.owner else {
        return None;
    };
    let is_first = users[user].currencies.first() == Some(&account.currency);
    Some(AccountRow {
        id: account.id,
        kind: "user",
        user_id: users[user].id,
        name: if is_first { "Everyday" } else { "Travel" },
        currency: account.currency,
        minor_units: account.currency.minor_units(),
        balance: decimal(account.balance, account.currency),
        held: decimal(account.held, account.currency),
        version: account.version,
        created_at: account.created_at,
        updated_at: account.updated_at,
    })
}

fn transfer_rows(ledger: &Ledger) -> impl Iterator<Item = TransferRow> {
    ledger.transfers.iter().map(|transfer| {
        let debit = &ledger.accounts[transfer.debit];
        TransferRow {
            id: transfer.id,
            debit_account_id: debit.id,
            credit_account_id: ledger.accounts[transfer.credit].id,
            currency: debit.currency,
            minor_units: debit.currency.minor_units(),
            amount: decimal(transfer.amount, debit.currency),
            note: transfer.note,
            created_at: transfer.at,
        }
    })
}

fn entry_rows(ledger: &Ledger) -> impl Iterator<Item = EntryRow> {
    ledger.entries.iter().map(|entry| {
        let account = &ledger.accounts[entry.account];
        EntryRow {
            transfer_id: ledger.transfers[entry.transfer].id,
            account_id: account.id,
            account_version: entry.version,
            currency: account.currency,
            minor_units: account.currency.minor_units(),
            amount: decimal(entry.amount, account.currency),
            balance_after: decimal(entry.balance_after, account.currency),
        }
    })
}

fn hold_rows(ledger: &Ledger) -> impl Iterator<Item = HoldRow> {
    ledger.holds.iter().map(|hold| {
        let account = &ledger.accounts[hold.account];
        HoldRow {
            id: hold.id,
            state: if hold.captured_at.is_some() {
                "captured"
            } else {
                "held"
            },
            account_id: account.id,
            currency: account.currency,
            minor_units: account.currency.minor_units(),
            amount: decimal(hold.amount, account.currency),
            // Later than the order would.
            expires_at: hold.created_at + TimeDelta::hours(1),
            transfer_id: hold.captured_at.map(|_| hold.id),
            created_at: hold.created_at,
            updated_at: hold.captured_at.unwrap_or(hold.created_at),
        }
    })
}

/// Minor units as the stores keep them.
pub(crate) fn decimal(minor: i64, currency: Currency) -> Decimal {
    market::of(minor, currency).amount()
}
