//! A store, a browser on its page, and a client beside it.

use atlas_testkit::{Atlas, Browser, Http, Page, Scheme, Viewport};
use serde_json::Value;

use crate::store::{Client, store};
use crate::support::deadline;

/// A store, its page, and a client beside it.
pub(crate) struct Stage {
    pub(crate) browser: Browser,
    pub(crate) page: Page,
    pub(crate) client: Client,
    pub(crate) node: Atlas,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// `None`, with a printed reason, where no browser is installed.
    #[allow(clippy::print_stdout, reason = "a test that skips itself says so")]
    pub(crate) async fn open(
        viewport: Viewport,
        prepare: impl AsyncFnOnce(&mut Client, &Http),
    ) -> Option<Self> {
        let Some(browser) = Browser::start(deadline()).await.unwrap() else {
            println!("skipped: no Chromium is installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let node = store(folder.path(), "every").await;
        let mut client = Client::connect(node.listener("store").unwrap());
        let admin = node.admin().unwrap();
        prepare(&mut client, &admin).await;
        let page = browser.page(viewport, deadline()).await.unwrap();
        page.prefer(Scheme::Light, true, deadline()).await.unwrap();
        let stage = Self {
            browser,
            page,
            client,
            node,
            _folder: folder,
        };
        stage.sign_in().await;
        Some(stage)
    }

    /// By the link that the node prints; a node with a store alone goes to the store's page.
    pub(crate) async fn sign_in(&self) {
        let link = self.node.ready().console.clone().unwrap();
        self.page.go(&link, deadline()).await.unwrap();
        self.wait("location.pathname === '/store' && document.body.dataset.stream === 'live'")
            .await;
        self.wait("!document.getElementById('keys-empty').textContent.startsWith('Waiting')")
            .await;
    }

    pub(crate) async fn wait(&self, expression: &str) {
        self.page.wait_for(expression, deadline()).await.unwrap();
    }

    pub(crate) async fn wait_text(&self, selector: &str, part: &str) {
        let (selector, part) = (Value::from(selector), Value::from(part));
        self.wait(&format!(
            "document.querySelector({selector})?.textContent.includes({part})"
        ))
        .await;
    }

    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.page.evaluate(expression, deadline()).await.unwrap()
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.page.text(selector, deadline()).await.unwrap()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.page.click(selector, deadline()).await.unwrap();
    }

    /// Replaces what a field of the dialog or the page holds, as typing does.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let (selector, text) = (Value::from(selector), Value::from(text));
        let script = format!(
            "(() => {{ const e = document.querySelector({selector}); e.value = {text}; \
             e.dispatchEvent(new Event('input', {{ bubbles: true }})); \
             e.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
        );
        self.value(&script).await;
    }

    /// Names on the list of keys.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let names = self
            .value("[...document.querySelectorAll('.key-name')].map((e) => e.textContent)")
            .await;
        let names = names.as_array().unwrap().iter();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    /// Chooses a key by its shown name.
    pub(crate) async fn choose(&self, name: &str) {
        let name = Value::from(name);
        let script = format!(
            "[...document.querySelectorAll('.key-name')].find((e) => e.textContent === {name})"
        );
        self.wait(&script).await;
        self.value(&format!("{script}.click()")).await;
        self.wait(&format!(
            "document.getElementById('value-title').textContent === {name}"
        ))
        .await;
    }

    /// Goes through both steps of the dialog.
    pub(crate) async fn confirm(&self) {
        self.click("#ask-confirm").await;
        self.wait("document.getElementById('ask-cancel').textContent === 'Back'")
            .await;
        self.click("#ask-confirm").await;
        self.wait("!document.getElementById('ask').open").await;
    }

    pub(crate) async fn end(self) {
        assert_eq!(self.page.errors(), Vec::<String>::new());
        self.browser.close(deadline()).await.unwrap();
    }
}

pub(crate) async fn make(admin: &Http, order: Value) {
    let mut order = order;
    order["create"] = true.into();
    let reply = admin
        .put("/v1/store/key/item", &order, deadline())
        .await
        .unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Keys as a game has them, and some that nobody should have.
pub(crate) fn fill_with_examples(client: &mut Client) {
    for number in 0..30 {
        client.ask(&format!(
            "set session:{:08x} opaque-token-{number} ex {}",
            number * 2_654_435_761_u64 % (1 << 32),
            600 + number * 7
        ));
    }
    for player in ["ann", "bob", "carl", "dora", "eve"] {
        client.ask(&format!("hset player:{player} name {player} city oslo level 12 guild riders \
            position '{{\"x\":12.5,\"y\":64,\"z\":-300.25}}' joined 2026-11-02T10:00:00Z bio \"builds {}\"", "long bridges and ".repeat(6)));
    }
    client.ask("zadd leaderboard 9120 ann 8800 bob 8800.5 carl 120 dora -4 eve");
    client.ask("rpush queue:mail welcome-ann welcome-bob digest-carl");
    client.ask("sadd online ann bob eve");
    client.ask("set motd \"Welcome back. The bridge at the north gate is open again.\"");
    client.ask("set counter:joins 48213");
    client.ask("config set slowlog-log-slower-than 0");
    client.ask("zrangestore top leaderboard 0 2");
    client.ask("mset <script>alert(1)</script> harmless note:1 a");
    client.ask("config set slowlog-log-slower-than 10000");
    client.ask("incr queue:mail");
}
