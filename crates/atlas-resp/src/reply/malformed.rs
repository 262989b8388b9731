//! How a server's answer can be refused.

/// What is wrong with a reply. The connection is of no more use: where the next reply begins is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No reply begins with this byte.
    #[error("a reply begins with {}", char::from(*got).escape_default())]
    Kind {
        /// The byte.
        got: u8,
    },
    /// A number, a length or a truth value reads otherwise than it must.
    #[error("a reply's line is no {expected}")]
    Line {
        /// What should stand there.
        expected: &'static str,
    },
    /// A line or a bulk does not end where it must, or a line is broken by half a line end.
    #[error("a reply's line end is missing")]
    LineEnd,
    /// A streamed string or aggregate (`$?`, `*?`): no server that we know sends them.
    #[error("a reply is streamed, which is not supported")]
    Streamed,
    /// A line is longer than the limit.
    #[error("a reply's line is longer than {line_bytes_max} bytes")]
    LineLimit {
        /// The limit.
        line_bytes_max: usize,
    },
    /// A bulk, or the whole reply, is longer than the limit.
    #[error("a reply is longer than {reply_bytes_max} bytes")]
    BytesLimit {
        /// The limit.
        reply_bytes_max: usize,
    },
    /// Aggregates of more elements, all in all, than the limit.
    #[error("a reply has more than {elements_max} elements")]
    ElementsLimit {
        /// The limit.
        elements_max: usize,
    },
    /// Aggregates inside one another deeper than the limit.
    #[error("a reply is nested deeper than {depth_max}")]
    DepthLimit {
        /// The limit.
        depth_max: usize,
    },
}
