//! The console beside a living demo; also the picture in the README.

use std::path::Path;

use atlas_testkit::{Browser, Scheme, Viewport, eventually_async};

use crate::demo::demo;
use crate::support::deadline;

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
