//! How many commands a client gets through one connection: `cargo run --release -p atlas-client --example client_speed`.
//!
//! It starts a redis-server of its own; client and server share the machine.

#![allow(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::time::{Duration, Instant};

use atlas_client::{Address, Client, Command, Config, Error, Tcp};
use atlas_testkit::redis::{Redis, free_port};

const SPAN: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let port = free_port();
    let Some(_redis) = Redis::start(&["--port", &port.to_string(), "--bind", "127.0.0.1"]) else {
        return Ok(());
    };
    println!("{:>8} {:>12} {:>10}", "callers", "commands/s", "us each");
    for callers in [1, 16, 64, 256, 1024] {
        let client = Client::new(Config::new([Address::new("127.0.0.1", port)]), Tcp)?;
        let began = Instant::now();
        let calls: Vec<_> = (0..callers)
            .map(|caller| tokio::spawn(calls(client.clone(), caller, began)))
            .collect();
        let mut done = 0;
        for call in calls {
            done += call.await.unwrap_or(Ok(0))?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let each = seconds * 1e6 * f64::from(callers) / done as f64;
        println!("{callers:>8} {:>12.0} {each:>10.1}", done as f64 / seconds);
    }
    Ok(())
}

async fn calls(client: Client, caller: u32, began: Instant) -> Result<u64, Error> {
    let key = format!("key:{caller}");
    let command = Command::new("SET").key(&key).arg("value");
    let mut done = 0;
    while began.elapsed() < SPAN {
        client.call(&command).await?;
        done += 1;
    }
    Ok(done)
}
