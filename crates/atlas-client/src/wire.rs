//! One connection as its one user sees it: commands out, values in.

use std::io;
use std::sync::Arc;

use atlas_resp::reply::{self, Value};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::address::Address;
use crate::command::Command;
use crate::connect::Stream;
use crate::error::Error;

/// How much is read at once.
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// A stream and what was read of it.
pub(crate) struct Wire {
    pub(crate) address: Address,
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) decoder: reply::Decoder,
    pub(crate) input: BytesMut,
    /// What is to be sent.
    output: BytesMut,
}

impl Wire {
    pub(crate) fn new(address: Address, stream: Box<dyn Stream>, limits: reply::Limits) -> Self {
        Self {
            address,
            stream,
            decoder: reply::Decoder::new(limits),
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    /// Adds a command to what is to be sent.
    pub(crate) fn queue(&mut self, command: &Command) {
        let mut out = Vec::new();
        command.encode(&mut out);
        self.output.extend_from_slice(&out);
    }

    /// Sends what is queued. May be dropped and called again.
    pub(crate) async fn send(&mut self) -> Result<(), Error> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output).await {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.output.advance(count),
                Err(error) => return Err(self.lost(error)),
            }
        }
        self.stream.flush().await.map_err(|error| self.lost(error))
    }

    /// The next value, whatever it is. May be dropped and called again.
    pub(crate) async fn receive(&mut self) -> Result<Value, Error> {
        loop {
            let (used, value) =
                self.decoder
                    .decode(&self.input)
                    .map_err(|source| Error::Malformed {
                        address: self.address.clone(),
                        source,
                    })?;
            self.input.advance(used);
            if let Some(value) = value {
                return Ok(value);
            }
            self.input.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Sends one command and returns its answer; pushes that come before it are passed over.
    pub(crate) async fn call(&mut self, command: &Command) -> Result<Value, Error> {
        self.queue(command);
        self.send().await?;
        loop {
            match self.receive().await? {
                Value::Push(_) => {}
                Value::Error(text) => return Err(Error::Refused(crate::Refusal::new(&text))),
                value => return Ok(value),
            }
        }
    }

    pub(crate) fn lost(&self, error: io::Error) -> Error {
        Error::OutcomeUnknown {
            address: self.address.clone(),
            source: Arc::new(error),
        }
    }
}
