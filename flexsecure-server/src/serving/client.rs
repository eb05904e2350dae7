use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Whose connection a request came on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Who calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Client {
    /// The peer's address, or what a trusted proxy says.
    pub(crate) address: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(crate) is_proxied: bool,
}

impl Client {
    /// What limits count by: an IPv6 user has a whole /64.
    pub(crate) fn limited_as(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = u128::from(address) >> HOST_BITS << HOST_BITS;
                IpAddr::V6(Ipv6Addr::from(network))
            }
        }
    }
}

/// Those whose word counts about who calls. Nobody else's header is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The right-most address of `X-Forwarded-For` that is not a trusted proxy's: everything left of it was written by
    /// somebody who could write anything. Where a hop is no address, the proxy that added it counts.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let mut address = peer.to_canonical();
        if !self.trusts(address) {
            return Client { address, is_proxied: false };
        }
        let hops = headers.get_all("x-forwarded-for").iter().rev();
        let hops = hops.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            let Some(hop) = std::str::from_utf8(hop).ok().and_then(parse) else { break };
            address = hop;
            if !self.trusts(address) {
                break;
            }
        }
        Client { address, is_proxied: true }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, alone or with a port, as some proxies write it.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip()).ok();
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

const HOST_BITS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> Client {
        let proxies =
            TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()).collect());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &map)
    }

    fn address(trusted: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> String {
        client(trusted, peer, headers).address.to_string()
    }

    const FORWARDED: &str = "x-forwarded-for";

    #[test]
    fn nobody_is_believed_unless_configured() {
        let headers = [
            (FORWARDED, "9.9.9.9"),
            ("forwarded", "for=9.9.9.9"),
            ("x-real-ip", "9.9.9.9"),
            ("cf-connecting-ip", "9.9.9.9"),
            ("true-client-ip", "9.9.9.9"),
        ];
        assert_eq!(address(&[], "203.0.113.7", &headers), "203.0.113.7");
        assert_eq!(address(&["10.0.0.0/8"], "203.0.113.7", &headers), "203.0.113.7");
        assert_eq!(address(&["10.0.0.0/8"], "10.0.0.1", &headers[1..]), "10.0.0.1");
    }

    #[test]
    fn the_right_most_hop_that_is_no_proxy_counts() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        let of = |hops: &[&str]| {
            let headers: Vec<_> = hops.iter().map(|hop| (FORWARDED, *hop)).collect();
            address(&trusted, "10.0.0.1", &headers)
        };
        assert_eq!(of(&["1.1.1.1, 2.2.2.2"]), "2.2.2.2");
        assert_eq!(of(&["1.1.1.1, 2.2.2.2, 10.0.0.9"]), "2.2.2.2");
        assert_eq!(of(&["1.1.1.1", "2.2.2.2, 10.0.0.9"]), "2.2.2.2");
        assert_eq!(of(&["10.0.0.8, 10.0.0.9"]), "10.0.0.8");
        assert_eq!(of(&["1.1.1.1, unknown, 10.0.0.9"]), "10.0.0.9");
        assert_eq!(of(&["1.1.1.1, "]), "10.0.0.1");
        assert_eq!(of(&["2.2.2.2:4711"]), "2.2.2.2");
        assert_eq!(of(&["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(of(&["2001:db8::1, fd00::1"]), "2001:db8::1");
        assert_eq!(of(&["::ffff:2.2.2.2"]), "2.2.2.2");
        assert_eq!(of(&[]), "10.0.0.1");
    }

    #[test]
    fn a_mapped_peer_is_the_same_as_a_plain_one() {
        let headers = [(FORWARDED, "2.2.2.2")];
        assert_eq!(address(&["10.0.0.0/8"], "::ffff:10.0.0.1", &headers), "2.2.2.2");
    }

    #[test]
    fn a_whole_network_of_version_6_is_limited_as_one() {
        let limited = |peer| client(&[], peer, &[]).limited_as();
        assert_eq!(limited("2001:db8::1:2:3:4"), limited("2001:db8::ffff:0:0:1"));
        assert_ne!(limited("2001:db8:0:1::1"), limited("2001:db8:0:2::1"));
        assert_ne!(limited("10.0.0.1"), limited("10.0.0.2"));
        assert_eq!(limited("::ffff:10.0.0.1"), limited("10.0.0.1"));
    }
}
