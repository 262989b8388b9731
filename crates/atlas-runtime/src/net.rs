//! Listeners whose failure a person can act on.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::Error;

/// Connections that the system may hold for a listener before it is accepted from.
const BACKLOG: i32 = 4096;

/// Listens on `address`; `key` is the configuration's key to change (`edge.listen`). The listener does not block:
/// give it to `tokio::net::TcpListener::from_std` or to a poller of your own.
///
/// # Errors
/// [`Error::Bind`] names the address, the process that likely holds the port, and the key.
pub fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Error> {
    listen(address).map_err(|source| Error::Bind {
        address,
        key: key.to_owned(),
        owner: (source.kind() == io::ErrorKind::AddrInUse)
            .then(|| owner(address))
            .flatten(),
        source,
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restarted node gets its port back although old connections linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The process that listens on `address`'s port, like `nginx (pid 12)`; best effort: other users' processes show
/// nothing, other systems than Linux have no such files.
#[must_use]
pub fn owner(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| {
            table
                .lines()
                .find_map(|line| listening_inode(line, address))
        })?;
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == &*wanted));
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

/// The socket's inode if a line of `/proc/net/tcp` or `tcp6` is a listener that takes connections to `address`.
fn listening_inode(line: &str, address: SocketAddr) -> Option<u64> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
    let (host, port) = local.split_once(':')?;
    if state != LISTEN || u16::from_str_radix(port, 16).ok()? != address.port() {
        return None;
    }
    let host = parse_host(host)?;
    let overlaps = host.is_unspecified()
        || address.ip().is_unspecified()
        || host == address.ip().to_canonical();
    overlaps.then(|| inode.parse().ok()).flatten()
}

/// An address as the kernel prints it: 32-bit words in hexadecimal, each in the machine's byte order.
fn parse_host(text: &str) -> Option<IpAddr> {
    let words = text.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    if let Ok(four) = <[u8; 4]>::try_from(&*bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = <[u8; 16]>::try_from(&*bytes).ok()?;
    Some(IpAddr::from(Ipv6Addr::from(sixteen)).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_named_with_its_owner_and_key() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(first) = bind(any.parse().unwrap(), "edge.listen") else {
                assert!(any.starts_with('['), "a machine has IPv4 at least");
                continue;
            };
            let address = first.local_addr().unwrap();
            let error = bind(address, "edge.listen").unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("cannot listen on {address}: ")),
                "{text}"
            );
            assert!(text.ends_with("give `edge.listen` another port"), "{text}");
            if cfg!(target_os = "linux") {
                assert!(
                    text.contains(&format!("(pid {})", std::process::id())),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn other_refusals_say_what_to_change() {
        let error = bind("192.0.2.1:0".parse().unwrap(), "admin.listen")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "cannot listen on 192.0.2.1:0: no interface of this machine has that address; change `admin.listen`"
        );
    }

    #[test]
    fn kernel_tables_are_read() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        let line = |local: &str, state: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4242 1"
            )
        };
        let loopback = format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 1]));
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let cases = [
            (head.to_owned(), "127.0.0.1:8080", None),
            (
                line(&format!("{loopback}:1F90"), "0A"),
                "127.0.0.1:8080",
                Some(4242),
            ),
            (
                line(&format!("{loopback}:1F90"), "01"),
                "127.0.0.1:8080",
                None,
            ),
            (
                line(&format!("{loopback}:1F90"), "0A"),
                "127.0.0.1:8081",
                None,
            ),
            (
                line(&format!("{loopback}:1F90"), "0A"),
                "127.0.0.2:8080",
                None,
            ),
            (
                line(&format!("{loopback}:1F90"), "0A"),
                "0.0.0.0:8080",
                Some(4242),
            ),
            (line("00000000:1F90", "0A"), "127.0.0.1:8080", Some(4242)),
            (
                line("00000000000000000000000000000000:1F90", "0A"),
                "127.0.0.1:8080",
                Some(4242),
            ),
            (
                line(
                    &format!(
                        "0000000000000000{:08X}{loopback}:1F90",
                        u32::from_ne_bytes([0, 0, 255, 255])
                    ),
                    "0A",
                ),
                "127.0.0.1:8080",
                Some(4242),
            ),
        ];
        for (line, address, expected) in cases {
            assert_eq!(
                listening_inode(&line, at(address)),
                expected,
                "{line} {address}"
            );
        }
    }
}
