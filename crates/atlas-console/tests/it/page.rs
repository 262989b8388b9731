//! What the page shows and takes, each test in a browser of its own; without one they say that they skip.

use atlas_testkit::{Browser, Deadline, Page, Scheme, Viewport};
use serde_json::{Value, json};

use crate::mock::Mock;

/// A page with the console, live.
struct Console {
    browser: Browser,
    page: Page,
    mock: Mock,
    deadline: Deadline,
}

impl Console {
    /// `None`, with a printed reason, where no browser is installed.
    async fn open(viewport: Viewport, moving: bool) -> Option<Self> {
        let deadline = Deadline::seconds(90);
        let Some(browser) = Browser::start(deadline).await.unwrap() else {
            println!("skipped: no chromium or google-chrome in PATH");
            return None;
        };
        let mock = Mock::start(moving).await;
        mock.demo(Some(demo(0)));
        let page = browser.page(viewport, deadline).await.unwrap();
        page.prefer(Scheme::Light, false, deadline).await.unwrap();
        page.go(&mock.url(), deadline).await.unwrap();
        let console = Self {
            browser,
            page,
            mock,
            deadline,
        };
        console
            .wait("document.body.dataset.stream === 'live'")
            .await;
        console
            .wait("document.querySelectorAll('#sessions-rows tr').length > 0")
            .await;
        console
            .wait("document.querySelector('[aria-label=\"World map, 60 players, 4 regions\"]')")
            .await;
        Some(console)
    }

    async fn wait(&self, expression: &str) {
        self.page.wait_for(expression, self.deadline).await.unwrap();
    }

    async fn wait_text(&self, selector: &str, part: &str) {
        let (selector, part) = (Value::from(selector), Value::from(part));
        self.wait(&format!(
            "document.querySelector({selector})?.textContent.includes({part})"
        ))
        .await;
    }

    async fn value(&self, expression: &str) -> Value {
        self.page.evaluate(expression, self.deadline).await.unwrap()
    }

    async fn text(&self, selector: &str) -> String {
        self.page.text(selector, self.deadline).await.unwrap()
    }

    async fn press(&self, key: &str) {
        self.page.press(key, self.deadline).await.unwrap();
    }

    async fn click(&self, selector: &str) {
        self.page.click(selector, self.deadline).await.unwrap();
    }

    /// Ends the browser; a script's error or a breach of the policy fails the test.
    async fn end(self) {
        assert_eq!(self.page.errors(), Vec::<String>::new());
        self.browser.close(self.deadline).await.unwrap();
    }
}

fn demo(lost: u64) -> Value {
    json!({
        "players": 60, "connected": 60, "sent": 1200, "answered": 1200 - lost, "lost": lost, "doubled": 0,
        "reordered": 0, "state_breaks": 0, "server_gaps": 0, "server_doubles": 0, "closed": 0, "dials_failed": 0,
        "answer_ms": { "p50": 0.6, "p99": 3.9, "max": 11.2 }, "server_changes": 21,
        "first_error": (lost > 0).then_some("p-4 has no answer to message 17"),
    })
}

#[tokio::test]
async fn regions_and_players_are_drawn_and_the_tables_are_filled() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    // Dots are opaque, regions are tinted: exact pixels of a server's colour are its players.
    let dots = "(() => {
        const style = getComputedStyle(document.documentElement);
        const canvas = document.getElementById('map-canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return [0, 1, 2, 3].map((slot) => {
            const wanted = style.getPropertyValue('--server-' + slot).match(/\\d+/g).map(Number);
            let found = 0;
            for (let at = 0; at < pixels.length; at += 4)
                if (wanted.every((part, index) => pixels[at + index] === part)) found += 1;
            return found;
        });
    })()";
    console
        .wait(&format!("{dots}.every((found) => found > 100)"))
        .await;
    // In the middle of each quarter lies its tint, and each is another.
    let tints = "(() => {
        const canvas = document.getElementById('map-canvas');
        const context = canvas.getContext('2d');
        const tint = (x, y) => context.getImageData(46 + (canvas.width - 47) * x, 7 + (canvas.height - 33) * y, 1, 1).data;
        return new Set([[.02, .02], [.98, .02], [.02, .98], [.98, .98]].map(([x, y]) => String(tint(x, y)))).size;
    })()";
    assert_eq!(console.value(tints).await, 4);

    assert_eq!(console.text("#sessions-now").await, "60");
    assert_eq!(console.text("#servers-under").await, "all healthy");
    assert_eq!(console.text("#sessions-range").await, "1 to 20 of 60");
    let servers = console.text("#servers-rows").await;
    for name in [
        "northwest",
        "northeast",
        "southwest",
        "southeast",
        "x −1,000 to 0, z 0 to 1,000",
    ] {
        assert!(servers.contains(name), "{name} in {servers}");
    }
    console.mock.server(1, "draining", "suspect");
    console
        .wait_text("#servers-under", "1 draining · 1 suspect")
        .await;
    console.wait_text("#servers-rows", "draining").await;
    console.end().await;
}

#[tokio::test]
async fn a_transfer_appears_in_the_feed_and_the_figures_move() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    assert!(console.text("#feed-empty").await.contains("No transfer"));
    let from = console.mock.server_of(7);
    console.mock.transfer(7, 3, "drain", "done");
    console
        .wait("document.querySelectorAll('#feed-rows tr').length === 1")
        .await;
    console.mock.transfer(8, 0, "region", "failed");
    console
        .wait("document.querySelectorAll('#feed-rows tr').length === 2")
        .await;
    let cells = "[...document.querySelectorAll('#feed-rows tr')].map((row) => [...row.cells].slice(1, 5)\
        .map((cell) => cell.textContent))";
    let rows = console.value(cells).await;
    assert_eq!(rows[0][0], "p-8", "the newest is first: {rows}");
    assert_eq!(
        rows[1],
        json!(["p-7", format!("{from} to southeast"), "drain", "done"])
    );
    assert_eq!(
        (&rows[0][2], &rows[0][3]),
        (&json!("region"), &json!("failed"))
    );
    assert_eq!(
        console
            .value("document.getElementById('feed-empty').hidden")
            .await,
        true
    );
    console.wait_text("#transfers-now", "1").await;
    console.wait_text("#in-now", "/s").await;
    // Paused, the list stands still, and goes on with what was missed.
    console.click("#map-pause").await;
    console.mock.transfer(9, 1, "balance", "done");
    console.wait_text("#transfers-now", "2").await;
    assert_eq!(
        console
            .value("document.querySelectorAll('#feed-rows tr').length")
            .await,
        2
    );
    console.click("#map-pause").await;
    console
        .wait("document.querySelectorAll('#feed-rows tr').length === 3")
        .await;
    // One polite sentence for many.
    console.wait_text("#feed-said", "done").await;
    console.end().await;
}

#[tokio::test]
async fn nothing_is_wider_than_the_page() {
    let Some(mut console) = Console::open(Viewport::PHONE, true).await else {
        return;
    };
    console
        .wait("document.querySelectorAll('#feed-rows tr').length > 1")
        .await;
    for width in [360, 390, 720, 721, 1080, 1280] {
        let viewport = Viewport {
            width,
            height: 740,
            scale: 1.0,
            phone: width < 700,
        };
        console
            .page
            .resize(viewport, console.deadline)
            .await
            .unwrap();
        console.wait(&format!("innerWidth === {width}")).await;
        let wide = "(() => { const limit = document.documentElement.clientWidth; \
            return [document.documentElement.scrollWidth - limit, ...[...document.querySelectorAll('main *, header *')] \
            .filter((e) => e.getBoundingClientRect().right > limit + 0.5 && !e.closest('.unseen, thead')) \
            .map((e) => e.outerHTML.slice(0, 80))]; })()";
        assert_eq!(console.value(wide).await, json!([0]), "at {width}");
    }
    console.end().await;
}

#[tokio::test]
async fn the_keyboard_reaches_everything_and_the_focus_is_seen() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    let focused = "(() => { const e = document.activeElement; const style = getComputedStyle(e); \
        return [e.id || e.className || e.tagName, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; })()";
    let mut reached = Vec::new();
    for _ in 0..50 {
        console.press("Tab").await;
        let at = console.value(focused).await;
        let name = at[0].as_str().unwrap().to_owned();
        if name == "BODY" {
            break;
        }
        assert_eq!(at[1], true, "the focus on {name} is not seen");
        reached.push(name);
    }
    assert_eq!(reached[0], "skip");
    for wanted in [
        "theme",
        "map-pause",
        "map-canvas",
        "feed-scroll",
        "sessions-search",
        "sessions-server",
        "sessions-next",
    ] {
        assert!(
            reached.iter().any(|name| name == wanted),
            "{wanted} in {reached:?}"
        );
    }
    assert_eq!(
        reached.iter().filter(|name| *name == "quiet").count(),
        24,
        "the button of each row: {reached:?}"
    );

    // The map: players and regions by arrows, in words.
    console
        .value("document.getElementById('map-canvas').focus()")
        .await;
    console.press("ArrowRight").await;
    console.wait("/^p-\\d+ on \\w+, x [−,\\d]+, z [−,\\d]+, 0 transfers$/.test(document.getElementById('map-said').textContent)")
        .await;
    let first = console.text("#map-readout").await;
    console.press("ArrowDown").await;
    console
        .wait(&format!(
            "document.getElementById('map-readout').textContent !== {}",
            Value::from(first)
        ))
        .await;
    console.press("Shift+ArrowRight").await;
    console.press("Shift+ArrowDown").await;
    console.wait_text("#map-said", "southeast: ").await;
    console.press("Shift+ArrowLeft").await;
    console.wait_text("#map-said", "southwest: ").await;
    console
        .wait_text("#map-said", "healthy, x −1,000 to 0, z 0 to 1,000")
        .await;
    // Back to a player, and from there to the dialog; Escape closes it and gives the focus back.
    console.press("ArrowUp").await;
    console.wait_text("#map-said", " on ").await;
    console.press("Enter").await;
    console.wait("document.getElementById('move').open").await;
    console
        .wait("document.activeElement.id === 'move-server'")
        .await;
    console.press("Escape").await;
    console
        .wait("!document.getElementById('move').open && document.activeElement.id === 'map-canvas'")
        .await;
    console.press("Escape").await;
    console.wait_text("#map-readout", "Arrow keys").await;
    console.end().await;
}

#[tokio::test]
async fn a_player_is_found_and_moved() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    console.click("#sessions-search").await;
    console
        .page
        .type_text("p-59", console.deadline)
        .await
        .unwrap();
    console
        .wait("document.querySelectorAll('#sessions-rows tr').length === 1")
        .await;
    console.wait_text("#sessions-range", "1 to 1 of 1").await;
    let from = console.mock.server_of(59);
    console.click("#sessions-rows button").await;
    console.wait_text("#move-title", "Move p-59").await;
    let choices =
        "[...document.getElementById('move-server').options].map((option) => option.value)";
    let choices = console.value(choices).await;
    assert!(
        choices.as_array().unwrap().len() == 3 && !choices.to_string().contains(from),
        "{choices}"
    );
    let to = choices[2].as_str().unwrap().to_owned();
    console
        .value(&format!(
            "document.getElementById('move-server').value = '{to}'"
        ))
        .await;
    console.click("#move-confirm").await;
    console
        .wait_text(
            "#sessions-notice",
            &format!("p-59 was moved from {from} to {to} in "),
        )
        .await;
    assert_eq!(console.mock.server_of(59), to);
    assert_eq!(
        console.value("document.getElementById('move').open").await,
        false
    );
    console.wait_text("#sessions-rows", &to).await;
    console.wait_text("#feed-rows", "admin").await;

    // A server that refuses: the dialog stays and says why.
    let (slot, other) = if to == "northwest" {
        (1, "northeast")
    } else {
        (0, "northwest")
    };
    console.mock.server(slot, "active", "suspect");
    console.wait_text("#servers-rows", "suspect").await;
    console.click("#sessions-rows button").await;
    console
        .value(&format!(
            "document.getElementById('move-server').value = '{other}'"
        ))
        .await;
    console.click("#move-confirm").await;
    console
        .wait_text(
            "#move-notice",
            "Not moved: refused, the server is not healthy.",
        )
        .await;
    assert_eq!(console.mock.server_of(59), to);
    console.end().await;
}

#[tokio::test]
async fn sessions_are_paged() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    for range in ["21 to 40 of 60", "41 to 60 of 60"] {
        console.click("#sessions-next").await;
        console.wait_text("#sessions-range", range).await;
    }
    assert_eq!(
        console
            .value("document.getElementById('sessions-next').disabled")
            .await,
        true
    );
    console.click("#sessions-back").await;
    console.wait_text("#sessions-range", "21 to 40 of 60").await;
    console
        .value(
            "(() => { const e = document.getElementById('sessions-server'); e.value = 'southeast'; \
        e.dispatchEvent(new Event('change')); })()",
        )
        .await;
    console.wait("[...document.querySelectorAll('#sessions-rows .server')].every((e) => e.textContent === 'southeast')").await;
    console
        .wait("/^1 to \\d+ of \\d+$/.test(document.getElementById('sessions-range').textContent)")
        .await;
    console.end().await;
}

#[tokio::test]
async fn a_lost_stream_is_said_and_comes_back() {
    let Some(mut console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    let address = console.mock.address;
    // The old node goes before the new one comes; an unused one stands in for the moment.
    drop(std::mem::replace(
        &mut console.mock,
        Mock::start(false).await,
    ));
    console
        .wait("document.body.dataset.stream === 'lost'")
        .await;
    console
        .wait_text("#banner-text", "The stream from this node was lost at")
        .await;
    console.wait_text("#announcer", "is lost").await;
    assert_eq!(console.text("#link-text").await, "Lost");
    // Requests to a node that is away are errors in the browser's log, and right there.
    assert!(
        console
            .page
            .errors()
            .iter()
            .all(|error| error.contains("ERR_")),
        "{:?}",
        console.page.errors()
    );

    console.mock = Mock::start_at(address, false).await;
    console
        .wait("document.body.dataset.stream === 'live'")
        .await;
    console
        .wait("document.getElementById('banner').hidden")
        .await;
    console.wait_text("#announcer", "back").await;
    console.page.clear_errors();
    console.mock.transfer(7, 3, "drain", "done");
    console
        .wait("document.querySelectorAll('#feed-rows tr').length === 1")
        .await;
    console.browser.close(console.deadline).await.unwrap();
}

#[tokio::test]
async fn the_demos_check_says_in_words_what_it_found() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    console.wait_text("#check-verdict", "Nothing lost").await;
    console
        .wait_text(
            "#check-words",
            "each once and in order, on connections that never closed",
        )
        .await;
    console
        .wait_text("#check-figures", "Answer p993.9 ms")
        .await;
    console.mock.demo(Some(demo(3)));
    console.wait_text("#check-verdict", "3 answers lost").await;
    console
        .wait("!document.getElementById('check-words').textContent.includes('never closed')")
        .await;
    console
        .wait_text("#check-words", "First: p-4 has no answer to message 17")
        .await;
    console
        .wait("document.querySelectorAll('#check-figures dd.bad').length === 1")
        .await;
    console.mock.demo(None);
    console
        .wait("document.getElementById('check').hidden")
        .await;
    // A node without a demo says that there is nothing, and the browser's log stays empty.
    console.end().await;
}

#[tokio::test]
async fn themes_follow_the_reader_and_the_toggle() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    let paper = "getComputedStyle(document.body).backgroundColor";
    let light = console.value(paper).await;
    console
        .page
        .prefer(Scheme::Dark, true, console.deadline)
        .await
        .unwrap();
    console.wait(&format!("{paper} !== {light}")).await;
    let dark = console.value(paper).await;
    console.click("#theme").await;
    console.wait_text("#theme", "Theme: light").await;
    console.wait(&format!("{paper} === {light}")).await;
    // The choice outlives a reload.
    console
        .page
        .go(&console.mock.url(), console.deadline)
        .await
        .unwrap();
    console.wait_text("#theme", "Theme: light").await;
    assert_eq!(console.value(paper).await, light);
    console.click("#theme").await;
    console.click("#theme").await;
    console.wait_text("#theme", "Theme: system").await;
    console.wait(&format!("{paper} === {dark}")).await;
    console.end().await;
}

#[tokio::test]
async fn with_reduced_motion_the_map_moves_once_a_second() {
    let Some(console) = Console::open(Viewport::DESKTOP, true).await else {
        return;
    };
    // How often the canvas is wiped tells how often it is drawn.
    let count = "new Promise((done) => { const all = CanvasRenderingContext2D.prototype; const clear = all.clearRect; \
        let drawn = 0; all.clearRect = function (...box) { if (this.canvas.id === 'map-canvas') drawn += 1; \
        return clear.apply(this, box); }; setTimeout(() => { all.clearRect = clear; done(drawn); }, 2000); })";
    // (Once a second more, the list of servers changes and the map is laid out anew.)
    let lively = console.value(count).await.as_u64().unwrap();
    console
        .page
        .prefer(Scheme::Light, true, console.deadline)
        .await
        .unwrap();
    let calm = console.value(count).await.as_u64().unwrap();
    assert!(
        calm <= 8 && lively > calm * 2,
        "{lively} drawings in two seconds, {calm} with reduced motion"
    );
    console.end().await;
}

#[tokio::test]
async fn without_scripts_the_page_says_so() {
    let Some(console) = Console::open(Viewport::PHONE, false).await else {
        return;
    };
    console.page.scripts(false, console.deadline).await.unwrap();
    console
        .page
        .call(
            "Page.navigate",
            json!({ "url": console.mock.url() }),
            console.deadline,
        )
        .await
        .unwrap();
    console
        .wait("document.readyState === 'complete' && document.body.dataset.stream === undefined")
        .await;
    assert!(
        console
            .text("noscript")
            .await
            .contains("This page needs scripts")
    );
    console.end().await;
}

/// The button in a server's row.
fn button(server: &str) -> String {
    format!("#servers-rows button[aria-label*='{server}']")
}

#[tokio::test]
async fn a_server_is_drained_by_a_click_and_taken_back_by_another() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    // The dialog asks first, and what is focused begins nothing.
    console.click(&button("northwest")).await;
    console
        .wait(
            "document.getElementById('drain').open && document.activeElement.id === 'drain-cancel'",
        )
        .await;
    assert_eq!(console.text("#drain-title").await, "Drain northwest");
    assert!(
        console
            .text("#drain-words")
            .await
            .contains("their connections stay open")
    );
    console.press("Enter").await;
    console.wait("!document.getElementById('drain').open").await;
    assert_eq!(console.mock.drain_orders(), Vec::<Value>::new());

    // By the keyboard alone: the button has the focus again.
    console
        .wait("document.activeElement.getAttribute('aria-label')?.startsWith('Drain northwest')")
        .await;
    console.press("Enter").await;
    console.wait("document.getElementById('drain').open").await;
    console.press("Shift+Tab").await;
    console
        .wait("document.activeElement.id === 'drain-confirm'")
        .await;
    console.press("Enter").await;
    console
        .wait_text("#servers-notice", "northwest gets nobody new")
        .await;
    assert_eq!(console.mock.drain_orders(), [json!({})]);

    // How far it is; the focus stays on the button, which now takes it back.
    console.mock.drain(0, 12, 3);
    let row = "#servers-rows tr:first-child";
    console
        .wait_text(row, "12 to go, 3 moved, closes the rest in 48 s")
        .await;
    console
        .wait("document.querySelector('#servers-rows .drain-bar').value === 0.2")
        .await;
    console
        .wait(
            "document.activeElement.textContent === 'Take back' && \
             document.activeElement.getAttribute('aria-label') === 'Take the drain of northwest back'",
        )
        .await;
    console.wait_text("#servers-under", "1 draining").await;
    console.mock.drain(0, 0, 15);
    console.wait_text(row, "empty, 15 moved").await;
    console
        .wait("document.querySelector('#servers-rows .drain-bar').hidden")
        .await;
    console.press("Enter").await;
    console
        .wait_text("#servers-notice", "northwest gets players again.")
        .await;
    console.wait_text(row, "active").await;
    assert_eq!(console.mock.drain_orders()[1], json!({"cancel": true}));

    // With a deadline, by clicks; and a node that refuses is quoted.
    console.click(&button("southeast")).await;
    console
        .value("document.getElementById('drain-deadline').value = '5m'")
        .await;
    console.click("#drain-confirm").await;
    console
        .wait_text("#servers-notice", "southeast gets nobody new")
        .await;
    assert_eq!(console.mock.drain_orders()[2], json!({"deadline": "5m"}));
    console.mock.server(1, "down", "down");
    console.wait_text("#servers-rows", "down").await;
    console.click(&button("northeast")).await;
    console.click("#drain-confirm").await;
    console
        .wait_text("#drain-notice", "Not drained: the server is down")
        .await;
    console.press("Escape").await;
    let refused = console.page.errors();
    assert!(
        refused.iter().all(|error| error.contains("409")),
        "{refused:?}"
    );
    console.page.clear_errors();
    console.end().await;
}

#[tokio::test]
async fn a_killed_server_looks_down_and_its_players_failover_is_seen() {
    let Some(console) = Console::open(Viewport::DESKTOP, false).await else {
        return;
    };
    console.mock.server(3, "down", "down");
    console
        .wait_text("#announcer", "main/southeast is down")
        .await;
    console
        .wait("document.querySelector('#servers-rows tr:nth-child(4)').className === 'is-down'")
        .await;
    assert_eq!(console.text("#servers-under").await, "1 down");
    console.mock.transfer(7, 0, "failover", "done");
    console.wait_text("#feed-rows .failover", "failover").await;
    // It does not lean on colour: shape and word say it, the swatch is hollow.
    let shape = "getComputedStyle(document.querySelector('.is-down .swatch')).borderTopStyle";
    assert_eq!(console.value(shape).await, "solid");
    console.mock.server(3, "active", "healthy");
    console
        .wait_text("#announcer", "main/southeast is back")
        .await;
    console
        .wait("document.querySelectorAll('.is-down').length === 0")
        .await;
    console.end().await;
}
