//! A connection of one's own.

use std::io;
use std::time::Duration;

use atlas_resp::reply::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::address::Address;
use crate::client::executed;
use crate::command::Command;
use crate::error::{Error, Refusal};
use crate::wire::Wire;

/// A connection that nobody else uses: for commands that block, for `WATCH`, for whatever changes the connection's state.
///
/// Nothing is sent again here: what was watched or chosen would be gone. After an error other than
/// [`Error::Refused`] and [`Error::Aborted`] it is of no more use. A call that is dropped before its answer came closes
/// the connection as well: the answer would be taken for the next one's.
pub struct Dedicated {
    wire: Wire,
    /// False while an answer is owed.
    settled: bool,
    permit: OwnedSemaphorePermit,
}

impl Dedicated {
    pub(crate) fn new(wire: Wire, permit: OwnedSemaphorePermit) -> Self {
        Self {
            wire,
            settled: true,
            permit,
        }
    }

    /// The server at the other end.
    pub fn address(&self) -> &Address {
        &self.wire.address
    }

    /// Sends a command and waits for its answer, for ever or for so long. A command that blocks has a timeout of its own;
    /// allow more than that here.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::OutcomeUnknown`] if the connection broke or the time is over.
    pub async fn call(
        &mut self,
        command: &Command,
        patience: Option<Duration>,
    ) -> Result<Value, Error> {
        match self
            .exchange(std::slice::from_ref(command), patience)
            .await?
            .pop()
        {
            Some(Value::Error(text)) => Err(Error::Refused(Refusal::new(&text))),
            value => Ok(value.unwrap_or(Value::Null)),
        }
    }

    /// Does commands as one, between `MULTI` and `EXEC`, if no key that was watched on this connection has changed.
    ///
    /// # Errors
    /// [`Error::Aborted`] if one has; otherwise as [`call`](Self::call).
    pub async fn transaction(
        &mut self,
        commands: &[Command],
        patience: Option<Duration>,
    ) -> Result<Vec<Result<Value, Refusal>>, Error> {
        let mut all = vec![Command::new("MULTI")];
        all.extend_from_slice(commands);
        all.push(Command::new("EXEC"));
        executed(self.exchange(&all, patience).await?)
    }

    async fn exchange(
        &mut self,
        commands: &[Command],
        patience: Option<Duration>,
    ) -> Result<Vec<Value>, Error> {
        if !self.settled {
            return Err(self.wire.lost(io::ErrorKind::NotConnected.into()));
        }
        self.settled = false;
        let wire = &mut self.wire;
        let exchanged = async {
            for command in commands {
                wire.queue(command);
            }
            wire.send().await?;
            let mut values = Vec::with_capacity(commands.len());
            while values.len() < commands.len() {
                match wire.receive().await? {
                    Value::Push(_) => {}
                    value => values.push(value),
                }
            }
            Ok(values)
        };
        let result = match patience {
            None => exchanged.await,
            Some(patience) => match timeout(patience, exchanged).await {
                Ok(result) => result,
                Err(_) => Err(self.wire.lost(io::ErrorKind::TimedOut.into())),
            },
        };
        self.settled = result.is_ok();
        result
    }

    pub(crate) fn into_parts(self) -> (Wire, OwnedSemaphorePermit) {
        (self.wire, self.permit)
    }
}
