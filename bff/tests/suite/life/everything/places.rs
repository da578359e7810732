//! What is kept, and where in the copy.

/// Where something kept is in the copy.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// There: a JSON pointer.
    At(&'static str),
    /// Nowhere, and why.
    Not(&'static str),
}
use Place::{At, Not};

/// Of each table, where its rows are in the copy: a column is there under its own
/// name, unless something else is said.
pub type Table = (&'static str, Place, &'static [(&'static str, Place)]);

const CURRENCY: Place = Not("every amount says it and has its digits");
const COUNTER: Place = Not("a number of changes, all of which are in the copy");
const SUM: Place = Not("the sum of two others");

pub const ACCOUNTS: &[Table] = &[
    ("_sqlx_migrations", Not("about no one"), &[]),
    (
        "accounts",
        At("/accounts/0"),
        &[
            ("kind", Not("always the same")),
            ("status", Not("whether it was closed, which its time tells")),
            ("user_id", At("/user/id")),
            ("currency", At("/accounts/0/balance/currency")),
            ("minor_units", CURRENCY),
            ("allow_negative", Not("always the same")),
            ("version", COUNTER),
            ("last_entry", COUNTER),
        ],
    ),
    ("audit_log", At("/audit/0"), &[]),
    (
        "credentials",
        At("/user"),
        &[
            ("user_id", At("/user/id")),
            (
                "password",
                Not("a hash of a secret, by which it could be guessed"),
            ),
            ("changed_at", At("/user/password_changed_at")),
        ],
    ),
    ("currencies", Not("about no one"), &[]),
    (
        "entries",
        At("/entries/0"),
        &[
            ("account_version", At("/entries/0/number")),
            ("previous_version", COUNTER),
            ("currency", CURRENCY),
            ("minor_units", CURRENCY),
            ("balance_before", SUM),
        ],
    ),
    (
        "holds",
        At("/holds/0"),
        &[("currency", CURRENCY), ("minor_units", CURRENCY)],
    ),
    (
        "idempotency_keys",
        At("/answers/0"),
        &[
            ("user_id", At("/user/id")),
            (
                "fingerprint",
                Not("a hash of what was asked for, which the answer tells"),
            ),
        ],
    ),
    (
        "identities",
        At("/identities/0"),
        &[("user_id", At("/user/id"))],
    ),
    ("inbox", Not("ids of events"), &[]),
    (
        "outbox",
        Not(
            "what is told to others of changes that are in the copy, and sealed messages to oneself",
        ),
        &[],
    ),
    (
        "transfers",
        At("/entries/0"),
        &[
            ("id", At("/entries/0/transfer_id")),
            ("debit_account_id", At("/entries/0/from_account_id")),
            ("credit_account_id", At("/entries/0/to_account_id")),
            ("currency", CURRENCY),
            ("minor_units", CURRENCY),
        ],
    ),
    (
        "users",
        At("/user"),
        &[
            (
                "username_canonical",
                Not("another form of it, to look it up by"),
            ),
            (
                "email_canonical",
                Not("another form of it, to look it up by"),
            ),
            ("status", Not("only the active can ask")),
            ("deleted_at", Not("only the active can ask")),
            ("erase_after", Not("only the active can ask")),
            ("erased_at", Not("only the active can ask")),
            ("return_until", Not("only the active can ask")),
            ("version", COUNTER),
        ],
    ),
];

pub const ORDERS: &[Table] = &[
    ("_sqlx_migrations", Not("about no one"), &[]),
    (
        "cart_lines",
        At("/cart/lines/0"),
        &[
            ("cart_id", At("/cart/id")),
            ("position", Not("they stand in this order")),
        ],
    ),
    (
        "carts",
        At("/cart"),
        &[("user_id", At("/user/id")), ("version", COUNTER)],
    ),
    ("currencies", Not("about no one"), &[]),
    (
        "departures",
        Not("when one asked to be deleted, which the trail tells"),
        &[],
    ),
    ("inbox", Not("ids of events"), &[]),
    ("item_prices", Not("about no one"), &[]),
    ("item_sales", Not("about no one"), &[]),
    ("item_stock", Not("about no one"), &[]),
    ("items", Not("about no one"), &[]),
    ("order_edges", Not("about no one"), &[]),
    (
        "order_lines",
        At("/orders/0/lines/0"),
        &[
            ("order_id", At("/orders/0/id")),
            ("position", Not("they stand in this order")),
            ("currency", CURRENCY),
            ("minor_units", CURRENCY),
        ],
    ),
    (
        "order_transitions",
        At("/orders/0/transitions/0"),
        &[
            ("order_id", At("/orders/0/id")),
            ("version", COUNTER),
            ("previous_version", COUNTER),
            ("from_state", Not("that of the step before")),
            ("to_state", At("/orders/0/transitions/0/state")),
        ],
    ),
    (
        "orders",
        At("/orders/0"),
        &[
            ("user_id", At("/user/id")),
            (
                "request_id",
                Not("names the call that made it, of which nothing else is kept"),
            ),
            (
                "cart_id",
                Not("of a cart that is gone, whose lines are the order's"),
            ),
            ("version", COUNTER),
            ("currency", At("/orders/0/total/currency")),
            ("minor_units", CURRENCY),
            (
                "paid_at",
                Not("when it came to be paid, which its way tells"),
            ),
        ],
    ),
    (
        "outbox",
        Not("what is told to others of changes that are in the copy"),
        &[],
    ),
];

/// Kinds of keys in Redis that name a user or one of their sessions.
pub const KEYS: &[(&str, Place)] = &[
    ("cache", Not("a copy, for seconds, of what is in the copy")),
    ("devices", At("/devices/0/last_seen_at")),
    ("limit", Not("how much was asked for in the last minutes")),
    ("session", At("/sessions/0/last_seen_at")),
    (
        "session-era",
        Not("how often all sessions were ended, which the trail tells"),
    ),
    (
        "sign-in",
        Not("failures of the last minutes, which the trail tells"),
    ),
    (
        "step-up",
        Not("that a code was sent, which the trail tells"),
    ),
    ("user-sessions", At("/sessions/0/id")),
];
