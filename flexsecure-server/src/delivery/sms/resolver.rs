use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

/// Looks up where a gateway is, and leaves out what is link-local: there a cloud gives its machines their credentials,
/// and nobody has a gateway. Private networks are not left out, for there operators do have them.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) leaves_out: fn(IpAddr) -> bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let leaves_out = self.leaves_out;
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await.map_err(Unresolved::Unknown)?;
            Ok(Box::new(usable(found, leaves_out)?.into_iter()) as Addrs)
        })
    }
}

fn usable(
    found: impl Iterator<Item = SocketAddr>,
    leaves_out: fn(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, Unresolved> {
    let usable: Vec<_> = found.filter(|address| !leaves_out(address.ip())).collect();
    if usable.is_empty() { Err(Unresolved::LinkLocal) } else { Ok(usable) }
}

/// RFC 3927, section 2.1, and RFC 4291, section 2.5.6; an IPv4 one also in the form of IPv6.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Why there is nowhere to go. It is shown without its sources.
#[derive(Debug, thiserror::Error)]
enum Unresolved {
    #[error("its host has no address: {0}")]
    Unknown(io::Error),
    #[error("its host has a link-local address, where no gateway can be")]
    LinkLocal,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T50
    #[test]
    fn where_a_cloud_keeps_its_credentials_no_message_goes() {
        let resolved = |addresses: &[&str]| {
            let found =
                addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0));
            let usable = usable(found, is_link_local).map_err(|error| error.to_string())?;
            Ok::<_, String>(usable.iter().map(|it| it.ip().to_string()).collect::<Vec<_>>())
        };
        for address in
            ["169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.1.1"]
        {
            let refused = resolved(&[address]).unwrap_err();
            assert!(refused.contains("link-local"), "{address}: {refused}");
            assert_eq!(resolved(&[address, "192.0.2.1"]).unwrap(), ["192.0.2.1"]);
        }
        for address in
            ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.253.1.1", "fd00::1"]
        {
            assert_eq!(resolved(&[address]).unwrap(), [address]);
        }
    }
}
