//! What servers answer: replies of RESP2 and RESP3 as values.
//!
//! ```
//! use atlas_resp::reply::{Decoder, Limits, Value};
//!
//! let mut decoder = Decoder::new(Limits::default());
//! let (consumed, value) = decoder.decode(b"*2\r\n:1\r\n$5\r\nhel")?;
//! assert_eq!((consumed, value), (8, None));
//! // What was consumed is not shown again.
//! let (consumed, value) = decoder.decode(b"$5\r\nhello\r\n")?;
//! assert_eq!((consumed, value), (11, Some(Value::Array(vec![Value::Integer(1), Value::Bulk(b"hello".to_vec())]))));
//! # Ok::<(), atlas_resp::reply::Malformed>(())
//! ```

mod decoder;
mod malformed;
mod value;

pub use decoder::{Decoder, Limits};
pub use malformed::Malformed;
pub use value::Value;
