//! The routes of the listeners, for the reference page; a test asks a running node for each of them.

use std::fmt::Write as _;

/// A route: method, path, who may ask, what it does.
pub(super) struct Route {
    method: &'static str,
    path: &'static str,
    token: &'static str,
    what: &'static str,
}

const EDGE: &[Route] = &[
    route("GET", "/health", "no", "`OK` while the edge takes players"),
    route("GET", "any other path, as a WebSocket", "no", "a player"),
];

const REGISTRATION: &[Route] = &[
    route(
        "POST",
        "/api/v1/servers/register",
        "no",
        "registers a game server; 201 with its id, 409 where another one is",
    ),
    route(
        "POST",
        "/worlds/{world}/api/v1/servers/register",
        "no",
        "the same in a world of that name",
    ),
    route(
        "PUT",
        "/api/v1/servers/{id}/heartbeat",
        "no",
        "a registered server lives; answers with commands",
    ),
    route(
        "DELETE",
        "/api/v1/servers/{id}",
        "no",
        "a registered server leaves",
    ),
    route("GET", "/health", "no", "`OK`"),
];

const ADMIN: &[Route] = &[
    route(
        "GET",
        "/",
        "yes",
        "the console; `/?token=TOKEN` signs a browser in",
    ),
    route("GET", "/health", "no", "the process lives"),
    route(
        "GET",
        "/ready",
        "no",
        "it serves (200), or which part does not (503)",
    ),
    route(
        "GET",
        "/metrics",
        "not on loopback",
        "metrics, as Prometheus reads them",
    ),
    route(
        "GET",
        "/servers",
        "not on loopback",
        "the servers, a JSON array",
    ),
    route(
        "GET",
        "/v1/servers",
        "yes",
        "the servers: `{\"items\": […]}`",
    ),
    route(
        "GET",
        "/v1/sessions",
        "yes",
        "sessions, by `world`, `server`, `search`; `limit` and `after` page: `{\"items\": […], \"next\", \"total\"}`",
    ),
    route("GET", "/v1/sessions/{id}", "yes", "one session"),
    route(
        "POST",
        "/v1/sessions/{id}/transfer",
        "yes",
        "moves a session: `{\"server\": \"east\"}`; answers with the outcome",
    ),
    route(
        "POST",
        "/v1/sessions/{id}/kick",
        "yes",
        "closes a session's client: `{\"code\": 4000, \"reason\": \"kicked\"}`",
    ),
    route(
        "POST",
        "/v1/servers/{world}/{server}/drain",
        "yes",
        "begins to empty a server: `{\"deadline\": \"60s\", \"window\": \"10s\"}`; with `{\"cancel\": true}` takes it back",
    ),
    route(
        "GET",
        "/v1/servers/{world}/{server}/drain",
        "yes",
        "how far the drain is: `state`, `left`, `moved`, `resumed`, `dropped`, `gone`",
    ),
    route(
        "DELETE",
        "/v1/servers/{world}/{server}/drain",
        "yes",
        "takes a drain back",
    ),
    route(
        "GET",
        "/v1/regions",
        "yes",
        "the regions and their servers: `{\"items\": […]}`",
    ),
    route(
        "GET",
        "/v1/world",
        "yes",
        "the world as server-sent events: `world`, `players`, `transfer`, `totals`",
    ),
    route(
        "GET",
        "/v1/tap",
        "its own",
        "what moves as server-sent events: `message` (without what it says), `counts`; by `world`, `server`, `session`, `direction`, `every`, `rate`",
    ),
    route(
        "GET",
        "/v1/demo",
        "yes",
        "what the demo's players counted; 204 unless `atlas up --demo` runs",
    ),
    route(
        "POST",
        "/v1/reload",
        "yes",
        "reads the configuration again: 200 with what changed, 422 if nothing did because something is wrong with it",
    ),
    route(
        "GET",
        "/v1/log",
        "yes",
        "the log level: `{\"level\": \"info\"}`",
    ),
    route("PUT", "/v1/log", "yes", "changes the log level"),
];

const fn route(
    method: &'static str,
    path: &'static str,
    token: &'static str,
    what: &'static str,
) -> Route {
    Route {
        method,
        path,
        token,
        what,
    }
}

/// The page.
pub(super) fn page() -> String {
    let mut text =
        String::from("# HTTP routes\n\nErrors are `application/problem+json` (RFC 9457).\n");
    for (title, routes) in [
        ("The admin listener (`admin.listen`)", ADMIN),
        ("The players' listener (`edge.listen`)", EDGE),
        (
            "The listener of game servers (`edge.registration.listen`), for the networks of `edge.registration.allow`",
            REGISTRATION,
        ),
    ] {
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "\n## {title}\n\n| method | path | token | what |\n|---|---|---|---|"
        );
        for Route {
            method,
            path,
            token,
            what,
        } in routes
        {
            let path = if path.starts_with('/') {
                format!("`{path}`")
            } else {
                (*path).to_owned()
            };
            let _ = writeln!(text, "| {method} | {path} | {token} | {what} |");
        }
    }
    text
}
