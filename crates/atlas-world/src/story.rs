//! What both kinds of sessions' tests share: a world of three servers, and commands as short lines.

use atlas_base::{Position, TransferId};

use crate::{Command, Order, ServerId, Surroundings};

/// West (0) owns x < 0, east (1) the rest, north (2) nothing.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) transfers: u128,
    pub(crate) closed_to: Vec<ServerId>,
    /// As many transfers as may be are under way.
    pub(crate) busy: bool,
    pub(crate) places: Vec<i32>,
}

impl Surroundings for World {
    fn new_transfer(&mut self) -> TransferId {
        self.transfers += 1;
        TransferId::from_u128(self.transfers)
    }

    fn owner(&self, at: Position) -> Option<ServerId> {
        (at.x.abs() < 1e6).then_some(ServerId(u32::from(at.x >= 0.0)))
    }

    fn outside_by(&self, server: ServerId, at: Position) -> Option<f64> {
        match server {
            ServerId(0) => Some(at.x),
            ServerId(1) => Some(-at.x),
            _ => None,
        }
    }

    fn may_enter(&self, server: ServerId) -> bool {
        !self.closed_to.contains(&server)
    }

    fn may_begin(&self) -> bool {
        !self.busy
    }

    fn choose(&mut self, exclude: &[ServerId], _: Option<Position>) -> Option<ServerId> {
        (0..3)
            .map(ServerId)
            .find(|server| !exclude.contains(server) && self.may_enter(*server))
    }

    fn reserve(&mut self, server: ServerId) -> bool {
        self.places[server.0 as usize] += 1;
        true
    }

    fn release(&mut self, server: ServerId) {
        self.places[server.0 as usize] -= 1;
    }
}

/// The command as a short line; none for what is read otherwise, or not at all.
pub(crate) fn line(command: &Command) -> Option<String> {
    Some(match command {
        Command::Dial { link, server } => format!("dial {} server {}", link.0, server.0),
        Command::Send { link, epoch, order } => format!("{} {} @{epoch}", told(order), link.0),
        Command::Deliver { link, message } => {
            format!("deliver {} {}", link.0, String::from_utf8_lossy(message))
        }
        Command::CloseLink { link } => format!("close {}", link.0),
        Command::Promote { link, .. } => format!("promote {}", link.0),
        Command::CompareAndSet { .. } | Command::Read { .. } | Command::SetTimer { .. } => {
            return None;
        }
        Command::PauseClient => "pause".into(),
        Command::ResumeClient => "resume".into(),
        Command::CloseClient { code, .. } => format!("close client {code}"),
        Command::NotifyReset { lost_input, .. } => format!("reset {lost_input}"),
        Command::Began { reason, to, .. } => format!("began {reason} {}", to.0),
        Command::Ended { outcome, .. } => format!("ended {outcome}"),
        Command::Refused { why, .. } => format!("refused: {why}"),
        Command::HoldInput => "hold".into(),
        Command::Ping { link, .. } => format!("ping {}", link.0),
        Command::EndLink { link, code } => format!("end {} {code}", link.0),
        Command::Replay { link } => format!("replay {}", link.0),
    })
}

fn told(order: &Order) -> String {
    match order {
        Order::Attach { reason, state, .. } => match state {
            Some(_) => format!("attach({}, state)", reason.as_str()),
            None => format!("attach({})", reason.as_str()),
        },
        Order::Detach { reason, .. } => format!("detach({})", reason.as_str()),
        Order::Preload { .. } => "preload".into(),
        Order::Freeze { .. } => "freeze".into(),
        Order::Adopt { .. } => "adopt".into(),
        Order::Commit { client_present, .. } => format!("commit({client_present})"),
        Order::Abort { .. } => "abort".into(),
        Order::Leaving { .. } => "leaving".into(),
        Order::TransferResult { outcome, .. } => format!("result({})", outcome.as_str()),
        Order::Ping => "ping".into(),
    }
}
