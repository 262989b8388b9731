//! Clients that speak `atlas.v1`: tagged messages, `welcome`, `ack`, `reset`, `drain`. Sessions cannot be resumed yet,
//! and `welcome` says so.

use std::time::Duration;

use atlas_base::Moment;
use atlas_wire::client::{
    ACK_AFTER_MS, ACK_MESSAGES, Ack, Drain, Error, FromClient, Reset, StreamId, ToClient,
    Unsupported, Welcome,
};
use atlas_wire::frame::{CloseCode, HEADER_BYTES_MAX, Header, Opcode};
use atlas_wire::link::MoveReason;
use atlas_wire::tag::Tag;
use atlas_world::Reason;
use rand::RngExt as _;

use super::Worker;

/// The counts of a client's stream.
#[derive(Default)]
pub(super) struct Stream {
    /// The client's data messages so far.
    received: u64,
    /// How many of them it has been told of.
    acknowledged: u64,
    /// Since when there is something to tell it.
    owed_since: Option<Moment>,
}

impl Worker {
    /// Greets a client of `atlas.v1`: the first message it gets.
    pub(super) fn stream_welcome(&mut self, key: usize) {
        let stream = StreamId(self.random.random());
        let Some(session) = self.movable.get(key) else {
            return;
        };
        let welcome = Welcome {
            session: session.about.id,
            stream,
            key: String::new(),
            window_s: 0,
            ring_bytes: 0,
            resume: false,
        };
        self.stream_send(key, &welcome.into());
    }

    /// Counts a data message of the client; every 32 of them it is told at once.
    pub(super) fn stream_received(&mut self, key: usize) {
        let now = self.now;
        let Some(stream) = self
            .movable
            .get_mut(key)
            .and_then(|session| session.stream.as_mut())
        else {
            return;
        };
        stream.received += 1;
        stream.owed_since.get_or_insert(now);
        if stream.received - stream.acknowledged >= ACK_MESSAGES {
            self.stream_acknowledge(key);
        }
    }

    /// Tells clients what was owed to them for a second.
    pub(super) fn streams_sweep(&mut self) {
        let limit = Duration::from_millis(ACK_AFTER_MS);
        let owed = |since: Option<Moment>| {
            since.is_some_and(|since| self.now.saturating_since(since) >= limit)
        };
        let keys: Vec<usize> = self
            .movable
            .iter()
            .filter(|(_, session)| {
                session
                    .stream
                    .as_ref()
                    .is_some_and(|stream| owed(stream.owed_since))
            })
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.stream_acknowledge(key);
        }
    }

    fn stream_acknowledge(&mut self, key: usize) {
        let Some(stream) = self
            .movable
            .get_mut(key)
            .and_then(|session| session.stream.as_mut())
        else {
            return;
        };
        stream.acknowledged = stream.received;
        stream.owed_since = None;
        let ack = Ack {
            received: stream.received,
        };
        self.stream_send(key, &ack.into());
    }

    /// A control message of the client. An error closes it.
    pub(super) fn stream_control(
        &mut self,
        key: usize,
        tag: Tag,
        body: &[u8],
    ) -> Result<(), (CloseCode, String)> {
        if tag != Tag::Control {
            return Err((
                CloseCode::PROTOCOL_ERROR,
                "a tag that clients do not send".to_owned(),
            ));
        }
        match FromClient::decode(body) {
            // Nothing is kept for a stream that cannot be resumed, so nothing is let go of.
            Ok(FromClient::Ack(_) | FromClient::Unsupported(_)) => Ok(()),
            Err(Error::Unknown { r#type }) => {
                self.stream_send(key, &Unsupported::new(&r#type).into());
                Ok(())
            }
            Err(error) => Err((
                error.close_code().unwrap_or(CloseCode::PROTOCOL_ERROR),
                error.to_string(),
            )),
        }
    }

    /// Names what a failover could not carry over. False if the client does not speak `atlas.v1`.
    pub(super) fn stream_reset(
        &mut self,
        key: usize,
        reason: Reason,
        lost_input: u64,
        state_age: Duration,
    ) -> bool {
        let reason = match reason {
            Reason::Region => MoveReason::Region,
            Reason::Balance => MoveReason::Balance,
            Reason::Drain => MoveReason::Drain,
            Reason::Failover => MoveReason::Failover,
            Reason::Admin => MoveReason::Admin,
            Reason::Requested => MoveReason::Requested,
        };
        let state_age_ms = u64::try_from(state_age.as_millis()).unwrap_or(u64::MAX);
        self.stream_send(
            key,
            &Reset {
                reason,
                lost_input,
                state_age_ms,
            }
            .into(),
        )
    }

    /// Asks a client to come back elsewhere. False if it does not speak `atlas.v1`.
    pub(super) fn stream_drain(&mut self, key: usize, resume_after: Duration) -> bool {
        let resume_after_ms = u64::try_from(resume_after.as_millis()).unwrap_or(u64::MAX);
        self.stream_send(key, &Drain { resume_after_ms }.into())
    }

    fn stream_send(&mut self, key: usize, message: &ToClient) -> bool {
        if self
            .movable
            .get(key)
            .is_none_or(|session| session.stream.is_none())
        {
            return false;
        }
        let mut body = Vec::new();
        message.encode(&mut body);
        let header = Header {
            fin: true,
            opcode: Opcode::Binary,
            mask: None,
            length: body.len() as u64,
            reserved: 0,
        };
        let mut head = [0; HEADER_BYTES_MAX];
        let length = header.write(&mut head);
        let frame = [&head[..length], &body].concat();
        self.movable_send_client(key, &frame);
        true
    }
}
