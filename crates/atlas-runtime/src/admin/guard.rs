//! Who may ask the admin listener for what.
//!
//! In this order, for each request: it names one of our own hosts (a foreign page whose name was pointed at this
//! machine names its own), it comes from no other origin, its path is free or it carries the token. A path may be a right
//! of its own: then it wants its own token, which opens nothing else. The decision is pure; [`check`] applies it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Problem, Token};
use crate::http::Peer;

/// What the guard knows.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: Vec<String>,
    token: Token,
    /// Paths that are rights of their own, with their tokens.
    own: Vec<Right>,
}

/// A path with a token of its own.
#[derive(Debug)]
pub(super) struct Right {
    pub(super) path: &'static str,
    pub(super) token: Token,
    /// The file that holds the token, for whoever has none.
    pub(super) file: &'static str,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is answered.
    Pass,
    /// The browser gets the cookie of this name and goes to `/`.
    SignIn(String),
    /// It is refused.
    Refuse(Problem),
}

impl Guard {
    pub(super) fn new(hosts: Vec<String>, token: Token, own: Vec<Right>) -> Self {
        Self { hosts, token, own }
    }

    pub(super) fn decide(
        &self,
        peer: Peer,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Verdict {
        let host = match self.own_host(peer, uri, headers) {
            Ok(host) => host,
            Err(problem) => return Verdict::Refuse(problem),
        };
        if is_cross_origin(host, headers) {
            let detail =
                "requests of other sites are refused; open the console under its own address";
            return Verdict::Refuse(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let reading = matches!(*method, Method::GET | Method::HEAD);
        if reading && is_free(uri.path(), peer) {
            return Verdict::Pass;
        }
        if let Some(right) = self.own.iter().find(|right| right.path == uri.path()) {
            if bearers(headers).any(|token| right.token.matches(token)) {
                return Verdict::Pass;
            }
            let detail = format!(
                "this is a right of its own, which the admin token does not give: its token stands in the file {} of the \
                 node's data directory; send it as `Authorization: Bearer TOKEN`",
                right.file
            );
            return Verdict::Refuse(Problem::new(StatusCode::UNAUTHORIZED, detail));
        }
        let cookie = cookie_name(peer);
        let signed_in = self.carries_token(&cookie, headers);
        if reading
            && uri.path() == "/"
            && let Some(token) = token_of_query(uri)
        {
            if signed_in || self.token.matches(token) {
                return Verdict::SignIn(cookie);
            }
        } else if signed_in {
            return Verdict::Pass;
        }
        let detail = "the admin token is missing or wrong; it stands in the file admin.token of the node's data \
                      directory: send it as `Authorization: Bearer TOKEN`, or open `/?token=TOKEN` in a browser";
        Verdict::Refuse(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }

    /// The one host that the request names, if it is one of ours.
    fn own_host<'a>(
        &self,
        peer: Peer,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> Result<&'a str, Problem> {
        let mut named = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (
            named.next().and_then(|host| host.to_str().ok()),
            named.next(),
        ) else {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "a request names its host once, in the header `Host`",
            ));
        };
        let targets_other = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host));
        if targets_other || !(is_own_address(host, peer) || self.is_configured(host)) {
            let detail = format!(
                "this listener is not `{}`; add the name to `admin.hosts` if it is to be",
                shortened(host)
            );
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
        }
        Ok(host)
    }

    /// A configured name without a port is meant with any.
    fn is_configured(&self, host: &str) -> bool {
        let (name, _) = split_port(host);
        self.hosts
            .iter()
            .any(|own| own.eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(name))
    }

    fn carries_token(&self, cookie: &str, headers: &HeaderMap) -> bool {
        let cookies = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let cookies = cookies
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                (name == cookie).then_some(value)
            });
        bearers(headers)
            .chain(cookies)
            .any(|token| self.token.matches(token))
    }
}

/// The tokens that a request brings as `Authorization: Bearer`.
fn bearers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        })
}

/// Applies the guard, and adds the headers that keep a browser from framing, sniffing or passing on what it got.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.decide(peer, request.method(), request.uri(), request.headers())
    {
        Verdict::Pass => next.run(request).await,
        Verdict::SignIn(cookie) => sign_in(&cookie, &guard.token),
        Verdict::Refuse(problem) => {
            let unauthorized = problem.status == StatusCode::UNAUTHORIZED.as_u16();
            let mut response = problem.into_response();
            if unauthorized {
                let challenge = HeaderValue::from_static("Bearer realm=\"atlas admin\"");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    };
    let always: [(HeaderName, &'static str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in always {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The redirect takes the token out of the address bar; the cookie is for this listener's pages alone.
fn sign_in(cookie: &str, token: &Token) -> Response {
    let cookie = format!(
        "{cookie}={}; Path=/; HttpOnly; SameSite=Strict",
        token.reveal()
    );
    (
        StatusCode::SEE_OTHER,
        [
            (header::LOCATION, "/".to_owned()),
            (header::SET_COOKIE, cookie),
        ],
    )
        .into_response()
}

/// Cookies are shared by all ports of a host: the port in the name keeps two nodes of one machine apart.
fn cookie_name(peer: Peer) -> String {
    format!("atlas_admin_{}", peer.local.map_or(0, |local| local.port()))
}

/// Health and readiness for everybody; metrics and servers for this machine.
fn is_free(path: &str, peer: Peer) -> bool {
    let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    match path {
        "/health" | "/ready" => true,
        "/metrics" | "/servers" => loopback(peer.remote) && peer.local.is_some_and(loopback),
        _ => false,
    }
}

/// Whether a browser says that another site's page asks. Without these headers it is no browser's script.
fn is_cross_origin(host: &str, headers: &HeaderMap) -> bool {
    let origin = headers.get_all(header::ORIGIN).iter().any(|origin| {
        let own = origin.to_str().ok().and_then(|origin| {
            origin
                .strip_prefix("http://")
                .or(origin.strip_prefix("https://"))
        });
        !own.is_some_and(|own| own.eq_ignore_ascii_case(host))
    });
    let site = headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site != "same-origin" && site != "none");
    origin || site
}

/// Whether `host` is the address of ours that was dialled, or `localhost` for a loopback one.
fn is_own_address(host: &str, peer: Peer) -> bool {
    let Some(local) = peer.local else {
        return false;
    };
    let (name, port) = split_port(host);
    let ip = local.ip().to_canonical();
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    let own = match address {
        Ok(address) => address.to_canonical() == ip,
        Err(_) => ip.is_loopback() && name.eq_ignore_ascii_case("localhost"),
    };
    own && port.map_or(Some(80), |port| port.parse().ok()) == Some(local.port())
}

/// `[::1]:9090` → `[::1]`, `9090`; `localhost` → `localhost`, none.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn token_of_query(uri: &Uri) -> Option<&str> {
    uri.query()?
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
