//! The secret that opens the admin listener.

use std::{
    fmt::{self, Write},
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use atlas_base::Secret;

use crate::{Error, private};

/// Hexadecimal digits of a token that we draw: 256 bits.
const LENGTH: usize = 64;

/// The admin listener's secret. Lies in `data-dir/admin.token`, mode 0600.
#[derive(Clone)]
pub struct Token(Secret<String>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

impl Token {
    /// Where a node keeps its token.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("admin.token")
    }

    /// Where a node keeps the token of its tap, which the admin token does not open.
    #[must_use]
    pub fn tap_path(data_dir: &Path) -> PathBuf {
        data_dir.join("tap.token")
    }

    /// A new random token.
    ///
    /// # Errors
    /// [`Error::Random`] if the system gives no random bytes.
    pub fn draw() -> Result<Self, Error> {
        let mut bytes = [0; LENGTH / 2];
        getrandom::fill(&mut bytes).map_err(|source| Error::Random {
            source: source.into(),
        })?;
        let mut text = String::with_capacity(LENGTH);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a string takes every text");
        }
        Ok(Self(Secret::new(text)))
    }

    /// The token in the file `path`; drawn and written there (mode 0600, whole by a rename) if the file is missing,
    /// holds no token, belongs to somebody else or could be read by others. It outlives a restart, so that sign-ins do.
    ///
    /// # Errors
    /// [`Error::Random`], or [`Error::Write`] names the file.
    pub fn keep(path: &Path) -> Result<Self, Error> {
        let private = fs::symlink_metadata(path).is_ok_and(|file| {
            file.is_file()
                && file.permissions().mode().trailing_zeros() >= 6
                && file.uid() == rustix::process::geteuid().as_raw()
        });
        if private && let Ok(token) = Self::read(path) {
            return Ok(token);
        }
        let token = Self::draw()?;
        private::write(path, format!("{}\n", token.reveal()).as_bytes())?;
        Ok(token)
    }

    /// Reads the token of a running node, for the commands that operate it.
    ///
    /// # Errors
    /// [`Error::Read`] names the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(wrong)?;
        let text = text.trim();
        if text.len() != LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong(io::Error::new(
                io::ErrorKind::InvalidData,
                "it holds no token",
            )));
        }
        Ok(Self(Secret::new(text.to_owned())))
    }

    /// The token's text: for the console's link and for `Authorization: Bearer`.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Whether `text` is the token, in a time that tells nothing about where they differ.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (own, other) = (self.reveal().as_bytes(), text.as_bytes());
        let difference = own.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
        own.len() == other.len() && difference == 0
    }
}
