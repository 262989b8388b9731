//! A server that does what a test wants, at the other end of a pipe inside the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use atlas_client::{Address, Connect, Connecting, Stream};
use atlas_resp::request::{Decoder, Limits, Progress};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;

/// What to do about a command.
pub(crate) enum Act {
    /// Answer these bytes.
    Say(&'static str),
    /// Answer `$`, the command's last word, and go on.
    Echo,
    /// Answer nothing, and go on.
    Ignore,
    /// Close the connection.
    Close,
    /// Read nothing any more until told to go on, then close.
    Freeze,
}

type Script = dyn Fn(&Address, &[String]) -> Act + Send + Sync;

/// The server's side, shared by all connections to it.
#[derive(Clone)]
pub(crate) struct Fake {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
    connections: Arc<Mutex<Vec<Address>>>,
    refused: Arc<Mutex<VecDeque<std::io::ErrorKind>>>,
    pub(crate) thaw: Arc<Notify>,
    pub(crate) pipe_bytes: usize,
    /// What it says to `HELLO`.
    pub(crate) greeting: &'static str,
}

impl Fake {
    /// A server that answers the greeting by itself and the rest by the script.
    pub(crate) fn new(script: impl Fn(&Address, &[String]) -> Act + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            seen: Arc::default(),
            connections: Arc::default(),
            refused: Arc::default(),
            thaw: Arc::default(),
            pipe_bytes: 64 * 1024,
            greeting: "%1\r\n+proto\r\n:3\r\n",
        }
    }

    /// Commands that came, the greeting left out.
    pub(crate) fn seen(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().clone()
    }

    /// Where each connection, made or refused, went.
    pub(crate) fn connections(&self) -> Vec<Address> {
        self.connections.lock().unwrap().clone()
    }

    /// Refuses the next connections.
    pub(crate) fn refuse(&self, times: usize) {
        let refusals = std::iter::repeat_n(std::io::ErrorKind::ConnectionRefused, times);
        self.refused.lock().unwrap().extend(refusals);
    }

    async fn serve(self, address: Address, mut stream: DuplexStream) {
        let (mut decoder, mut arguments, mut buffer) = (Decoder::default(), Vec::new(), Vec::new());
        loop {
            while let Ok(Progress::Command) =
                decoder.decode(&mut buffer, &Limits::default(), &mut arguments)
            {
                let words: Vec<String> = arguments
                    .iter()
                    .map(|range| {
                        let word = &buffer[range.start as usize..range.end as usize];
                        String::from_utf8_lossy(word).into_owned()
                    })
                    .collect();
                if words[0] == "HELLO" {
                    stream.write_all(self.greeting.as_bytes()).await.unwrap();
                    continue;
                }
                self.seen.lock().unwrap().push(words.clone());
                match (self.script)(&address, &words) {
                    Act::Say(text) => {
                        if stream.write_all(text.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                    Act::Echo => {
                        let word = words.last().unwrap();
                        let text = format!("${}\r\n{word}\r\n", word.len());
                        if stream.write_all(text.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                    Act::Ignore => {}
                    Act::Close => return,
                    Act::Freeze => {
                        self.thaw.notified().await;
                        return;
                    }
                }
            }
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    }
}

impl Connect for Fake {
    fn connect(&self, address: &Address) -> Connecting {
        self.connections.lock().unwrap().push(address.clone());
        let refused = self.refused.lock().unwrap().pop_front();
        let (fake, address) = (self.clone(), address.clone());
        Box::pin(async move {
            if let Some(kind) = refused {
                return Err(kind.into());
            }
            let (ours, theirs) = tokio::io::duplex(fake.pipe_bytes);
            tokio::spawn(fake.serve(address, theirs));
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}
