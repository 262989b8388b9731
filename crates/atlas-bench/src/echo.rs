//! The game server that stands behind each target: a WebSocket server of one thread that sends every message back.
//!
//! It is as cheap as we can make it, so that what is measured is what stands in front of it.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use atlas_wire::frame::{HEADER_BYTES_MAX, Header, Opcode, Parsed, Side, apply_mask};
use atlas_wire::upgrade::{Head, Limits, ParsedHead, accept};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use crate::Error;

const SCRATCH_BYTES: usize = 64 * 1024;

/// One client.
struct Connection {
    stream: TcpStream,
    open: bool,
    /// What came of a head or frame that is not whole yet; mostly empty.
    received: Vec<u8>,
    /// What the client did not take yet; mostly empty.
    unsent: Vec<u8>,
}

/// Buffers that all connections share.
struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// Listens on all of `addresses` and echoes until the process ends; `ready` hears the bound addresses.
///
/// # Errors
/// If an address cannot be bound or the poll fails.
pub fn serve(addresses: &[SocketAddr], ready: impl FnOnce(&[SocketAddr])) -> Result<(), Error> {
    let mut poll = Poll::new().map_err(Error::system("make a poll"))?;
    let mut listeners = Vec::new();
    for (index, &address) in addresses.iter().enumerate() {
        let mut listener =
            TcpListener::bind(address).map_err(Error::system(format!("listen on {address}")))?;
        poll.registry()
            .register(&mut listener, Token(index), Interest::READABLE)
            .map_err(Error::system("watch a listener"))?;
        listeners.push(listener);
    }
    let bound: Vec<SocketAddr> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect();
    ready(&bound);

    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut scratch = Scratch {
        input: vec![0; SCRATCH_BYTES],
        output: Vec::with_capacity(SCRATCH_BYTES),
    };
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, None) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(Error::System {
                    action: "poll".into(),
                    source,
                });
            }
        }
        for event in &events {
            let token = event.token().0;
            if let Some(listener) = listeners.get(token) {
                accept_all(
                    listener,
                    poll.registry(),
                    &mut connections,
                    &mut free,
                    listeners.len(),
                );
                continue;
            }
            let index = token - listeners.len();
            let Some(Some(connection)) = connections.get_mut(index) else {
                continue;
            };
            if !connection.turn(&mut scratch) {
                connections[index] = None;
                free.push(index);
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
    first_token: usize,
) {
    while let Ok((mut stream, _)) = listener.accept() {
        let _ = stream.set_nodelay(true);
        let index = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if registry
            .register(&mut stream, Token(first_token + index), interest)
            .is_ok()
        {
            connections[index] = Some(Connection {
                stream,
                open: false,
                received: Vec::new(),
                unsent: Vec::new(),
            });
        } else {
            free.push(index);
        }
    }
}

impl Connection {
    /// Reads what is there and answers it; false once the connection is over.
    fn turn(&mut self, scratch: &mut Scratch) -> bool {
        if !self.flush() {
            return false;
        }
        loop {
            let read = match self.stream.read(&mut scratch.input) {
                Ok(0) => return false,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            scratch.output.clear();
            let goes_on = if self.received.is_empty() && self.open {
                let used = echo_frames(&mut scratch.input[..read], &mut scratch.output);
                used.inspect(|&used| self.received.extend_from_slice(&scratch.input[used..read]))
                    .is_some()
            } else {
                self.received.extend_from_slice(&scratch.input[..read]);
                self.answer_received(&mut scratch.output)
            };
            if !self.send(&scratch.output) || !goes_on {
                return false;
            }
            if read < scratch.input.len() {
                // A short read took all there was; the poll tells of what comes next.
                return true;
            }
        }
    }

    fn answer_received(&mut self, output: &mut Vec<u8>) -> bool {
        if !self.open {
            match Head::parse(&self.received, &Limits::default()) {
                Ok(ParsedHead::Incomplete) => return true,
                Ok(ParsedHead::Complete(head, length)) => {
                    let Ok(key) = head.websocket() else {
                        return false;
                    };
                    accept(output, &key, None, None);
                    self.open = true;
                    self.received.drain(..length);
                }
                Err(_) => return false,
            }
        }
        let used = echo_frames(&mut self.received, output);
        used.inspect(|&used| drop(self.received.drain(..used)))
            .is_some()
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let written = if self.unsent.is_empty() {
            match self.stream.write(bytes) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return false,
            }
        } else {
            0
        };
        self.unsent.extend_from_slice(&bytes[written..]);
        true
    }

    fn flush(&mut self) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        self.unsent = Vec::new();
        true
    }
}

/// Appends the answer to each whole frame; returns how many bytes were used, none if the connection is to end.
fn echo_frames(bytes: &mut [u8], output: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    while let Parsed::Complete(header, length) = Header::parse(&bytes[at..], Side::Client).ok()? {
        let payload_length = usize::try_from(header.length).ok()?;
        let Some(payload) = bytes.get_mut(at + length..at + length + payload_length) else {
            break;
        };
        let opcode = match header.opcode {
            Opcode::Ping => Opcode::Pong,
            Opcode::Pong => {
                at += length + payload_length;
                continue;
            }
            other => other,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let answer = Header {
            opcode,
            mask: None,
            ..header
        };
        let written = answer.write(&mut head);
        apply_mask(payload, header.mask.unwrap_or_default(), 0);
        output.extend_from_slice(&head[..written]);
        output.extend_from_slice(payload);
        at += length + payload_length;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let header = Header {
            fin: true,
            opcode,
            mask: Some(mask),
            length: payload.len() as u64,
            reserved: 0,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let written = header.write(&mut head);
        let mut bytes = head[..written].to_vec();
        bytes.extend_from_slice(payload);
        apply_mask(&mut bytes[written..], mask, 0);
        bytes
    }

    #[test]
    fn whole_frames_come_back_unmasked_and_a_begun_one_waits() {
        let mut bytes = client_frame(Opcode::Text, b"one");
        bytes.extend(client_frame(Opcode::Ping, b"two"));
        let whole = bytes.len();
        bytes.extend(&client_frame(Opcode::Binary, b"three")[..7]);
        let mut output = Vec::new();
        assert_eq!(echo_frames(&mut bytes, &mut output), Some(whole));
        assert_eq!(output, b"\x81\x03one\x8a\x03two");
    }

    #[test]
    fn an_unmasked_frame_ends_the_connection() {
        assert_eq!(echo_frames(&mut [0x81, 0x01, b'a'], &mut Vec::new()), None);
    }
}
