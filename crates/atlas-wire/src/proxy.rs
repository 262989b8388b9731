//! The PROXY protocol, version 2: how a proxy in front says who its client is.
//!
//! Source: the protocol's specification ("The PROXY protocol, versions 1 & 2", section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const HEAD_BYTES: usize = 16;
/// The longest header that is read: addresses, and room for the extensions that proxies add.
const HEADER_BYTES_MAX: usize = 1024;

/// What [`parse`] made of the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxied {
    /// No fault so far, but the header goes on.
    Incomplete,
    /// A whole header of so many bytes. The address is the client's; none if the proxy speaks for itself (a health
    /// check) or the family is none that has addresses here.
    Complete(Option<SocketAddr>, usize),
}

/// Why a header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProxyHeader {
    /// The connection does not begin with a header.
    #[error("no proxy protocol header of version 2")]
    Missing,
    /// Another version or an unknown command.
    #[error("unknown version or command in a proxy protocol header")]
    Version,
    /// The header is longer than this side reads, or too short for its own family.
    #[error("wrong length in a proxy protocol header")]
    Length,
}

/// Reads a header from the start of `bytes`, all that came so far.
pub fn parse(bytes: &[u8]) -> Result<Proxied, BadProxyHeader> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(BadProxyHeader::Missing);
    }
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
        return Ok(Proxied::Incomplete);
    };
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length + HEAD_BYTES > HEADER_BYTES_MAX {
        return Err(BadProxyHeader::Length);
    }
    let local = match head[12] {
        0x20 => true,
        0x21 => false,
        _ => return Err(BadProxyHeader::Version),
    };
    let Some(body) = bytes.get(HEAD_BYTES..HEAD_BYTES + length) else {
        return Ok(Proxied::Incomplete);
    };
    let address = match head[13] {
        _ if local => None,
        0x11 => Some(ipv4(body).ok_or(BadProxyHeader::Length)?),
        0x21 => Some(ipv6(body).ok_or(BadProxyHeader::Length)?),
        _ => None,
    };
    Ok(Proxied::Complete(address, HEAD_BYTES + length))
}

fn ipv4(body: &[u8]) -> Option<SocketAddr> {
    let source = body.first_chunk::<4>()?;
    let port = body.get(8..12)?;
    Some(SocketAddr::from((
        Ipv4Addr::from(*source),
        u16::from_be_bytes([port[0], port[1]]),
    )))
}

fn ipv6(body: &[u8]) -> Option<SocketAddr> {
    let source = body.first_chunk::<16>()?;
    let port = body.get(32..36)?;
    Some(SocketAddr::from((
        Ipv6Addr::from(*source),
        u16::from_be_bytes([port[0], port[1]]),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn addresses_are_read_and_every_prefix_waits() {
        let v4 = header(
            0x21,
            0x11,
            &[203, 0, 113, 7, 10, 0, 0, 1, 0x1f, 0x90, 0x23, 0x28],
        );
        let mut v6_body = Ipv6Addr::LOCALHOST.octets().to_vec();
        v6_body.extend(Ipv6Addr::UNSPECIFIED.octets());
        v6_body.extend([0x1f, 0x90, 0x23, 0x28, 4, 0, 1, 9]);
        let v6 = header(0x21, 0x21, &v6_body);
        for (bytes, address) in [(v4, "203.0.113.7:8080"), (v6, "[::1]:8080")] {
            let whole = Proxied::Complete(Some(address.parse().unwrap()), bytes.len());
            assert_eq!(parse(&bytes), Ok(whole));
            assert_eq!(
                parse(&[bytes.clone(), b"GET /".to_vec()].concat()),
                Ok(whole)
            );
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Ok(Proxied::Incomplete), "{cut}");
            }
        }
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        let local = header(0x20, 0x00, &[]);
        assert_eq!(parse(&local), Ok(Proxied::Complete(None, 16)));
        let unix = header(0x21, 0x31, &[0; 216]);
        assert_eq!(parse(&unix), Ok(Proxied::Complete(None, 232)));
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        assert_eq!(parse(b"GET / HTTP/1.1"), Err(BadProxyHeader::Missing));
        assert_eq!(parse(b"PROXY TCP4"), Err(BadProxyHeader::Missing));
        assert_eq!(
            parse(&header(0x11, 0x11, &[0; 12])),
            Err(BadProxyHeader::Version)
        );
        assert_eq!(
            parse(&header(0x21, 0x11, &[0; 11])),
            Err(BadProxyHeader::Length)
        );
        assert_eq!(
            parse(&header(0x21, 0x11, &[0; 60_000])),
            Err(BadProxyHeader::Length)
        );
    }
}
