//! The files as a browser gets them: types, policy, validators.

use atlas_testkit::{Deadline, Http};

use crate::mock::Mock;

#[tokio::test]
async fn every_answer_carries_the_policy_and_a_validator() {
    let deadline = Deadline::seconds(10);
    let mock = Mock::start(false).await;
    let http = Http::new(mock.address);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/store", "text/html; charset=utf-8"),
        ("/console/main.js", "text/javascript; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/console/plex-sans.woff2", "font/woff2"),
        ("/console/icon.svg", "image/svg+xml"),
    ] {
        let reply = http.get(path, deadline).await.unwrap();
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(
            reply
                .header("content-security-policy")
                .unwrap()
                .starts_with("default-src 'self'; "),
            "{path}"
        );
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );

        let tag = reply.header("etag").unwrap();
        let again = http
            .clone()
            .with_header("if-none-match", tag)
            .get(path, deadline)
            .await
            .unwrap();
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), Some(tag), "{path}");
    }
}

#[tokio::test]
async fn other_names_are_not_found() {
    let deadline = Deadline::seconds(10);
    let mock = Mock::start(false).await;
    let http = Http::new(mock.address);
    for path in [
        "/console/",
        "/console/none.js",
        "/console/index.html",
        "/console/store.html",
        "/console/..%2fCargo.toml",
        "/index.html",
    ] {
        assert_eq!(
            http.get(path, deadline).await.unwrap().status,
            404,
            "{path}"
        );
    }
}
