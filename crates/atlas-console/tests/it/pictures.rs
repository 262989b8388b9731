//! Pictures of the console, for people to look at: `ATLAS_PICTURES=DIR cargo test -p atlas-console pictures`.

use std::path::{Path, PathBuf};

use atlas_testkit::{Browser, Deadline, Scheme, Viewport};
use serde_json::json;

use crate::mock::Mock;

#[tokio::test]
async fn pictures() {
    let deadline = Deadline::seconds(180);
    let Some(browser) = Browser::start(deadline).await.unwrap() else {
        println!("skipped: no chromium or google-chrome in PATH");
        return;
    };
    let wanted = std::env::var_os("ATLAS_PICTURES").map(PathBuf::from);
    // For people the little charts are given time to show something.
    let samples = if wanted.is_some() { 24 } else { 2 };
    let folder = wanted.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    let enough = format!(
        "document.querySelectorAll('#feed-rows tr').length >= 4 && (document.querySelector('#in-spark .spark-line')\
         .getAttribute('d') ?? '').split('L').length >= {samples}"
    );

    let mock = Mock::start(true).await;
    mock.demo(Some(json!({
        "players": 60, "connected": 60, "sent": 48_213, "answered": 48_209, "lost": 0, "doubled": 0, "reordered": 0,
        "closed": 0, "answer_ms": { "p50": 0.6, "p99": 3.9, "max": 11.2 }, "server_changes": 214,
    })));
    let desktop = Viewport {
        scale: 1.5,
        ..Viewport::DESKTOP
    };
    for (size, viewport) in [("desktop", desktop), ("phone", Viewport::PHONE)] {
        let page = browser.page(viewport, deadline).await.unwrap();
        page.go(&mock.url(), deadline).await.unwrap();
        for (theme, scheme) in [("light", Scheme::Light), ("dark", Scheme::Dark)] {
            page.prefer(scheme, false, deadline).await.unwrap();
            page.wait_for(&enough, deadline).await.unwrap();
            mock.transfer(3, 2, "admin", "aborted");
            for anchor in ["overview", "check", "servers", "sessions"] {
                let title = format!("document.getElementById('{anchor}-title')");
                let scroll = format!("{title}.scrollIntoView({{ behavior: 'instant' }})");
                page.evaluate(&scroll, deadline).await.unwrap();
                let file = folder.join(format!("{size}-{theme}-{anchor}.png"));
                page.screenshot(&file, deadline).await.unwrap();
            }
            page.evaluate("scrollTo({ top: 0, behavior: 'instant' })", deadline)
                .await
                .unwrap();
            page.screenshot(&folder.join(format!("{size}-{theme}.png")), deadline)
                .await
                .unwrap();
        }
        assert_eq!(page.errors(), Vec::<String>::new());
    }

    // States that are not seen each day: a server that is down, a chosen player, the dialog, a lost stream.
    let mut page = browser
        .page(
            Viewport {
                width: 900,
                ..desktop
            },
            deadline,
        )
        .await
        .unwrap();
    page.prefer(Scheme::Light, true, deadline).await.unwrap();
    page.go(&mock.url(), deadline).await.unwrap();
    mock.server(2, "down", "down");
    mock.drain(1, 9, 6);
    mock.drain(3, 0, 15);
    mock.transfer(7, 0, "failover", "done");
    page.wait_for(
        "document.querySelectorAll('#servers-rows .down').length > 0",
        deadline,
    )
    .await
    .unwrap();
    page.wait_for(
        "document.querySelectorAll('#sessions-rows tr').length > 0",
        deadline,
    )
    .await
    .unwrap();
    page.wait_for(
        "document.querySelector('[aria-label^=\"World map, 60 players\"]')",
        deadline,
    )
    .await
    .unwrap();
    page.evaluate("document.getElementById('map-canvas').focus()", deadline)
        .await
        .unwrap();
    page.press("ArrowRight", deadline).await.unwrap();
    mock.transfer(5, 0, "region", "done");
    page.wait_for(
        "document.getElementById('feed-rows').childElementCount > 0",
        deadline,
    )
    .await
    .unwrap();
    page.screenshot(&folder.join("states-map.png"), deadline)
        .await
        .unwrap();
    let servers =
        "document.getElementById('servers-title').scrollIntoView({ behavior: 'instant' })";
    for (name, scheme) in [("light", Scheme::Light), ("dark", Scheme::Dark)] {
        page.prefer(scheme, true, deadline).await.unwrap();
        page.evaluate(servers, deadline).await.unwrap();
        let file = folder.join(format!("states-servers-{name}.png"));
        page.screenshot(&file, deadline).await.unwrap();
    }
    let button = "#servers-rows tr:first-child button";
    page.click(button, deadline).await.unwrap();
    page.screenshot(&folder.join("states-drain.png"), deadline)
        .await
        .unwrap();
    page.press("Escape", deadline).await.unwrap();
    page.resize(Viewport::PHONE, deadline).await.unwrap();
    page.evaluate(servers, deadline).await.unwrap();
    page.screenshot(&folder.join("states-servers-phone.png"), deadline)
        .await
        .unwrap();
    page.resize(
        Viewport {
            width: 900,
            ..desktop
        },
        deadline,
    )
    .await
    .unwrap();
    page.prefer(Scheme::Light, true, deadline).await.unwrap();
    page.evaluate(
        "scrollTo({ top: 0, behavior: 'instant' }); document.getElementById('map-canvas').focus()",
        deadline,
    )
    .await
    .unwrap();
    page.press("ArrowRight", deadline).await.unwrap();
    page.press("Enter", deadline).await.unwrap();
    page.wait_for("document.getElementById('move').open", deadline)
        .await
        .unwrap();
    page.screenshot(&folder.join("states-dialog.png"), deadline)
        .await
        .unwrap();
    page.press("Escape", deadline).await.unwrap();
    mock.demo(Some(json!({
        "players": 60, "connected": 58, "sent": 48_213, "answered": 48_209, "lost": 3, "doubled": 1, "reordered": 0,
        "closed": 2, "answer_ms": { "p50": 0.6, "p99": 130.2, "max": 411.2 }, "server_changes": 214,
    })));
    page.wait_for(
        "document.querySelectorAll('#check dd.bad').length === 3",
        deadline,
    )
    .await
    .unwrap();
    drop(mock);
    page.wait_for("document.body.dataset.stream === 'lost'", deadline)
        .await
        .unwrap();
    page.screenshot_whole(&folder.join("states-lost.png"), deadline)
        .await
        .unwrap();
    browser.close(deadline).await.unwrap();
}
