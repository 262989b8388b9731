//! The order of frames within one direction of a connection.

use super::{Header, Opcode, Violation};

/// Where one direction of a connection stands: between messages, inside one, or past its close. One byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Sequence {
    /// Between two messages.
    #[default]
    Between,
    /// Inside a fragmented text message.
    InText,
    /// Inside a fragmented binary message.
    InBinary,
    /// A close frame has passed; nothing after it counts.
    Closed,
}

/// What a frame is in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A control frame; the message around it, if any, goes on.
    Control,
    /// A message in one frame.
    Whole,
    /// The first of several frames of a message.
    First,
    /// A frame amid a message.
    Middle,
    /// The last frame of a message.
    Last,
    /// A frame after the close frame: to be thrown away.
    AfterClose,
}

impl Step {
    /// Whether a message begins with this frame.
    pub const fn begins(self) -> bool {
        matches!(self, Self::Whole | Self::First)
    }

    /// Whether a message ends with this frame.
    pub const fn ends(self) -> bool {
        matches!(self, Self::Whole | Self::Last)
    }
}

impl Sequence {
    /// Takes the next frame and says what it is, or which rule it breaks; after a fault the state is as before.
    #[inline]
    pub fn check(&mut self, header: &Header) -> Result<Step, Violation> {
        if matches!(self, Self::Closed) {
            return Ok(Step::AfterClose);
        }
        let between = matches!(self, Self::Between);
        match header.opcode {
            Opcode::Ping | Opcode::Pong => Ok(Step::Control),
            Opcode::Close => {
                *self = Self::Closed;
                Ok(Step::Control)
            }
            Opcode::Continuation if between => Err(Violation::ContinuationWithoutStart),
            Opcode::Continuation if header.fin => {
                *self = Self::Between;
                Ok(Step::Last)
            }
            Opcode::Continuation => Ok(Step::Middle),
            _ if !between => Err(Violation::MessageUnfinished),
            _ if header.fin => Ok(Step::Whole),
            Opcode::Text => {
                *self = Self::InText;
                Ok(Step::First)
            }
            _ => {
                *self = Self::InBinary;
                Ok(Step::First)
            }
        }
    }

    /// The kind of the message that was begun and not ended: text, binary, or none.
    pub const fn message(self) -> Option<Opcode> {
        match self {
            Self::InText => Some(Opcode::Text),
            Self::InBinary => Some(Opcode::Binary),
            Self::Between | Self::Closed => None,
        }
    }

    /// Whether no message is unfinished: only here may a session's server change.
    pub const fn is_between(self) -> bool {
        matches!(self, Self::Between)
    }

    /// Whether the close frame has passed.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed)
    }
}
