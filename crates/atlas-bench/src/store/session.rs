//! One connection for single commands: filling, `INFO`, `BGSAVE`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::clients::Keys;
use crate::Error;

/// Commands that are sent at once while a store is filled.
const FILL_PIPELINE: u64 = 200;

/// The connection.
pub struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// If it is refused.
    pub fn connect(address: SocketAddr) -> Result<Self, Error> {
        let stream =
            TcpStream::connect(address).map_err(Error::system(format!("dial {address}")))?;
        let patience = Some(Duration::from_secs(60));
        stream
            .set_read_timeout(patience)
            .and_then(|()| stream.set_nodelay(true))
            .map_err(Error::system("set a timeout"))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a command; its answer, a line or a bulk string's text.
    ///
    /// # Errors
    /// If the connection ends.
    pub fn ask(&mut self, words: &[&str]) -> Result<String, Error> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.send(request.as_bytes())?;
        let line = self.line()?;
        let Some(length) = line.strip_prefix('$') else {
            return Ok(line);
        };
        let length: usize = length
            .parse()
            .map_err(|_| Error::peer("a store", format!("answered {line}")))?;
        let mut bytes = vec![0; length + 2];
        self.stream
            .read_exact(&mut bytes)
            .map_err(Error::system("read an answer"))?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A number of `INFO`'s.
    ///
    /// # Errors
    /// If the connection ends, or the field is not there.
    pub fn info(&mut self, field: &str) -> Result<u64, Error> {
        let text = self.ask(&["INFO", "everything"])?;
        text.lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .and_then(|value| value.trim().parse().ok())
            .ok_or_else(|| Error::peer("a store", format!("has no number {field} in INFO")))
    }

    /// Sets keys from `first` on; the names have `key_bytes` bytes.
    ///
    /// # Errors
    /// If the connection ends or a key is refused.
    pub fn fill(&mut self, first: u64, keys: Keys, key_bytes: usize) -> Result<(), Error> {
        let value = "v".repeat(keys.value_bytes);
        let mut at = first;
        let end = first + keys.count;
        let digits = key_bytes - 4;
        while at < end {
            let until = (at + FILL_PIPELINE).min(end);
            let mut request = String::new();
            for number in at..until {
                request.push_str(&format!(
                    "*3\r\n$3\r\nSET\r\n${key_bytes}\r\nkey:{number:0digits$}\r\n${}\r\n{value}\r\n",
                    value.len()
                ));
            }
            self.send(request.as_bytes())?;
            for _ in at..until {
                let line = self.line()?;
                if line != "+OK" {
                    return Err(Error::peer("a store", format!("answered {line}")));
                }
            }
            at = until;
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream
            .get_mut()
            .write_all(bytes)
            .map_err(Error::system("send a command"))
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .map_err(Error::system("read an answer"))?;
        if line.is_empty() {
            return Err(Error::peer("a store", "closed the connection"));
        }
        Ok(line.trim_end().to_owned())
    }
}
