//! The link token of a world: what shows cooperative servers that it is the edge who calls.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use atlas_base::Secret;

use crate::Error;

/// Longest file.
const FILE_BYTES_MAX: u64 = 4096;

/// The value of `Authorization` on links.
pub(crate) type Authorization = Arc<Secret<String>>;

/// Reads the file of a world's link token, which blocks. None: the world has none.
///
/// # Errors
/// [`Error::LinkToken`] if the file cannot be read or holds no token.
pub(crate) fn read(path: &Path) -> Result<Option<Authorization>, Error> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |why: String| Error::LinkToken {
        file: path.to_owned(),
        why,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong("is longer than 4 KiB".to_owned()));
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what =
            "holds no token; write one word of visible ASCII, such as 32 random bytes in hex";
        return Err(wrong(what.to_owned()));
    }
    Ok(Some(Arc::new(Secret::new(format!("Bearer {token}")))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let read_text = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file)
        };
        let token = read_text("  c0ffee\n").unwrap().unwrap();
        assert_eq!(token.reveal(), "Bearer c0ffee");
        assert!(read(Path::new("")).unwrap().is_none());
        for (text, why) in [
            ("", "no token"),
            ("two words", "no token"),
            ("line\nline", "no token"),
            ("\u{e9}", "no token"),
            (&*"x".repeat(5000), "longer than 4 KiB"),
        ] {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let error = read(&folder.path().join("nowhere"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("nowhere"), "{error}");
    }
}
