//! Libraries of functions in Redis's own format, as `FUNCTION DUMP` answers them and `FUNCTION RESTORE` takes them.

use super::input::Input;
use super::{CHECKSUM, FOOTER_BYTES, is_sealed, output};
use crate::Error;

/// What stands before the source of a library.
const LIBRARY: u8 = 245;
/// The first version that knows libraries, that of Redis 7.0.
const VERSION: u16 = 10;

/// The payload of libraries with these sources.
pub(crate) fn dump_functions<'a>(sources: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for source in sources {
        out.push(LIBRARY);
        output::text(source, &mut out);
    }
    out.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = CHECKSUM.checksum(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The sources in a payload.
///
/// # Errors
/// If the payload's end is not right, or there is something else in it.
pub(crate) fn restore_functions(
    payload: &[u8],
    string_bytes_max: u64,
) -> Result<Vec<Vec<u8>>, Error> {
    if !is_sealed(payload) {
        return Err(Error::fixed(
            "ERR DUMP payload version or checksum are wrong",
        ));
    }
    let mut input = Input::new(&payload[..payload.len() - FOOTER_BYTES], string_bytes_max);
    let mut sources = Vec::new();
    while !input.is_empty() {
        if input.byte() != Ok(LIBRARY) {
            return Err(Error::fixed("ERR given type is not a function"));
        }
        let source = input
            .text()
            .map_err(|_| Error::fixed("ERR failed loading the given functions payload"))?;
        sources.push(source.as_bytes().to_vec());
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_bring_sources_back() {
        let sources = [&b"#!lua name=a\nx"[..], b""];
        let payload = dump_functions(sources.into_iter());
        let restored = restore_functions(&payload, 1000).unwrap();
        assert_eq!(restored, [sources[0].to_vec(), Vec::new()]);
        assert!(restore_functions(&payload[1..], 1000).is_err());
        assert!(restore_functions(b"bad_payload", 1000).is_err());
        let value = crate::rdb::dump(crate::value::ValueRef::String(b"x"));
        assert!(restore_functions(&value, 1000).is_err());
    }
}
