//! Where a request comes from, as far as that can be believed.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName, request::Parts};
use ipnet::IpNet;

use super::visit::{UNKNOWN, Visit};
use crate::config::ClientSettings;

/// The address of the client: that of the connection, or the last one in
/// `X-Forwarded-For` that no trusted proxy has.
///
/// The header is read from its end, since only what our own proxies appended
/// can be believed; without a trusted proxy it counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Entries of `X-Forwarded-For` that are looked at.
const MAX_HOPS: usize = 16;

impl ClientAddress {
    pub(super) fn of(parts: &Parts, settings: &ClientSettings) -> Self {
        let visit = parts.extensions.get::<Visit>();
        let peer = visit.map_or(UNKNOWN, |visit| visit.peer);
        Self::behind(peer, &parts.headers, &settings.trusted_proxies.0)
    }

    fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        let mut address = peer.to_canonical();
        if !is_trusted(&address) {
            return Self(address);
        }
        let hops = headers.get_all(FORWARDED).iter().rev().flat_map(|value| {
            value
                .to_str()
                .unwrap_or_default()
                .rsplit(',')
                .map(|hop| hop.trim().parse().ok())
        });
        for hop in hops.take(MAX_HOPS) {
            if !is_trusted(&address) {
                break;
            }
            // What can't be read ends the chain at the proxy that sent it.
            let Some::<IpAddr>(hop) = hop else { break };
            address = hop.to_canonical();
        }
        Self(address)
    }

    /// The unit that limits count by: an IPv4 address, or an IPv6 /64, which is
    /// what one customer is given.
    #[must_use]
    pub fn bucket(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
        }
        ClientAddress::behind(peer.parse().unwrap(), &headers, &trusted)
            .0
            .to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn what_the_client_itself_wrote_into_the_header_is_ignored() {
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1", "198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(client("10.0.0.1", &["1.1.1.1, nonsense"]), "10.0.0.1");
    }

    #[test]
    fn an_ipv6_customer_is_one_bucket() {
        let bucket = |text: &str| ClientAddress(text.parse().unwrap()).bucket();
        assert_eq!(bucket("2001:db8::1"), bucket("2001:db8::ffff:1"));
        assert_ne!(bucket("2001:db8::1"), bucket("2001:db8:0:1::1"));
    }
}
