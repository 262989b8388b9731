//! Makes a server of what a game server says of itself, and refuses what cannot be one.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;

use super::Refusal;
use super::messages::{Cell, Centre, Registration};
use crate::config::{RegionConfig, RegistrationConfig, ServerConfig, server_problems};
use crate::servers::{Address, Entry, Source, View, World, parse_address};

/// Most labels of one server.
const LABELS_MAX: usize = 32;
/// Longest name and longest value of a label, in bytes; what is longer is left out.
const LABEL_BYTES_MAX: usize = 128;
/// Corners up to here are rounded to a millionth of a world unit, so that neighbours who reckoned their common border
/// differently meet there exactly.
const ROUNDED_MAX: f64 = 1e9;

/// Who asks, and how.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Its address.
    pub(super) address: IpAddr,
    /// Whether it calls from this machine.
    pub(super) is_local: bool,
    /// The `Host` header.
    pub(super) host: String,
    /// The world that the request's path names.
    pub(super) world: Option<String>,
}

/// A server that wants to be registered.
pub(super) struct Offer {
    pub(super) world: Arc<World>,
    pub(super) entry: Entry,
    pub(super) cell: Cell,
    /// Its address as `HOST:PORT`, as its neighbours are told.
    pub(super) authority: String,
}

/// Whether a caller may ask at all.
pub(super) fn admit(caller: IpAddr, config: &RegistrationConfig) -> Result<(), Refusal> {
    if config.allow.iter().any(|network| network.contains(caller)) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        format!("{caller} lies outside the networks of edge.registration.allow"),
    ))
}

/// Reads a registration; looks up the server's host.
///
/// # Errors
/// What keeps it from being a server, whoever else is registered.
pub(super) async fn read(
    view: &View,
    said: Registration,
    caller: &Caller,
) -> Result<Offer, Refusal> {
    let wrong = |what: String| Refusal::new(StatusCode::BAD_REQUEST, what);
    let world = world_of(view, &said, caller).map_err(wrong)?;
    let address = address_of(&said.address, caller.address).map_err(wrong)?;
    let authority = address.authority();
    let config = ServerConfig {
        address: format!("ws://{authority}{}", address.path.as_deref().unwrap_or("")),
        capacity: said.capacity,
        region: region_of(said.center, said.bounds),
        labels: labels_of(&said),
        name: said.name,
        ..ServerConfig::default()
    };
    let problems = server_problems(std::slice::from_ref(&config), &world.config);
    if !problems.is_empty() {
        let words = problems.iter().map(|(key, what)| {
            let field = key.rsplit('.').next().unwrap_or(key);
            format!("`{field}` {what}")
        });
        return Err(wrong(words.collect::<Vec<_>>().join("; ")));
    }
    let target = look_up(&address, &view.edge.registration).await?;
    if target.ip().to_canonical().is_loopback() && !caller.is_local {
        return Err(wrong(format!(
            "`address` {authority} leads nowhere from here: it means the machine that it is used on, and you call from {}; name an address that the edge can reach",
            caller.address
        )));
    }
    Ok(Offer {
        world,
        entry: Entry {
            config,
            address,
            target,
            source: Source::Registration,
        },
        cell: said.region_coord,
        authority,
    })
}

/// The world that the metadata names, else the path, else the host by which the edge was called, else `main`, else the
/// only one.
fn world_of(view: &View, said: &Registration, caller: &Caller) -> Result<Arc<World>, String> {
    let named = match said.metadata.get("world") {
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err("`metadata.world` is no text; write a world's name".to_owned()),
        None => caller.world.as_ref(),
    };
    let open = |name: &str| view.open().find(|world| *world.name == *name);
    let found = match named {
        Some(name) => open(name),
        None => view
            .of_host(&caller.host)
            .or_else(|| open("main"))
            .or_else(|| view.open().next().filter(|_| view.open().count() == 1)),
    };
    found.map(Arc::clone).ok_or_else(|| {
        let worlds: Vec<_> = view.open().map(|world| &*world.name).collect();
        let asked = named.map_or_else(
            || "you name no world, and none is called main".to_owned(),
            |name| format!("there is no world `{}`", name.escape_debug()),
        );
        format!(
            "{asked}; name one in `metadata.world`: {}",
            worlds.join(", ")
        )
    })
}

/// `HOST:PORT`, with or without `ws://` and a path. A server that listens on every address of its machine is reached by
/// the one that it calls from.
fn address_of(text: &str, caller: IpAddr) -> Result<Address, String> {
    let rest = text.strip_prefix("ws://").unwrap_or(text);
    let mut address = parse_address(&format!("ws://{rest}"))
        .map_err(|_| "`address` is not a server's address; write HOST:PORT".to_owned())?;
    let means_any = address
        .host
        .parse()
        .is_ok_and(|host: IpAddr| host.is_unspecified());
    if means_any {
        address.host = caller.to_canonical().to_string();
    }
    Ok(address)
}

/// Where the address leads: the first of its host's addresses that servers may have.
async fn look_up(address: &Address, config: &RegistrationConfig) -> Result<SocketAddr, Refusal> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let found: Vec<_> = found.map(Iterator::collect).unwrap_or_default();
    if found.is_empty() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("`address` names {}, which has no address", address.host),
        ));
    }
    let allowed = |target: &&SocketAddr| {
        config
            .allow
            .iter()
            .any(|network| network.contains(target.ip()))
    };
    found.iter().find(allowed).copied().ok_or_else(|| {
        Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "`address` {} lies outside the networks of edge.registration.allow",
                address.authority()
            ),
        )
    })
}

/// The cube around the centre; none for a server without a place in the world.
fn region_of(centre: Centre, half: f64) -> Option<RegionConfig> {
    let corner = |value: f64| {
        if value.abs() < ROUNDED_MAX {
            (value * 1e6).round() / 1e6
        } else {
            value
        }
    };
    let Centre { x, y, z } = centre;
    (half != 0.0).then(|| RegionConfig {
        min: [x, y, z].map(|at| corner(at - half)),
        max: [x, y, z].map(|at| corner(at + half)),
    })
}

/// The version and whatever is plain in the metadata.
fn labels_of(said: &Registration) -> BTreeMap<String, String> {
    let version = Value::String(said.version.clone());
    let version = (!said.version.is_empty()).then(|| ("version".to_owned(), version));
    let plain = said
        .metadata
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let label = |(name, value): (String, Value)| {
        let value = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return None,
        };
        let fits = |text: &str| text.len() <= LABEL_BYTES_MAX;
        (name != "world" && fits(&name) && fits(&value)).then_some((name, value))
    };
    // Of two values the metadata's counts.
    version
        .into_iter()
        .chain(plain)
        .filter_map(label)
        .take(LABELS_MAX)
        .collect()
}

#[cfg(test)]
mod tests;
