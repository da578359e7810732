//! Payloads of the events on JetStream, by subject.
//!
//! The subject is also the CloudEvents `type`; a change that a reader of the
//! old form can't follow gets a new `.vN`. Payloads hold ids and states, never
//! personal data.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// Something that happened to one aggregate.
pub trait Event: Serialize + DeserializeOwned + Send + Sync {
    /// The NATS subject and CloudEvents type, such as `evt.accounts.user.updated.v1`.
    const SUBJECT: &'static str;

    /// The aggregate that it happened to.
    fn aggregate_id(&self) -> Uuid;
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $subject:literal, of $id:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type),* }

            impl Event for $name {
                const SUBJECT: &'static str = $subject;

                fn aggregate_id(&self) -> Uuid { self.$id }
            }
        )*

        /// Every subject that is published, for stream set-up and contract tests.
        pub const SUBJECTS: &[&str] = &[$($subject),*];
    };
}

events! {
    /// A user was made.
    UserRegistered = "evt.accounts.user.registered.v1", of user_id {
        /// The user.
        user_id: Uuid,
    }
    /// Something a reader of the user's profile can see has changed.
    UserUpdated = "evt.accounts.user.updated.v1", of user_id {
        /// The user.
        user_id: Uuid,
    }
    /// A user went away, and may come back.
    UserDeactivated = "evt.accounts.user.deactivated.v1", of user_id {
        /// The user.
        user_id: Uuid,
    }
    /// A user asked to be deleted, or didn't come back in time: they don't come back
    /// by themselves.
    UserDeletionRequested = "evt.accounts.user.deletion_requested.v1", of user_id {
        /// The user.
        user_id: Uuid,
        /// When they asked.
        requested_at: DateTime<Utc>,
    }
    /// Everything that told who a user was is gone from the accounts store, and
    /// has to go everywhere else.
    UserErased = "evt.accounts.user.erased.v1", of user_id {
        /// The user.
        user_id: Uuid,
        /// When they asked to be deleted.
        requested_at: DateTime<Utc>,
        /// When it was done.
        erased_at: DateTime<Utc>,
    }
    /// A session ended before its time: logout, password change, theft, the cap.
    SessionRevoked = "evt.accounts.session.revoked.v1", of session_id {
        /// The session.
        session_id: Uuid,
        /// Whose it was.
        user_id: Uuid,
        /// Access tokens of the session are worth nothing from here on.
        revoked_at: DateTime<Utc>,
    }
    /// Money moved between two accounts.
    TransferPosted = "evt.accounts.transfer.posted.v1", of transfer_id {
        /// The transfer.
        transfer_id: Uuid,
        /// The owners of both accounts, those that are users.
        user_ids: Vec<Uuid>,
    }
    /// Money was set aside for a payment.
    HoldPlaced = "evt.accounts.hold.placed.v1", of hold_id {
        /// The hold, which has the payment's id.
        hold_id: Uuid,
        /// Whose money it is.
        user_id: Uuid,
    }
    /// Money that was set aside was taken.
    HoldCaptured = "evt.accounts.hold.captured.v1", of hold_id {
        /// The hold, which has the payment's id.
        hold_id: Uuid,
        /// Whose money it was.
        user_id: Uuid,
    }
    /// Money that was set aside was given back.
    HoldReleased = "evt.accounts.hold.released.v1", of hold_id {
        /// The hold, which has the payment's id.
        hold_id: Uuid,
        /// Whose money it is.
        user_id: Uuid,
    }
    /// Money that was set aside was given back, because its time was over.
    HoldExpired = "evt.accounts.hold.expired.v1", of hold_id {
        /// The hold, which has the payment's id.
        hold_id: Uuid,
        /// Whose money it is.
        user_id: Uuid,
    }
    /// An account was opened, renamed or closed.
    AccountUpdated = "evt.accounts.account.updated.v1", of account_id {
        /// The account.
        account_id: Uuid,
        /// Its owner.
        user_id: Uuid,
    }
    /// An item, its price or its tags changed.
    ItemUpdated = "evt.orders.item.updated.v1", of item_id {
        /// The item.
        item_id: Uuid,
    }
    /// An item can't be bought any more.
    ItemDeleted = "evt.orders.item.deleted.v1", of item_id {
        /// The item.
        item_id: Uuid,
    }
    /// An order was made; it waits for its payment.
    OrderCreated = "evt.orders.order.created.v1", of order_id {
        /// The order.
        order_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
    }
    /// An order's money was captured.
    OrderPaid = "evt.orders.order.paid.v1", of order_id {
        /// The order.
        order_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
    }
    /// An order was cancelled.
    OrderCancelled = "evt.orders.order.cancelled.v1", of order_id {
        /// The order.
        order_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
    }
    /// An order waited for its payment too long.
    OrderExpired = "evt.orders.order.expired.v1", of order_id {
        /// The order.
        order_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
    }
    /// An order's goods were handed over.
    OrderFulfilled = "evt.orders.order.fulfilled.v1", of order_id {
        /// The order.
        order_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
    }
}
