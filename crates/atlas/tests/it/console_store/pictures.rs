//! Pictures of the store's page, for people to look at.

use std::path::{Path, PathBuf};

use atlas_testkit::{Scheme, Viewport};

use super::stage::{Stage, fill_with_examples};
use crate::store::Client;
use crate::support::deadline;

/// Pictures for people: `ATLAS_PICTURES=DIR cargo test -p atlas pictures_of_the_store`; `ATLAS_UPDATE_IMAGES=1` makes the
/// one in the book anew.
#[tokio::test]
async fn pictures_of_the_store() {
    let Some(stage) = Stage::open(
        Viewport {
            scale: 1.5,
            ..Viewport::DESKTOP
        },
        async |client, _| fill_with_examples(client),
    )
    .await
    else {
        return;
    };
    let wanted = std::env::var_os("ATLAS_PICTURES").map(PathBuf::from);
    let update = std::env::var("ATLAS_UPDATE_IMAGES").is_ok_and(|value| value == "1");
    let is_for_people = wanted.is_some() || update;
    let folder =
        wanted.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("store-pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    // Somebody works with the store meanwhile, so that there are curves.
    let address = stage.node.listener("store").unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let load = std::thread::spawn(move || {
        let mut client = Client::connect(address);
        client.ask("client setname game-west");
        let mut number = 0_u64;
        while stopped.try_recv().is_err() {
            number += 1;
            client.ask(&format!("incr counter:{}", number % 7));
            client.ask("get motd");
            client.ask("hget player:ann level");
            for _ in 0..number % 1000 / 50 {
                client.ask("ping");
            }
        }
    });
    let samples = if is_for_people { 30 } else { 2 };
    stage.click("#snapshot-take").await;
    stage.fill("#keys-pattern", "player:*").await;
    stage.choose("player:ann").await;
    stage.wait_text("#value-body", "oslo").await;
    stage.fill("#keys-pattern", "").await;
    stage.wait(&format!("(document.querySelector('#rate-spark .spark-line').getAttribute('d') ?? '').split('L').length >= {samples}")).await;
    stage.value("scrollTo(0, 0)").await;
    for (name, scheme) in [("light", Scheme::Light), ("dark", Scheme::Dark)] {
        stage.page.prefer(scheme, true, deadline()).await.unwrap();
        stage
            .page
            .screenshot(&folder.join(format!("store-{name}.png")), deadline())
            .await
            .unwrap();
        stage
            .page
            .screenshot_whole(&folder.join(format!("store-{name}-whole.png")), deadline())
            .await
            .unwrap();
    }
    if update {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/store.png");
        stage.page.screenshot(&file, deadline()).await.unwrap();
    }
    stage.click("[aria-label='Edit city']").await;
    stage
        .page
        .screenshot(&folder.join("store-edit.png"), deadline())
        .await
        .unwrap();
    stage.fill("#ask-field-value", "bergen").await;
    stage.click("#ask-confirm").await;
    stage
        .page
        .screenshot(&folder.join("store-review.png"), deadline())
        .await
        .unwrap();
    stage.page.press("Escape", deadline()).await.unwrap();
    stage.click("#value-delete").await;
    stage
        .page
        .screenshot(&folder.join("store-delete.png"), deadline())
        .await
        .unwrap();
    stage.page.press("Escape", deadline()).await.unwrap();
    stop.send(()).unwrap();
    load.join().unwrap();
    stage.end().await;

    let phone = Viewport {
        width: 400,
        ..Viewport::PHONE
    };
    let Some(stage) = Stage::open(phone, async |client, _| fill_with_examples(client)).await else {
        return;
    };
    stage.fill("#keys-pattern", "player:*").await;
    stage.choose("player:ann").await;
    stage.wait_text("#value-body", "oslo").await;
    stage.fill("#keys-pattern", "").await;
    stage.value("scrollTo(0, 0)").await;
    stage
        .page
        .screenshot(&folder.join("store-phone.png"), deadline())
        .await
        .unwrap();
    stage
        .page
        .screenshot_whole(&folder.join("store-phone-whole.png"), deadline())
        .await
        .unwrap();
    stage
        .page
        .prefer(Scheme::Dark, true, deadline())
        .await
        .unwrap();
    stage.click("#keys-new").await;
    stage
        .page
        .screenshot(&folder.join("store-phone-new.png"), deadline())
        .await
        .unwrap();
    stage.end().await;
}
