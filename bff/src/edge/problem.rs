//! The codes of `application/problem+json` answers (RFC 9457), each with its
//! status, title and the page at `/problems/{code}`.

use http::StatusCode;

use crate::schema::{one_of, schemas};

// Each variant's documentation is also the text of its page, so it speaks to
// the person who writes the client.
macro_rules! codes {
    ($($name:ident = $text:literal, $status:ident, $title:literal, $page:literal;)*) => {
        /// What went wrong, as a client's program reads it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $page] $name),* }

        impl Code {
            /// Every code that the program sends.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The status it is sent with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// A short sentence that is the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// Where its page is.
            #[must_use]
            pub const fn page_path(self) -> &'static str {
                match self { $(Self::$name => concat!("/problems/", $text)),* }
            }

            /// What it means and what to do: the text of `/problems/{code}`.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self { $(Self::$name => $page),* }
            }
        }
    };
}

schemas! {
    Code, "ProblemCode": "What went wrong, for programs.", one_of(Self::ALL.iter().map(|code| code.as_str()));
}

codes! {
    InvalidRequest = "invalid_request", BAD_REQUEST, "The request is not well-formed",
        "The request can't be understood: its JSON is broken, or a field is missing, unknown or malformed. `errors` lists every field at fault. Sending the same again won't help.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Sign in first",
        "The request proves no session: nothing was sent, or what was sent is malformed, expired or revoked. Refresh the access token, or sign in again.";
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "These credentials are not right",
        "Identifier and password don't belong together. The answer is the same whatever of it is wrong.";
    Forbidden = "forbidden", FORBIDDEN, "Not allowed",
        "The caller is known and may not do this.";
    Csrf = "csrf", FORBIDDEN, "The request could come from another site",
        "A request that changes something with the session cookie needs the header `X-CSRF: 1`, an `Origin` that is allowed, and must not come from another site.";
    StepUpRequired = "step_up_required", FORBIDDEN, "Prove again who you are",
        "What the request wants is done only within ten minutes of a sign-in or a step-up. `POST /v1/auth/step-up` with the password or a code, then send the request again.";
    NotFound = "not_found", NOT_FOUND, "There is no such thing",
        "Nothing is here, or nothing that the caller may see.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Not with this method",
        "The path exists and doesn't answer to this method; the `Allow` header lists those it does.";
    Conflict = "conflict", CONFLICT, "Already taken",
        "What the request wants to make exists already. `errors[].pointer` names what is taken.";
    RequestInFlight = "request_in_flight", CONFLICT, "The first request with this key is still running",
        "Another request with the same `Idempotency-Key` has not ended yet. Wait a moment and send the same again: the answer will be that of the first.";
    EtagMismatch = "etag_mismatch", PRECONDITION_FAILED, "It has changed meanwhile",
        "The `If-Match` header names an older version. Read it again and decide anew.";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive",
        "The body didn't arrive within the time limit. Nothing was done; send it again.";
    TooLarge = "content_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "Bodies may have 256 KiB at most.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Not in this format",
        "Send `Content-Type: application/json`, in UTF-8.";
    InvalidCode = "invalid_code", UNPROCESSABLE_ENTITY, "This code is not right",
        "The one-time code is wrong, used, expired, or was never sent; the answer is the same for all of these. Ask for a new one.";
    UserDeleted = "user_deleted", UNPROCESSABLE_ENTITY, "The user was deleted",
        "A user who asked to be deleted stays so: role and status can't be changed any more.";
    ObligationsRemain = "obligations_remain", UNPROCESSABLE_ENTITY, "Something is still open",
        "A user can't be deleted while money is in an account or set aside, or while an order waits for its payment. `errors[].code` names what is in the way: `balance`, `hold` or `open_order`.";
    LastSignInMethod = "last_sign_in_method", UNPROCESSABLE_ENTITY, "The last way to sign in stays",
        "Without this the user could never sign in again. Add another address, a password or a provider first.";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "This key belongs to another request",
        "The `Idempotency-Key` was used for a request with another content. A key stands for one request; choose a new one.";
    InsufficientFunds = "insufficient_funds", UNPROCESSABLE_ENTITY, "There isn't enough money",
        "Less is available in the account than was to be taken. What is set aside for payments under way is not available.";
    CurrencyMismatch = "currency_mismatch", UNPROCESSABLE_ENTITY, "The currencies differ",
        "The amount and both accounts have to be in one currency; nothing is ever converted.";
    SameAccount = "same_account", UNPROCESSABLE_ENTITY, "From an account to itself",
        "The money would come from the account that it goes to.";
    AccountClosed = "account_closed", UNPROCESSABLE_ENTITY, "The account is closed",
        "A closed account keeps its history, and nothing is added to it.";
    AccountNotEmpty = "account_not_empty", UNPROCESSABLE_ENTITY, "There is money in the account",
        "Only an account without money can be closed, and without money set aside. Move it first.";
    BalanceTooLarge = "balance_too_large", UNPROCESSABLE_ENTITY, "More than an account can hold",
        "A balance stays below 10^15 in every currency.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests",
        "A limit was reached. `Retry-After` says how many seconds to wait, `RateLimit` which limit it was.";
    ClientClosedRequest = "client_closed_request", BAD_REQUEST, "The request was not sent completely",
        "The connection broke off before the whole body had arrived.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something broke here",
        "A fault of this service. It has been logged under the `request_id`.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Something this needs is down",
        "A service that this request needs doesn't answer. Try again after `Retry-After` seconds.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too busy just now",
        "There is more work than can be done. Nothing was begun; try again after `Retry-After` seconds.";
    DeadlineExceeded = "deadline_exceeded", GATEWAY_TIMEOUT, "It took too long",
        "The answer wasn't ready within the time limit.";
}

impl Code {
    /// The code of a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}
