//! The admin API's way to keys: a client of the store like any other, over its own socket, so that what it changes goes
//! through the door and the log.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atlas_base::Secret;
use atlas_client::{Address, Client, Command, Config, Error, Refusal, Tcp, Value};
use atlas_runtime::admin::Problem;
use axum::http::StatusCode;

use crate::access::ADMIN_API;
use crate::asked::Question;
use crate::handle::Handle;

/// Databases to which connections are kept.
const DATABASES_MAX: usize = 8;
/// Edits that look at a key first, at once.
const EDITS_MAX: usize = 8;
/// How long an edit may take.
const EDIT_WAIT: Duration = Duration::from_secs(10);
/// The most that one page may take on its way here: values are cut only then.
const PAGE_BYTES_MAX: usize = 64 << 20;

/// Clients of the store, by their databases.
#[derive(Default)]
pub(crate) struct Link(Mutex<Clients>);

#[derive(Default)]
struct Clients {
    by_database: BTreeMap<u32, Client>,
}

impl Handle {
    /// A client of a database.
    pub(super) async fn client(&self, database: u32) -> Result<Client, Problem> {
        let password = self.ask(Question::Password).await?;
        let mut clients = self.link.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !clients.by_database.contains_key(&database);
        if is_new && clients.by_database.len() >= DATABASES_MAX {
            clients.by_database.clear();
        }
        if let Some(client) = clients.by_database.get(&database) {
            return Ok(client.clone());
        }
        let client = connect_to(self.listen, database, password);
        let client = client.map_err(problem)?;
        clients.by_database.insert(database, client.clone());
        Ok(client)
    }

    /// Reads: commands that may be done twice, from a connection that asks not to count as use of its keys.
    pub(super) async fn read(
        &self,
        client: &Client,
        commands: Vec<Command>,
    ) -> Result<Vec<Value>, Problem> {
        let answers = self.try_read(client, commands).await?.into_iter();
        answers
            .map(|answer| answer.map_err(|refusal| refused(&refusal)))
            .collect()
    }

    /// As [`Self::read`], with the refusals in their places.
    pub(super) async fn try_read(
        &self,
        client: &Client,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Value, Refusal>>, Problem> {
        let mut all = vec![
            Command::new("CLIENT")
                .arg("NO-TOUCH")
                .arg("ON")
                .repeatable(),
        ];
        all.extend(commands.into_iter().map(Command::repeatable));
        let answers = client.pipeline(&all).await.map_err(problem)?;
        Ok(answers.into_iter().skip(1).collect())
    }

    /// Changes a key: `look` is asked first, and `edits` are done as one if `holds` of its answers and nobody changed the
    /// key meanwhile.
    pub(super) async fn edit(
        &self,
        database: u32,
        key: &[u8],
        look: Vec<Command>,
        holds: impl FnOnce(&[Value]) -> Result<(), Problem>,
        edits: Vec<Command>,
    ) -> Result<Vec<Value>, Problem> {
        let client = self.client(database).await?;
        let mut own = client.dedicated(None).await.map_err(problem)?;
        let watch = Command::new("WATCH").key(key);
        own.call(&watch, Some(EDIT_WAIT)).await.map_err(problem)?;
        let mut seen = Vec::with_capacity(look.len());
        for command in &look {
            seen.push(own.call(command, Some(EDIT_WAIT)).await.map_err(problem)?);
        }
        holds(&seen)?;
        let done = own.transaction(&edits, Some(EDIT_WAIT)).await;
        let done = done.map_err(problem)?.into_iter();
        done.map(|answer| answer.map_err(|refusal| refused(&refusal)))
            .collect()
    }
}

fn connect_to(listen: SocketAddr, database: u32, password: String) -> Result<Client, Error> {
    let mut reached = listen;
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => reached.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => reached.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let mut config = Config::new([Address::new(reached.ip().to_string(), reached.port())]);
    config.database = database;
    // Whatever rules the users have: who asks the admin API has shown that it may.
    config.user = Some(ADMIN_API.to_owned());
    config.password = Some(Secret::new(password));
    config.name = Some(ADMIN_API.to_owned());
    config.dedicated_max = EDITS_MAX;
    config.reply.reply_bytes_max = PAGE_BYTES_MAX;
    Client::new(config, Tcp)
}

/// An error of the client in the API's words.
fn problem(error: Error) -> Problem {
    let (status, detail) = match &error {
        Error::Refused(refusal) => return refused(refusal),
        Error::Connect { source, .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the store takes no connection: {source}"),
        ),
        Error::Busy { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store is busy; ask again".to_owned(),
        ),
        Error::OutcomeUnknown { .. } => (
            StatusCode::GATEWAY_TIMEOUT,
            "the store did not answer in time; if this was a change, it may or may not have been done".to_owned(),
        ),
        Error::Malformed { .. } => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "these values are larger than the admin API takes at once (64 MiB); ask for fewer".to_owned(),
        ),
        Error::Aborted => (
            StatusCode::CONFLICT,
            "the key was changed meanwhile, so nothing was done; look at it again".to_owned(),
        ),
        _ => return Problem::internal(&error),
    };
    Problem::new(status, detail)
}

/// A refusal of the store: its own words, which say what to do.
fn refused(refusal: &Refusal) -> Problem {
    let status = match refusal.code() {
        "MISCONF" | "NOAUTH" | "WRONGPASS" | "LOADING" => StatusCode::SERVICE_UNAVAILABLE,
        "OOM" => StatusCode::INSUFFICIENT_STORAGE,
        "WRONGTYPE" => StatusCode::CONFLICT,
        "EXECABORT" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let text = refusal.text();
    Problem::new(status, text.strip_prefix("ERR ").unwrap_or(text))
}
