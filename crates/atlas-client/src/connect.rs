//! Who makes connections.

use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::address::Address;

/// Any byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// Makes the byte streams that a client speaks over: TCP, a Unix socket, TLS, a pipe inside the process.
///
/// Contract: each call makes a new stream to the address, or fails; it is dropped if it takes longer than
/// [`connect_timeout`](crate::Config::connect_timeout). A function of an address is one.
pub trait Connect: Send + Sync + 'static {
    /// Begins to connect.
    fn connect(&self, address: &Address) -> Connecting;
}

impl<F: Fn(&Address) -> Connecting + Send + Sync + 'static> Connect for F {
    fn connect(&self, address: &Address) -> Connecting {
        self(address)
    }
}

/// TCP, without Nagle's delay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

impl Connect for Tcp {
    fn connect(&self, address: &Address) -> Connecting {
        let address = address.clone();
        Box::pin(async move {
            let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
