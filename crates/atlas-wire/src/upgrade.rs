//! The opening handshake: HTTP request heads in, the request to the game server and the answers out (RFC 6455,
//! section 4; RFC 9112 as strictly as it allows).
//!
//! 1. [`Head::parse`] reads what a client sent; [`Head::websocket`] checks that it asks for a WebSocket.
//! 2. [`ServerRequest::write`] makes the request to the game server: path, query, headers, cookies and subprotocols go
//!    over; hop-by-hop headers, forged forwarding headers, `Atlas-*` headers and Atlas's own subprotocols do not.
//! 3. [`ServerAnswer::parse`] reads what the game server answered and checks it against the request.
//! 4. [`accept`] writes our 101 to the client, [`Refusal::write`] or [`respond`] anything else.

mod answer;
mod fields;
mod forwarded;
mod head;
mod refusal;
mod request;
mod subprotocols;
#[cfg(test)]
mod tests;

pub use answer::{BadAnswer, LinkAnswer, ServerAnswer, Switched, accept, accept_key};
pub use fields::{Fields, HEADERS_MAX, Limits};
pub use forwarded::client_address;
pub use head::{Head, ParsedHead, WebSocketKey};
pub use refusal::{Refusal, respond};
pub use request::{Forwarding, LinkHeaders, LinkKind, ServerRequest, Unwritable};
pub use subprotocols::{ATLAS_CLIENT, ATLAS_LINK, Answered, Subprotocols};
