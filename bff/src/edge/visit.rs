//! What the edge finds out about a request on its way in.

use std::net::{IpAddr, Ipv4Addr};

use http::Extensions;

use super::{authenticate::Authentication, linger::Unread, request_id::RequestId};

/// Of a request that came by no connection.
pub(super) const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Kept beside the request, in one piece: each further one would be looked for, and
/// dropped, by itself.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The address at the other end of the connection.
    pub(super) peer: IpAddr,
    /// Of its body, if it has one.
    pub(super) unread: Option<Unread>,
    /// Its id.
    pub(super) id: Option<RequestId>,
    /// Whom it proves, once that was looked for.
    pub(super) caller: Option<Authentication>,
}

impl Visit {
    /// By a connection from there.
    pub(super) fn by(peer: IpAddr) -> Self {
        Self {
            peer,
            unread: None,
            id: None,
            caller: None,
        }
    }

    /// That of a request.
    pub(super) fn of(extensions: &mut Extensions) -> &mut Self {
        extensions.get_or_insert_default()
    }
}

impl Default for Visit {
    fn default() -> Self {
        Self::by(UNKNOWN)
    }
}
