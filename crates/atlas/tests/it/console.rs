//! The console beside a living demo; also the picture in the README.

use std::path::Path;

use atlas_testkit::{Browser, Scheme, Viewport, eventually_async};

use crate::demo::{ANY_PORTS, demo, pid_of};
use crate::support::{atlas, deadline};

/// Set to 1, the picture in the repository is made anew.
const UPDATE: &str = "ATLAS_UPDATE_IMAGES";

#[tokio::test]
async fn the_console_shows_the_demo_as_it_happens() {
    let Some(browser) = Browser::start(deadline()).await.unwrap() else {
        println!("skipped: no Chromium is installed");
        return;
    };
    let update = std::env::var(UPDATE).is_ok_and(|value| value == "1");
    // A picture is to show curves of some length.
    let changes = if update { 300 } else { 60 };
    let node = demo(60).await;
    let viewport = Viewport {
        scale: 1.5,
        ..Viewport::DESKTOP
    };
    let page = browser.page(viewport, deadline()).await.unwrap();
    page.prefer(Scheme::Dark, false, deadline()).await.unwrap();
    page.go(node.ready().console.as_deref().unwrap(), deadline())
        .await
        .unwrap();
    for name in ["northwest", "northeast", "southwest", "southeast"] {
        page.wait_for(
            &format!("document.body.innerText.includes('{name}')"),
            deadline(),
        )
        .await
        .unwrap();
    }
    // Everybody is there and has moved, so that there is something to see.
    let busy = eventually_async(deadline(), "a busy world", async || {
        let counted = node
            .admin()
            .unwrap()
            .get_json("/v1/demo", deadline())
            .await
            .unwrap();
        (counted["connected"] == 60 && counted["server_changes"].as_u64() >= Some(changes))
            .then_some(())
    });
    busy.await.unwrap();
    page.wait_for("document.body.innerText.includes('region')", deadline())
        .await
        .unwrap();
    assert_eq!(page.errors(), Vec::<String>::new());
    let picture = if update {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/console.png")
    } else {
        node.dir().join("console.png")
    };
    page.screenshot(&picture, deadline()).await.unwrap();
    assert!(
        std::fs::metadata(&picture).unwrap().len() > 20_000,
        "there is something to see"
    );
    browser.close(deadline()).await.unwrap();
}

#[tokio::test]
async fn a_server_is_drained_and_another_dies_before_the_readers_eyes() {
    let Some(browser) = Browser::start(deadline()).await.unwrap() else {
        println!("skipped: no Chromium is installed");
        return;
    };
    let node = demo(24).await;
    let page = browser.page(Viewport::DESKTOP, deadline()).await.unwrap();
    page.go(node.ready().console.as_deref().unwrap(), deadline())
        .await
        .unwrap();
    let row = |server: &str| {
        format!(
            "[...document.querySelectorAll('#servers-rows tr')].find((row) => \
             row.firstElementChild.textContent === '{server}')"
        )
    };
    let wait = async |expression: String| page.wait_for(&expression, deadline()).await.unwrap();
    wait(format!(
        "{}?.textContent.includes('healthy')",
        row("northwest")
    ))
    .await;
    wait("document.getElementById('sessions-now').textContent === '24'".to_owned()).await;

    let button = "#servers-rows button[aria-label*='northwest']";
    page.click(button, deadline()).await.unwrap();
    page.evaluate(
        "document.getElementById('drain-deadline').value = '10s'",
        deadline(),
    )
    .await
    .unwrap();
    page.click("#drain-confirm", deadline()).await.unwrap();
    wait(format!(
        "/drained.*empty/.test({}.textContent)",
        row("northwest")
    ))
    .await;
    wait("[...document.querySelectorAll('#feed-rows .reason')].some((e) => e.textContent === 'drain')".to_owned())
        .await;
    page.click(button, deadline()).await.unwrap();
    wait(format!(
        "{}.textContent.includes('active')",
        row("northwest")
    ))
    .await;

    let busy = format!(
        "/[1-9]\\d*, no limit/.test({}.textContent)",
        row("southeast")
    );
    wait(busy).await;
    let pid = pid_of(&node.stdout(), "southeast").unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    wait("document.querySelector('#feed-rows .failover') !== null".to_owned()).await;
    // Not a word in the browser's log, and nobody was closed.
    assert_eq!(page.errors(), Vec::<String>::new());
    let admin = node.admin().unwrap();
    assert_eq!(
        admin.get_json("/v1/demo", deadline()).await.unwrap()["closed"],
        0
    );
    browser.close(deadline()).await.unwrap();
}

#[tokio::test]
async fn beside_an_edge_without_a_demo_the_browsers_log_stays_empty() {
    let Some(browser) = Browser::start(deadline()).await.unwrap() else {
        println!("skipped: no Chromium is installed");
        return;
    };
    let node = atlas(&["edge"])
        .file("atlas.toml", ANY_PORTS)
        .start(deadline())
        .await
        .unwrap();
    let page = browser.page(Viewport::PHONE, deadline()).await.unwrap();
    page.go(node.ready().console.as_deref().unwrap(), deadline())
        .await
        .unwrap();
    page.wait_for(
        "document.body.dataset.stream === 'live' && document.getElementById('check').hidden && \
         performance.getEntriesByName(new URL('/v1/demo', location).href).length > 0",
        deadline(),
    )
    .await
    .unwrap();
    assert_eq!(page.errors(), Vec::<String>::new());
    browser.close(deadline()).await.unwrap();
}
