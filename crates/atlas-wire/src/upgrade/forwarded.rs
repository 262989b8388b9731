//! Who a client is when other proxies stand in front.

use std::net::IpAddr;

use super::Fields;

/// The address of the client behind `peer`: `peer` itself unless it is trusted, else the last address of
/// `X-Forwarded-For` that no trusted proxy has.
///
/// The list is read from its end, since each proxy appends the one it heard; what lies before the first address that is
/// not trusted, or that cannot be read, is the client's own claim and not looked at. IPv4 addresses in IPv6 form count
/// as IPv4.
pub fn client_address(
    fields: &Fields,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let values: Vec<&[u8]> = fields.all("x-forwarded-for").collect();
    for claim in values
        .iter()
        .rev()
        .flat_map(|value| value.rsplit(|byte| *byte == b','))
    {
        let Some(address) = std::str::from_utf8(claim).ok().and_then(parse) else {
            break;
        };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, with a port, in quotes.
fn parse(claim: &str) -> Option<IpAddr> {
    let claim = claim.trim().trim_matches('"');
    if let Ok(address) = claim.parse::<IpAddr>() {
        return Some(address);
    }
    if let Some(bracketed) = claim.strip_prefix('[') {
        return bracketed.split_once(']')?.0.parse().ok();
    }
    claim.split_once(':')?.0.parse().ok()
}
