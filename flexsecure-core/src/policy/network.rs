use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::RequestView;

/// A network: a range of addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

/// The text names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no network: write an address, or a range like 10.0.0.0/8 or 2001:db8::/32")]
pub struct NotANetwork {
    text: String,
}

impl Network {
    /// The network that an address is taken to belong to: the 256 addresses around one of IPv4, the
    /// `/64` around one of IPv6, which is the least that is given to one customer.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let length = if address.is_ipv4() { 24 } else { 64 };
        Self(IpNet::new(address, length).map_or_else(|_| address.into(), |network| network.trunc()))
    }

    /// Whether `address` is in it; one of IPv4 that is written as one of IPv6 is what it maps to.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range.map(|range| Self(range.trunc())).map_err(|_| NotANetwork { text: text.to_owned() })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// The networks that `texts` name, like `10.0.0.0/8` or `2001:db8::1`.
    ///
    /// # Errors
    ///
    /// [`NotANetwork`] for the first that names none.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, NotANetwork> {
        texts.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them contains `address`.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address from which `request` was made, where these networks are those of the proxies in
    /// front of us.
    ///
    /// Each proxy adds to `X-Forwarded-For`, on the right, the address it was asked from. So from the
    /// right, the first address that is none of our proxies' is the client's, and what stands left of
    /// it is only what that client says. A peer that is no proxy of ours has no say at all.
    pub(crate) fn client(&self, request: &dyn RequestView) -> Option<IpAddr> {
        let peer = request.peer()?;
        if !self.contain(peer) {
            return Some(peer);
        }
        let mut lines = Vec::new();
        request.headers(&mut |name, value| {
            if name == "x-forwarded-for" {
                lines.push(value.to_owned());
            }
        });
        let mut client = peer;
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            // A proxy that writes anything but an address is told from no client.
            let Some(address) = address(hop.trim()) else { return Some(client) };
            client = address;
            if !self.contain(client) {
                break;
            }
        }
        Some(client)
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<std::net::SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}
