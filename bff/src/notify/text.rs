//! What messages say. English, plain text.

use chrono::{DateTime, Utc};

use super::message::Content;
use crate::identity::code::Purpose;

/// Subject and body of a mail.
pub(super) fn mail(content: &Content, now: DateTime<Utc>) -> (String, String) {
    match content {
        Content::Code {
            purpose,
            code,
            expires_at,
        } => (
            // Mail servers log subjects: no code here.
            "Your code for Portico".into(),
            format!(
                "Your code {purpose} is\n\n    {code}\n\nIt is good for {minutes} and works once. \
                 If you didn't ask for it, somebody else typed your address: \
                 nothing happens without the code, and you can ignore this message.\n",
                purpose = what_for(*purpose),
                minutes = minutes(*expires_at - now),
            ),
        ),
    }
}

/// The text of an SMS.
pub(super) fn sms(content: &Content, now: DateTime<Utc>) -> String {
    match content {
        Content::Code {
            code, expires_at, ..
        } => format!(
            "{code} is your Portico code, good for {}. Tell it to nobody.",
            minutes(*expires_at - now)
        ),
    }
}

const fn what_for(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Registration => "to sign up",
        Purpose::ResetPassword => "to choose another password",
        Purpose::AddIdentifier => "to add this address to your account",
        Purpose::StepUp => "to confirm that it is you",
    }
}

/// Rounded up: a code that was asked for a second ago is "good for 5 minutes".
fn minutes(left: chrono::TimeDelta) -> String {
    match (left.num_seconds() + 59) / 60 {
        ..=1 => "1 minute".into(),
        minutes => format!("{minutes} minutes"),
    }
}
