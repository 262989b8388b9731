//! The client beside real servers (one, restarted, a cluster of three) and beside one that misbehaves on purpose.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

mod cluster;
mod fake;
mod lost;
mod older;
mod redirects;
mod single;
mod subscriber;

use std::path::PathBuf;

use atlas_client::{Address, Client, Command, Config, Connecting, Stream, Value};
use atlas_testkit::redis::Redis;
use tokio::net::UnixStream;

/// A configuration for whoever connects without looking at the address.
fn config() -> Config {
    Config::new([Address::new("test", 1)])
}

/// Streams that are handed in: here Unix sockets.
fn unix(path: PathBuf) -> impl Fn(&Address) -> Connecting {
    move |_| {
        let path = path.clone();
        Box::pin(async move {
            let stream = UnixStream::connect(path).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// A server and a client of it.
fn redis(arguments: &[&str]) -> Option<(Redis, Client)> {
    let redis = Redis::start(arguments)?;
    let client = Client::new(config(), unix(redis.socket())).unwrap();
    Some((redis, client))
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

fn get(key: &str) -> Command {
    Command::new("GET").key(key).repeatable()
}

fn set(key: &str, value: &str) -> Command {
    Command::new("SET").key(key).arg(value)
}
