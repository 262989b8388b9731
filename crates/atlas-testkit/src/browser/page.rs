//! One page: where it is, how large, what it shows and what went wrong in it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use serde_json::{Value, json};

use crate::deadline::Deadline;
use crate::error::{Error, Result};

use super::devtools::Connection;

/// A page's size in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Viewport {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Device pixels for each CSS pixel.
    pub scale: f64,
    /// Behaves as a phone (touch, no hover, the viewport's meta element is heeded).
    pub phone: bool,
}

impl Viewport {
    /// A laptop: 1280 × 800.
    pub const DESKTOP: Self = Self {
        width: 1280,
        height: 800,
        scale: 1.0,
        phone: false,
    };
    /// A narrow phone: 360 × 740 at two device pixels.
    pub const PHONE: Self = Self {
        width: 360,
        height: 740,
        scale: 2.0,
        phone: true,
    };
}

/// The colour scheme that the reader prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// An open page. All waits have deadlines; all errors of the page are kept, see [`errors`](Self::errors).
#[derive(Debug)]
pub struct Page {
    connection: Arc<Connection>,
    session: String,
    errors: Arc<Mutex<Vec<String>>>,
    viewport: Viewport,
}

impl Page {
    pub(super) async fn open(
        connection: Arc<Connection>,
        viewport: Viewport,
        deadline: Deadline,
    ) -> Result<Self> {
        let target = connection
            .call(
                None,
                "Target.createTarget",
                json!({ "url": "about:blank" }),
                deadline,
            )
            .await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = connection
            .call(None, "Target.attachToTarget", attach, deadline)
            .await?;
        let session = attached["sessionId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let errors = Arc::new(Mutex::new(Vec::new()));
        let mut events = connection.listen(&session);
        let kept = Arc::clone(&errors);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let Some(error) = error_of(&event) {
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(error);
                }
            }
        });
        let mut page = Self {
            connection,
            session,
            errors,
            viewport,
        };
        for domain in ["Page", "Runtime", "Log", "DOM"] {
            page.call(&format!("{domain}.enable"), json!({}), deadline)
                .await?;
        }
        page.resize(viewport, deadline).await?;
        Ok(page)
    }

    /// Calls any method of the protocol on this page.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with the browser's words, [`Error::Late`].
    pub async fn call(&self, method: &str, params: Value, deadline: Deadline) -> Result<Value> {
        self.connection
            .call(Some(&self.session), method, params, deadline)
            .await
    }

    /// Gives the page another size.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn resize(&mut self, viewport: Viewport, deadline: Deadline) -> Result<()> {
        self.viewport = viewport;
        let metrics = json!({
            "width": viewport.width, "height": viewport.height,
            "deviceScaleFactor": viewport.scale, "mobile": viewport.phone,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics, deadline)
            .await?;
        self.call(
            "Emulation.setTouchEmulationEnabled",
            json!({ "enabled": viewport.phone }),
            deadline,
        )
        .await
        .map(drop)
    }

    /// Says what the reader prefers: a colour scheme, and whether things should keep still.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn prefer(
        &self,
        scheme: Scheme,
        reduced_motion: bool,
        deadline: Deadline,
    ) -> Result<()> {
        let scheme = if scheme == Scheme::Dark {
            "dark"
        } else {
            "light"
        };
        let motion = if reduced_motion {
            "reduce"
        } else {
            "no-preference"
        };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": motion },
        ]});
        self.call("Emulation.setEmulatedMedia", features, deadline)
            .await
            .map(drop)
    }

    /// Turns the page's scripts off or on, from the next load on.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn scripts(&self, on: bool, deadline: Deadline) -> Result<()> {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": !on }),
            deadline,
        )
        .await
        .map(drop)
    }

    /// Goes to an address and waits until its document and modules are loaded. (A page with an open event stream is
    /// never idle, so nothing waits for that.)
    ///
    /// # Errors
    /// [`Error::Unexpected`] if it cannot be loaded, [`Error::Late`].
    pub async fn go(&self, url: &str, deadline: Deadline) -> Result<()> {
        let answer = self
            .call("Page.navigate", json!({ "url": url }), deadline)
            .await?;
        if let Some(error) = answer["errorText"].as_str() {
            return Err(Error::unexpected(format!("{url} to load"), error));
        }
        self.wait_for(
            "document.readyState === 'complete' && location.href !== 'about:blank'",
            deadline,
        )
        .await
    }

    /// Evaluates an expression, awaiting it if it is a promise.
    ///
    /// # Errors
    /// [`Error::Unexpected`] with the page's exception, [`Error::Late`].
    pub async fn evaluate(&self, expression: &str, deadline: Deadline) -> Result<Value> {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", params, deadline).await?;
        if let Some(details) = answer.get("exceptionDetails") {
            return Err(Error::unexpected(
                format!("a value of `{expression}`"),
                exception_text(details),
            ));
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is truthy. While a navigation is under way it counts as not.
    ///
    /// # Errors
    /// [`Error::Late`] with its last value and the page's errors.
    pub async fn wait_for(&self, expression: &str, deadline: Deadline) -> Result<()> {
        let guarded = format!("Boolean({expression})");
        loop {
            let last = self.evaluate(&guarded, deadline).await;
            if matches!(last, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if deadline.passed() {
                let seen = format!("{last:?}; the page's errors: {:?}", self.errors());
                return Err(deadline.late(&format!("`{expression}`"), seen));
            }
            deadline.rest().await;
        }
    }

    /// The visible text of the first element that matches a selector; empty if there is none.
    ///
    /// # Errors
    /// See [`evaluate`](Self::evaluate).
    pub async fn text(&self, selector: &str, deadline: Deadline) -> Result<String> {
        let expression = format!(
            "document.querySelector({})?.innerText ?? ''",
            Value::from(selector)
        );
        Ok(self
            .evaluate(&expression, deadline)
            .await?
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Presses and releases a key by its DOM name (`Tab`, `Enter`, `ArrowRight`, `a`); `Shift+Tab` with a modifier.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn press(&self, key: &str, deadline: Deadline) -> Result<()> {
        let (modifiers, key) = match key.split_once('+') {
            Some(("Shift", key)) => (8, key),
            Some(("Control", key)) => (2, key),
            _ => (0, key),
        };
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            "Escape" => (27, None),
            " " => (32, Some(" ")),
            "End" => (35, None),
            "Home" => (36, None),
            "ArrowLeft" => (37, None),
            "ArrowUp" => (38, None),
            "ArrowRight" => (39, None),
            "ArrowDown" => (40, None),
            key => (0, Some(key)),
        };
        let mut event =
            json!({ "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
        event["type"] = if text.is_some() {
            "keyDown"
        } else {
            "rawKeyDown"
        }
        .into();
        if let Some(text) = text {
            event["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", event.clone(), deadline)
            .await?;
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event, deadline)
            .await
            .map(drop)
    }

    /// Types text into what has the focus.
    ///
    /// # Errors
    /// See [`call`](Self::call).
    pub async fn type_text(&self, text: &str, deadline: Deadline) -> Result<()> {
        self.call("Input.insertText", json!({ "text": text }), deadline)
            .await
            .map(drop)
    }

    /// Clicks the middle of the first element that matches a selector, with a mouse, after scrolling it into view.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if there is none or something else covers it.
    pub async fn click(&self, selector: &str, deadline: Deadline) -> Result<()> {
        let expression = format!(
            "(() => {{ const e = document.querySelector({}); if (!e) return 'no such element'; \
             e.scrollIntoView({{ block: 'center', behavior: 'instant' }}); const r = e.getBoundingClientRect(); \
             const x = r.x + r.width / 2, y = r.y + r.height / 2; const top = document.elementFromPoint(x, y); \
             return top && (e.contains(top) || top.contains(e)) ? [x, y] : 'covered by ' + top?.outerHTML.slice(0, 90); }})()",
            Value::from(selector)
        );
        let place = self.evaluate(&expression, deadline).await?;
        let (Some(x), Some(y)) = (place[0].as_f64(), place[1].as_f64()) else {
            return Err(Error::unexpected(
                format!("{selector} to click"),
                place.to_string(),
            ));
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event, deadline)
                .await?;
        }
        Ok(())
    }

    /// Writes a PNG of what the viewport shows.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written; see [`call`](Self::call).
    pub async fn screenshot(&self, file: &Path, deadline: Deadline) -> Result<()> {
        self.capture(file, json!({ "format": "png" }), deadline)
            .await
    }

    /// Writes a PNG of the whole page, however long.
    ///
    /// # Errors
    /// As [`screenshot`](Self::screenshot).
    pub async fn screenshot_whole(&self, file: &Path, deadline: Deadline) -> Result<()> {
        let height = self
            .evaluate("document.documentElement.scrollHeight", deadline)
            .await?;
        let clip =
            json!({ "x": 0, "y": 0, "width": self.viewport.width, "height": height, "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        self.capture(file, params, deadline).await
    }

    async fn capture(&self, file: &Path, params: Value, deadline: Deadline) -> Result<()> {
        let answer = self
            .call("Page.captureScreenshot", params, deadline)
            .await?;
        let text = answer["data"].as_str().unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|error| Error::unexpected("a screenshot", error.to_string()))?;
        std::fs::write(file, bytes).map_err(Error::io(format!("writing {}", file.display())))
    }

    /// What went wrong in the page so far: exceptions, `console.error`, failed loads, violations of its own policy.
    pub fn errors(&self) -> Vec<String> {
        self.errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets the errors so far, when a test caused them on purpose.
    pub fn clear_errors(&self) {
        self.errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// The text of an event that means that something is wrong in the page.
fn error_of(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(format!(
            "exception: {}",
            exception_text(&params["exceptionDetails"])
        )),
        "Runtime.consoleAPICalled"
            if matches!(params["type"].as_str(), Some("error" | "assert")) =>
        {
            let words: Vec<String> = params["args"]
                .as_array()
                .into_iter()
                .flatten()
                .map(word)
                .collect();
            Some(format!("console: {}", words.join(" ")))
        }
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            let text = entry["text"].as_str().unwrap_or_default();
            let url = entry["url"].as_str().unwrap_or_default();
            Some(
                format!(
                    "{}: {text} {url}",
                    entry["source"].as_str().unwrap_or("log")
                )
                .trim_end()
                .to_owned(),
            )
        }
        _ => None,
    }
}

fn word(argument: &Value) -> String {
    match &argument["value"] {
        Value::Null => argument["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn exception_text(details: &Value) -> String {
    let text = details["exception"]["description"]
        .as_str()
        .or(details["text"].as_str())
        .unwrap_or_default();
    let place = details["url"]
        .as_str()
        .map(|url| format!(" at {url}:{}", details["lineNumber"]))
        .unwrap_or_default();
    format!("{text}{place}")
}
