//! The console's pages, served on the admin listener: plain HTML, CSS and small ES modules, compiled in.
//!
//! Entry point: [`router`]. There is one page for the edge and one for the store; each talks only to the node's own `/v1`
//! routes (same origin, with the cookie that the admin listener set), so this crate knows no other: it serves files.
//!
//! Invariants: nothing is loaded from elsewhere and nothing inline runs (the policy on every answer forbids both); every
//! file has a validator, so that a reload costs a round trip and no bytes; what comes from outside (names of players, keys
//! and values) only ever becomes text. A panel is one module in `assets/` that `main.js` or `store.js` wires up; a new file
//! needs its line in `FILES` of `files.rs`.

mod files;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use files::File;

/// What the page may do: load and talk to its own origin, and nothing inline. No markup is ever built from text, which
/// trusted types enforce.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                      object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The console at `/`, of the store at `/store`, and their files under `/console/`.
///
/// Merge it into the admin listener's router; the guard there decides who may read it.
pub fn router() -> Router {
    Router::new()
        .route(
            "/",
            get(async |headers: HeaderMap| answer(files::find("index.html"), &headers)),
        )
        .route(
            "/store",
            get(async |headers: HeaderMap| answer(files::find("store.html"), &headers)),
        )
        .route("/console/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(
        files::find(&name).filter(|file| !file.name.ends_with(".html")),
        &headers,
    )
}

fn answer(file: Option<&'static File>, request: &HeaderMap) -> Response {
    let Some(file) = file else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let tag = file.tag();
    let known = request
        .get(header::IF_NONE_MATCH)
        .is_some_and(|sent| names(sent, &tag));
    let body = if known {
        Body::empty()
    } else {
        Body::from(file.bytes)
    };
    let status = if known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    let headers = [
        (header::CONTENT_TYPE, file.kind),
        (header::ETAG, &tag),
        // Kept, but asked about each time: a new binary's page must not meet an old one's modules.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let mut response = (status, headers, body).into_response();
    let isolation = [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in isolation {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether an `If-None-Match` names this tag; weak comparison, as RFC 9110 asks for it here.
fn names(sent: &HeaderValue, tag: &str) -> bool {
    let Ok(sent) = sent.to_str() else {
        return false;
    };
    sent.split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_are_compared_weakly() {
        for (sent, same) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
        ] {
            assert_eq!(
                names(&HeaderValue::from_static(sent), "\"a\""),
                same,
                "{sent}"
            );
        }
    }
}
