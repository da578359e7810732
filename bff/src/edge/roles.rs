//! What each role may call: the one place where a route asks for a role.
//!
//! A handler that takes one of these is closed to everyone below it. Whoever
//! isn't signed in hears 401, whoever is and may not hears 403.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::error::{ApiError, Code};
use crate::{
    app::AppState,
    identity::{Caller, Role},
};

macro_rules! at_least {
    ($($(#[$doc:meta])* $name:ident = $role:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name(pub Caller);

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(
                parts: &mut Parts,
                state: &AppState,
            ) -> Result<Self, ApiError> {
                let caller = Caller::from_request_parts(parts, state).await?;
                if caller.role < Role::$role {
                    return Err(ApiError::new(Code::Forbidden));
                }
                Ok(Self(caller))
            }
        }
    )*};
}

at_least! {
    /// A caller who may read what customers see: support and above.
    Support = Support;
    /// A caller who may change what others may only read.
    Admin = Admin;
}
