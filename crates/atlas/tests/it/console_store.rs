//! The store's page in a real browser, beside a real store.

mod pictures;
mod stage;

use atlas_testkit::{Browser, Viewport};
use serde_json::{Value, json};

use crate::demo::ANY_PORTS;
use crate::store::{Client, SmallDisk, fill_disk};
use crate::support::{atlas, deadline};
use stage::{Stage, fill_with_examples, make};

#[tokio::test]
async fn keys_are_browsed_page_by_page_and_found() {
    let Some(mut stage) = Stage::open(Viewport::DESKTOP, async |client, _| {
        for number in 0..120 {
            client.ask(&format!("set user:{number} name-{number} ex 5000"));
        }
        client.ask("rpush queue first second third");
        client.ask("select 2");
        client.ask("hset profile name ann city oslo");
        client.ask("select 0");
    })
    .await
    else {
        return;
    };
    stage
        .wait("document.querySelectorAll('.key-name').length === 25")
        .await;
    assert_eq!(stage.text("#keys-now").await, "122");
    let mut seen = stage.keys().await;
    while stage
        .value("!document.getElementById('keys-next').disabled")
        .await
        == true
    {
        let before = stage.text("#keys-range").await;
        stage.click("#keys-next").await;
        let before = Value::from(before);
        stage.wait(&format!("document.getElementById('keys-range').textContent !== {before} && document.getElementById('keys-stop').hidden")).await;
        seen.extend(stage.keys().await);
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(
        (seen.len(), distinct.len()),
        (121, 121),
        "all of them, each once"
    );
    stage.click("#keys-back").await;
    stage
        .wait("!document.getElementById('keys-next').disabled")
        .await;

    // By pattern, by type, by name; nothing.
    stage.fill("#keys-pattern", "user:11?").await;
    stage
        .wait("document.querySelectorAll('.key-name').length === 10")
        .await;
    stage.fill("#keys-pattern", "").await;
    stage.fill("#keys-type", "list").await;
    stage
        .wait("document.querySelectorAll('.key-name').length === 1")
        .await;
    assert_eq!(stage.keys().await, ["queue"]);
    stage.fill("#keys-type", "").await;
    stage.fill("#keys-pattern", "ser:7").await;
    stage
        .wait_text("#keys-empty", "No key has exactly this name.")
        .await;
    stage.click("#keys-empty button").await;
    stage
        .wait("document.querySelectorAll('.key-name').length === 11")
        .await;

    // What one holds.
    stage.choose("user:7").await;
    stage.wait_text("#value-about", "string · 6 B").await;
    stage
        .wait_text("#value-about", "expires in 1 h 23 min")
        .await;
    stage.wait_text("#value-body pre", "name-7").await;
    // Another database.
    stage.fill("#keys-pattern", "").await;
    stage.fill("#keys-database", "2").await;
    stage
        .wait("document.querySelectorAll('.key-name').length === 1")
        .await;
    stage.wait_text("#value-title", "No key chosen").await;
    stage.choose("profile").await;
    stage.wait_text("#value-about", "hash · 2 fields").await;
    stage.wait_text("#value-about", "database 2").await;
    stage.wait_text("#value-body", "oslo").await;
    // It goes while somebody looks.
    stage.client.ask("select 2");
    stage.client.ask("del profile");
    stage.click("#value-refresh").await;
    stage.wait_text("#value-about", "is gone").await;
    stage.wait_text("#keys-empty", "holds no keys").await;
    // The one failed load on the way is the browser's own line.
    stage.page.clear_errors();
    stage.end().await;
}

#[tokio::test]
async fn values_are_edited_with_a_second_look() {
    let Some(mut stage) = Stage::open(Viewport::DESKTOP, async |client, _| {
        client.ask("set greeting hello");
        client.ask("hset profile name ann city oslo");
        client.ask("rpush queue a b a");
        client.ask("sadd tags red green");
        client.ask("zadd board 1 ann 2 bob");
    })
    .await
    else {
        return;
    };
    stage.choose("greeting").await;
    stage.click("#value-body .actions button").await;
    stage
        .wait("document.activeElement.id === 'ask-field-value'")
        .await;
    // Nothing is done without a change, nor by the first step.
    stage.click("#ask-confirm").await;
    stage.wait_text("#ask-notice", "Nothing is changed.").await;
    stage.fill("#ask-field-value", "good day\nto you").await;
    stage.click("#ask-confirm").await;
    stage.wait_text("#ask-words", "it was “hello”, 5 B").await;
    assert_eq!(stage.client.ask("get greeting"), "hello");
    stage.click("#ask-cancel").await;
    stage
        .wait("!document.getElementById('ask-fields').hidden")
        .await;
    stage.confirm().await;
    stage.wait_text("#value-body pre", "good day\nto you").await;
    stage.wait_text("#value-notice", "Saved.").await;
    // Somebody else was faster: nothing is done, and it is said.
    stage.click("#value-body .actions button").await;
    stage.fill("#ask-field-value", "mine").await;
    assert_eq!(stage.client.ask("set greeting theirs"), "+OK");
    stage.click("#ask-confirm").await;
    stage.click("#ask-confirm").await;
    stage
        .wait_text(
            "#ask-notice",
            "Not done: it has been changed since it was read",
        )
        .await;
    stage.page.clear_errors();
    assert_eq!(stage.client.ask("get greeting"), "theirs");
    stage.click("#ask-cancel").await;
    stage.click("#ask-cancel").await;

    // A field, an element, a member, a score.
    stage.choose("profile").await;
    stage.click("[aria-label='Edit city']").await;
    stage.fill("#ask-field-value", "bergen").await;
    stage.confirm().await;
    stage.wait_text("#value-body", "bergen").await;
    stage.click("#value-add").await;
    stage.fill("#ask-field-name", "age").await;
    stage.fill("#ask-field-value", "30").await;
    stage.confirm().await;
    assert_eq!(stage.client.ask("hget profile age"), "30");
    stage.choose("queue").await;
    stage.click("[aria-label='Remove element 2']").await;
    stage
        .wait("document.activeElement.id === 'ask-cancel'")
        .await;
    stage.wait_text("#ask-words", "for good").await;
    stage.click("#ask-confirm").await;
    stage.wait_text("#value-about", "list · 2 elements").await;
    assert_eq!(stage.client.ask("lindex queue 0"), "a");
    stage.choose("tags").await;
    stage.click("[aria-label='Remove red']").await;
    stage.click("#ask-confirm").await;
    stage.wait_text("#value-about", "1 member").await;
    stage.choose("board").await;
    stage.click("[aria-label='Edit bob']").await;
    stage.fill("#ask-field-score", "-1.5").await;
    stage.confirm().await;
    assert_eq!(stage.client.ask("zrank board bob"), ":0");

    // Expiry, name, end; and a new one.
    stage.click("#value-ttl").await;
    stage.fill("#ask-field-ttl", "soon").await;
    stage.click("#ask-confirm").await;
    stage
        .wait_text("#ask-notice", "a number and its unit")
        .await;
    stage.fill("#ask-field-ttl", "2 h").await;
    stage.confirm().await;
    stage
        .wait_text("#value-about", "expires in 1 h 59 min")
        .await;
    stage.click("#value-ttl").await;
    stage.fill("#ask-field-ttl", "").await;
    stage.confirm().await;
    stage.wait_text("#value-about", "does not expire").await;
    stage.click("#value-rename").await;
    stage.fill("#ask-field-to", "leaders").await;
    stage.confirm().await;
    stage.wait_text("#value-title", "leaders").await;
    stage.wait("[...document.querySelectorAll('.key-name')].some((e) => e.textContent === 'leaders' && e.getAttribute('aria-current'))").await;
    stage.click("#value-delete").await;
    stage
        .wait("document.activeElement.id === 'ask-cancel'")
        .await;
    stage.page.press("Escape", deadline()).await.unwrap();
    stage.wait("!document.getElementById('ask').open").await;
    assert_eq!(stage.client.ask("exists leaders"), ":1");
    stage.click("#value-delete").await;
    stage.click("#ask-confirm").await;
    stage
        .wait_text("#value-about", "“leaders” is deleted.")
        .await;
    assert_eq!(stage.client.ask("exists leaders"), ":0");
    stage
        .wait(
            "![...document.querySelectorAll('.key-name')].some((e) => e.textContent === 'leaders')",
        )
        .await;
    stage.click("#keys-new").await;
    stage.fill("#ask-field-key", "fresh").await;
    stage.fill("#ask-field-type", "zset").await;
    stage
        .wait("document.getElementById('ask-field-value').parentElement.hidden")
        .await;
    stage.fill("#ask-field-name", "carl").await;
    stage.fill("#ask-field-score", "7").await;
    stage.confirm().await;
    stage.wait_text("#value-title", "fresh").await;
    assert_eq!(stage.client.ask("zscore fresh carl"), "7");
    stage.end().await;
}

#[tokio::test]
async fn hostile_names_and_values_are_only_text() {
    let script = "<script>window.hurt = 1</script>";
    let image = "<img src=x onerror='window.hurt = 1'>";
    let Some(mut stage) = Stage::open(Viewport::DESKTOP, async |client, admin| {
        make(admin, json!({"key": script, "type": "hash", "name": image, "value": script})).await;
        make(admin, json!({"key": "tricky\u{202e}gpj.exe\n\u{0}", "type": "string", "value": "a\r\nb"})).await;
        make(admin, json!({"key": {"base64": "/wCAPHNjcmlwdD4="}, "type": "list", "value": {"base64": "AP8="}})).await;
        make(admin, json!({"key": "", "type": "set", "name": "javascript:alert(1)"})).await;
        make(admin, json!({"key": "__proto__", "type": "string", "value": {"base64": "AP9B"}})).await;
        client.ask("config set slowlog-log-slower-than 0");
        assert_eq!(client.ask(&format!("set slow \"{image}\"")), "+OK");
        client.ask("config set slowlog-log-slower-than -1");
        client.ask("client setname <b>bold</b>");
    })
    .await
    else {
        return;
    };
    stage
        .wait("document.querySelectorAll('.key-name').length === 6")
        .await;
    let mut keys = stage.keys().await;
    keys.sort();
    let wanted = [
        "(the empty name)",
        script,
        "\\xff\\x00\\x80<script>",
        "__proto__",
        "slow",
        "tricky\\u202egpj.exe\\n\\0",
    ];
    assert_eq!(keys, wanted);
    stage.choose(script).await;
    stage.wait_text("#value-body .item-name", image).await;
    stage.wait_text("#value-body .item-value", script).await;
    // Through every dialog with it.
    stage.click("#value-body [aria-label^='Edit']").await;
    stage.fill("#ask-field-value", image).await;
    stage.confirm().await;
    stage.wait_text("#value-body .item-value", image).await;
    stage.click("#value-delete").await;
    stage.wait_text("#ask-words", "<script>").await;
    stage.click("#ask-confirm").await;
    stage.wait_text("#value-about", "is deleted").await;

    // What a text field would change is edited as bytes, and comes back whole.
    stage.choose("tricky\\u202egpj.exe\\n\\0").await;
    stage.wait_text("#value-body pre", "a\\r\nb").await;
    stage.click("#value-body .actions button").await;
    assert_eq!(
        stage
            .value("document.getElementById('ask-field-value').value")
            .await,
        "61 0d 0a 62"
    );
    stage.fill("#ask-field-value", "61 0d 0a 6").await;
    stage.click("#ask-confirm").await;
    stage
        .wait_text("#ask-notice", "no bytes in hexadecimal")
        .await;
    stage.fill("#ask-field-value", "61 0d 0a 63 ff").await;
    stage.confirm().await;
    stage.wait_text("#value-body pre", "61 0d 0a 63 ff").await;
    // Bytes in a list, and a key that is no text.
    stage.choose("\\xff\\x00\\x80<script>").await;
    stage
        .wait_text("#value-body .item-value", "\\x00\\xff")
        .await;
    stage.click("[aria-label='Edit element 0']").await;
    stage.fill("#ask-field-value", "68 69").await;
    stage.confirm().await;
    stage.wait_text("#value-body .item-value", "hi").await;
    stage.choose("(the empty name)").await;
    stage.wait_text("#value-body", "javascript:alert(1)").await;
    stage.choose("__proto__").await;
    stage.wait_text("#value-body pre", "00 ff 41").await;
    // The tables below.
    stage.wait_text("#slow-rows", image).await;
    stage.wait_text("#clients-rows", "<b>bold</b>").await;
    assert_eq!(stage.value("window.hurt === undefined && document.querySelector('main img, main b, main script') === null").await, true);
    assert_eq!(stage.client.ask("dbsize"), ":5");
    stage.end().await;
}

#[tokio::test]
async fn commands_slow_ones_clients_and_snapshots_are_shown() {
    let Some(mut stage) = Stage::open(Viewport::DESKTOP, async |client, _| {
        client.ask("client setname worker-1");
        for number in 0..30 {
            client.ask(&format!("set key:{number} {number}"));
        }
        client.ask("incr queue");
        client.ask("lpush queue 1");
    })
    .await
    else {
        return;
    };
    stage.wait_text("#commands-rows", "client setname").await;
    let row = "[...document.querySelectorAll('#commands-rows tr')].find((row) => row.cells[0].textContent === 'set')";
    stage
        .wait(&format!("{row}.cells[2].textContent === '30'"))
        .await;
    stage.wait_text("#clients-rows", "worker-1").await;
    stage.wait_text("#clients-rows", "admin-api").await;
    stage.wait_text("#rate-now", "/s").await;
    stage.wait_text("#snapshot-now", "none").await;
    stage.click("#snapshot-take").await;
    stage
        .wait_text("#durable-notice", "A snapshot begins.")
        .await;
    stage.wait_text("#snapshot-now", " s").await;
    stage
        .wait_text("#durable-facts", "before each answer")
        .await;

    stage
        .wait_text("#slow-empty", "No command took that long.")
        .await;
    stage.client.ask("config set slowlog-log-slower-than 0");
    stage.client.ask("mget key:1 key:2");
    for _ in 0..4 {
        stage.client.receive();
    }
    stage.client.ask("config set slowlog-log-slower-than -1");
    stage.wait_text("#slow-rows", "mget key:1 key:2").await;
    stage.wait_text("#slow-rows", "worker-1").await;
    stage.click("#slow-forget").await;
    stage.click("#ask-confirm").await;
    stage
        .wait_text("#slow-notice", "The slow log is empty now.")
        .await;
    stage
        .wait("!document.getElementById('slow-empty').hidden")
        .await;
    stage.wait_text("#slow-empty", "The slow log is off").await;
    assert_eq!(stage.client.ask("slowlog len"), ":0");
    stage.end().await;
}

#[tokio::test]
async fn a_store_that_is_lost_or_refuses_is_seen_at_once() {
    let Some(mut stage) = Stage::open(Viewport::DESKTOP, async |client, _| {
        client.ask("set greeting hello");
    })
    .await
    else {
        return;
    };
    // A sign-in that is gone.
    let foreign = "document.cookie.length";
    assert_eq!(stage.value(foreign).await, 0, "no script reads the sign-in");
    let cookies = stage
        .page
        .call("Network.clearBrowserCookies", json!({}), deadline())
        .await;
    cookies.unwrap();
    stage.wait_text("#link-text", "Signed out").await;
    stage.wait_text("#banner-text", "wants a sign-in").await;
    stage.page.clear_errors();
    stage.sign_in().await;
    stage.wait_text("#link-text", "Live").await;
    // A node that is away.
    stage.node.signal(atlas_testkit::Signal::KILL).unwrap();
    stage.node.wait(deadline()).await.unwrap();
    stage.wait_text("#link-text", "Lost").await;
    stage
        .wait_text("#banner-text", "the node cannot be reached")
        .await;
    stage.page.clear_errors();
    stage.end().await;

    // A disk that is full.
    let Some(disk) = SmallDisk::mount("12m") else {
        println!("skipped: mounting a small disk needs root");
        return;
    };
    let file = "[store]\nlisten = \"127.0.0.1:0\"\nlog-segment-bytes = \"2MiB\"\nsnapshot-interval = \"0s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let node = atlas(&["store"])
        .file("atlas.toml", file)
        .data_dir(disk.0.path());
    let node = node.start(deadline()).await.unwrap();
    let mut client = Client::connect(node.listener("store").unwrap());
    fill_disk(&mut client);
    let browser = Browser::start(deadline()).await.unwrap().unwrap();
    let page = browser.page(Viewport::DESKTOP, deadline()).await.unwrap();
    page.go(node.ready().console.as_deref().unwrap(), deadline())
        .await
        .unwrap();
    let wait = async |expression: &str| page.wait_for(expression, deadline()).await.unwrap();
    wait("document.getElementById('trouble').textContent.includes('the disk of the log is full')")
        .await;
    wait("document.getElementById('log-under').textContent === 'writes are refused'").await;
    wait("document.querySelector('.key-name')").await;
    page.click(".key-name", deadline()).await.unwrap();
    wait("!document.getElementById('value-actions').hidden").await;
    page.click("#value-delete", deadline()).await.unwrap();
    wait(
        "document.getElementById('ask-confirm').disabled && \
          document.getElementById('ask-notice').textContent.includes('refuses writes now')",
    )
    .await;
    disk.resize("64m");
    wait("document.getElementById('trouble').hidden && !document.getElementById('ask-confirm').disabled").await;
    assert_eq!(page.errors(), Vec::<String>::new());
    browser.close(deadline()).await.unwrap();
}

#[tokio::test]
async fn nothing_is_wider_than_the_page_and_the_keyboard_reaches_it_all() {
    let Some(mut stage) = Stage::open(Viewport::PHONE, async |client, _| {
        fill_with_examples(client)
    })
    .await
    else {
        return;
    };
    stage.choose("player:ann").await;
    stage.wait_text("#value-body", "oslo").await;
    for width in [360, 400, 720, 721, 1080, 1280] {
        let viewport = Viewport {
            width,
            height: 740,
            scale: 1.0,
            phone: width < 700,
        };
        stage.page.resize(viewport, deadline()).await.unwrap();
        stage.wait(&format!("innerWidth === {width}")).await;
        let wide = "(() => { const limit = document.documentElement.clientWidth; \
            return [document.documentElement.scrollWidth - limit, ...[...document.querySelectorAll('main *, header *')] \
            .filter((e) => e.getBoundingClientRect().right > limit + 0.5 && !e.closest('.unseen, thead, .scroll, pre')) \
            .map((e) => e.outerHTML.slice(0, 80))]; })()";
        assert_eq!(stage.value(wide).await, json!([0]), "at {width}");
    }
    let focused = "(() => { const e = document.activeElement; const style = getComputedStyle(e); \
        return [e.id || e.className || e.tagName, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; })()";
    stage.value("document.querySelector('.skip').focus()").await;
    let mut reached = Vec::new();
    for _ in 0..90 {
        stage.page.press("Tab", deadline()).await.unwrap();
        let at = stage.value(focused).await;
        let name = at[0].as_str().unwrap().to_owned();
        if name == "BODY" {
            break;
        }
        assert_eq!(at[1], true, "the focus on {name} is not seen");
        reached.push(name);
    }
    for wanted in [
        "theme",
        "keys-pattern",
        "keys-type",
        "keys-database",
        "keys-new",
        "key-name",
        "value-ttl",
        "value-rename",
        "value-delete",
        "snapshot-take",
        "slow-forget",
        "slow-scroll",
    ] {
        assert!(
            reached.iter().any(|name| name == wanted),
            "{wanted} in {reached:?}"
        );
    }
    // Every control has a name.
    let nameless = "[...document.querySelectorAll('button, input, select, textarea')].filter((e) => \
        !e.textContent.trim() && !e.getAttribute('aria-label') && !document.querySelector(`label[for='${e.id}']`)).length";
    assert_eq!(stage.value(nameless).await, 0);
    stage.end().await;
}

#[tokio::test]
async fn a_node_with_both_roles_shows_the_way_and_one_without_a_store_does_not() {
    let Some(browser) = Browser::start(deadline()).await.unwrap() else {
        println!("skipped: no Chromium is installed");
        return;
    };
    let page = browser.page(Viewport::PHONE, deadline()).await.unwrap();
    let node = crate::demo::demo(4).await;
    page.go(node.ready().console.as_deref().unwrap(), deadline())
        .await
        .unwrap();
    let wait = async |expression: &str| page.wait_for(expression, deadline()).await.unwrap();
    wait("!document.getElementById('places').hidden && document.body.dataset.stream === 'live'")
        .await;
    // On a phone, too.
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    wait(fits).await;
    page.click("#places [data-role='store']", deadline())
        .await
        .unwrap();
    wait("location.pathname === '/store' && document.body.dataset.stream === 'live'").await;
    wait("document.getElementById('keys-empty').textContent.includes('holds no keys')").await;
    wait(fits).await;
    page.click("#places [data-role='edge']", deadline())
        .await
        .unwrap();
    wait("location.pathname === '/' && document.body.dataset.stream === 'live'").await;
    assert_eq!(page.errors(), Vec::<String>::new());

    let edge = atlas(&["edge"]).file("atlas.toml", ANY_PORTS);
    let edge = edge.start(deadline()).await.unwrap();
    page.go(edge.ready().console.as_deref().unwrap(), deadline())
        .await
        .unwrap();
    wait("document.body.dataset.stream === 'live' && document.getElementById('places').hidden")
        .await;
    assert_eq!(page.errors(), Vec::<String>::new());
    let address = edge.admin().unwrap().address();
    page.go(&format!("http://{address}/store"), deadline())
        .await
        .unwrap();
    wait("document.getElementById('banner-text').textContent === 'This node runs no store.'").await;
    page.clear_errors();
    browser.close(deadline()).await.unwrap();
}
