//! The store's TLS port, with redis-cli and redis-benchmark as clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use atlas_testkit::Atlas;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};

use crate::store_files::folder;
use crate::support::{assert_words, atlas, deadline, said};

/// One who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Nobody may take a certificate for one that has signed itself.
        params.distinguished_name = named("an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes its own certificate.
    fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// Writes a certificate that it has signed, and its key: `NAME.pem` and `NAME.key`.
    fn sign(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = named(name);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

fn config(folder: &Path, more: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "[store]\nlisten = \"127.0.0.1:0\"\n[store.tls]\nlisten = \"127.0.0.1:0\"\ncertificate-file = \"{}\"\n\
         key-file = \"{}\"\n{more}\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        at("server.pem"),
        at("server.key")
    )
}

async fn start(folder: &Path, more: &str) -> Atlas {
    atlas(&["store"])
        .file("atlas.toml", config(folder, more))
        .start(deadline())
        .await
        .unwrap()
}

fn secured(node: &Atlas) -> SocketAddr {
    node.listener("store-tls").unwrap()
}

/// True if the client is there and can speak TLS.
#[allow(clippy::print_stdout, reason = "a test that skips itself says so")]
fn has(client: &str) -> bool {
    let help = Command::new(client).arg("--help").output();
    let is_there = help.is_ok_and(|help| {
        [help.stdout, help.stderr]
            .iter()
            .any(|text| String::from_utf8_lossy(text).contains("--cacert"))
    });
    if !is_there {
        println!("skipped: no {client} with TLS is installed");
    }
    is_there
}

/// Runs a client over TLS that believes `authority`; with the certificate `own`, if there is one.
fn run(
    client: &str,
    address: SocketAddr,
    authority: &Path,
    own: Option<&Path>,
    words: &[&str],
    input: &[u8],
) -> Output {
    let port = address.port().to_string();
    let mut command = Command::new(client);
    command.args(["--tls", "-h", "127.0.0.1", "-p", &port, "--cacert"]);
    command.arg(authority);
    if let Some(own) = own {
        command.arg("--cert").arg(own.with_extension("pem"));
        command.arg("--key").arg(own.with_extension("key"));
    }
    let mut child = command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[tokio::test]
async fn clients_speak_tls() {
    if !has("redis-cli") || !has("redis-benchmark") {
        return;
    }
    let folder = folder();
    let authority = Authority::new();
    let ca = authority.write(folder.path(), "ca.pem");
    authority.sign(folder.path(), "server");
    let node = start(folder.path(), "").await;
    let address = secured(&node);
    let ask =
        |words: &[&str], input: &[u8]| text(&run("redis-cli", address, &ca, None, words, input));
    assert_eq!(ask(&["ping"], b""), "PONG\n");
    let large = "x".repeat(3_000_000);
    assert_eq!(ask(&["-x", "set", "large"], large.as_bytes()), "OK\n");
    let found = ask(&["get", "large"], b"");
    assert_eq!(
        (found.len(), found.trim_end() == large),
        (large.len() + 1, true)
    );
    // Many clients, many commands at a time.
    let words = ["-n", "20000", "-c", "20", "-P", "16", "-t", "set,get", "-q"];
    let said = run("redis-benchmark", address, &ca, None, &words, b"");
    assert!(said.status.success(), "{}", text(&said));
    assert!(text(&said).contains("GET: "), "{}", text(&said));
    // The plain port goes on, and knows the same keys.
    let mut plain = crate::store::Client::connect(node.listener("store").unwrap());
    assert_eq!(plain.ask("strlen large"), ":3000000");
    // One who does not believe the store's certificate gets nowhere.
    let other = Authority::new().write(folder.path(), "other.pem");
    let said = run("redis-cli", address, &other, None, &["ping"], b"");
    assert!(!text(&said).contains("PONG"), "{}", text(&said));
}

#[tokio::test]
async fn clients_have_certificates() {
    if !has("redis-cli") {
        return;
    }
    let folder = folder();
    let authority = Authority::new();
    let ca = authority.write(folder.path(), "ca.pem");
    authority.sign(folder.path(), "server");
    authority.sign(folder.path(), "client");
    let stranger = Authority::new();
    stranger.write(folder.path(), "stranger-ca.pem");
    stranger.sign(folder.path(), "stranger");
    let own = folder.path().join("client");
    let foreign = folder.path().join("stranger");
    let key = format!("client-ca-file = \"{}\"", ca.display());
    for (more, without) in [("", false), ("\nclient-certificates = \"optional\"", true)] {
        let node = start(folder.path(), &format!("{key}{more}")).await;
        let ping = |own: Option<&Path>| {
            let said = run("redis-cli", secured(&node), &ca, own, &["ping"], b"");
            text(&said) == "PONG\n"
        };
        assert!(ping(Some(&own)));
        assert!(!ping(Some(&foreign)));
        assert_eq!(ping(None), without);
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_over_by_a_reload() {
    if !has("redis-cli") {
        return;
    }
    let folder = folder();
    let (first, second) = (Authority::new(), Authority::new());
    let old = first.write(folder.path(), "first.pem");
    let new = second.write(folder.path(), "second.pem");
    first.sign(folder.path(), "server");
    let node = start(folder.path(), "").await;
    let ping = |authority: &Path| {
        let said = run("redis-cli", secured(&node), authority, None, &["ping"], b"");
        text(&said) == "PONG\n"
    };
    assert!(ping(&old) && !ping(&new));
    let admin = format!("http://{}", node.listener("admin").unwrap());
    let token = node.data_dir().to_owned();
    let reload = || atlas(&["reload", "--admin", &admin]).data_dir(&token);
    second.sign(folder.path(), "server");
    assert_words!("store_tls_reload", said(reload()).await);
    assert!(ping(&new) && !ping(&old));
    // One that cannot be used changes nothing.
    std::fs::write(folder.path().join("server.key"), "nothing").unwrap();
    assert_words!("store_tls_reload_wrong", said(reload()).await);
    assert!(ping(&new));
}

#[tokio::test]
async fn who_does_not_shake_hands_is_disconnected() {
    let folder = folder();
    let authority = Authority::new();
    authority.write(folder.path(), "ca.pem");
    authority.sign(folder.path(), "server");
    let node = start(folder.path(), "handshake-timeout = \"300ms\"").await;
    // Silence, the beginning of a handshake, and no TLS at all.
    for (bytes, soon) in [
        (&b""[..], false),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false),
        (b"*1\r\n$4\r\nPING\r\n", true),
    ] {
        let mut stream = TcpStream::connect(secured(&node)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let begun = Instant::now();
        stream.write_all(bytes).unwrap();
        let mut said = Vec::new();
        // Closed, perhaps with an alert before; never an answer.
        let _ = stream.read_to_end(&mut said);
        assert!(begun.elapsed() < Duration::from_secs(15));
        assert!(soon || begun.elapsed() >= Duration::from_millis(250));
        assert!(!String::from_utf8_lossy(&said).contains("PONG"));
    }
}

#[tokio::test]
async fn what_cannot_be_tls_is_named() {
    let folder = folder();
    let authority = Authority::new();
    authority.write(folder.path(), "ca.pem");
    authority.sign(folder.path(), "server");
    authority.sign(folder.path(), "other");
    let at = |name: &str| folder.path().join(name);
    let run = |more: &str| {
        let file = config(folder.path(), more);
        said(atlas(&["store", "--log", "off"]).file("atlas.toml", file))
    };
    assert_words!(
        "store_tls_no_authority",
        run("client-ca-file = \"/nowhere/ca.pem\"").await
    );
    std::fs::copy(at("other.key"), at("server.key")).unwrap();
    assert_words!("store_tls_other_key", run("").await);
    std::fs::write(at("server.pem"), "no certificate\n").unwrap();
    assert_words!("store_tls_no_certificate", run("").await);
    let file = format!(
        "[store.tls]\ncertificate-file = \"{}\"\nlisten = \"127.0.0.1:6379\"\nhandshake-timeout = \"0s\"\n",
        at("server.pem").display()
    );
    let start = atlas(&["store"]).file("atlas.toml", file);
    assert_words!("store_tls_impossible", said(start).await);
}
