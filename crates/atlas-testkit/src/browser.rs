//! A headless Chromium, driven over its DevTools protocol: pages, keys, screenshots, and every error that a page shows.

mod devtools;
mod page;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::deadline::{Deadline, eventually_some};
use crate::error::{Error, Result};
use crate::process::Process;

use devtools::Connection;
pub use page::{Page, Scheme, Viewport};

/// What Chromium is called, in the order we look for it.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Headless, without a profile of the user's, and without a word to the network.
const FLAGS: [&str; 16] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--mute-audio",
    "--remote-debugging-port=0",
];

/// A running browser. Dropping it kills it; [`close`](Self::close) ends it cleanly.
#[derive(Debug)]
pub struct Browser {
    connection: Arc<Connection>,
    process: Process,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser with a profile of its own; `None` if none is installed, so that a caller can print that it
    /// skips.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::Late`] if it does not come up.
    pub async fn start(deadline: Deadline) -> Result<Option<Self>> {
        let Some(program) = find_program() else {
            return Ok(None);
        };
        let profile = tempfile::Builder::new()
            .prefix("atlas-browser-")
            .tempdir()
            .map_err(Error::io("making a profile"))?;
        let mut args: Vec<OsString> = FLAGS.iter().map(OsString::from).collect();
        let mut profile_flag = OsString::from("--user-data-dir=");
        profile_flag.push(profile.path());
        args.push(profile_flag);
        args.push("about:blank".into());
        let process = Process::start(&program, &args, &[])?;
        let found = eventually_some(deadline, "the browser's DevTools address", || {
            let stderr = process.stderr();
            let line = stderr
                .lines()
                .find_map(|line| line.strip_prefix("DevTools listening on "));
            line.map(str::to_owned)
        })
        .await;
        let address =
            found.map_err(|_| deadline.late("the browser's DevTools address", process.stderr()))?;
        let connection = Connection::open(&address, deadline).await?;
        Ok(Some(Self {
            connection: Arc::new(connection),
            process,
            profile,
        }))
    }

    /// Opens an empty page of this size.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if the browser refuses, [`Error::Late`].
    pub async fn page(&self, viewport: Viewport, deadline: Deadline) -> Result<Page> {
        Page::open(Arc::clone(&self.connection), viewport, deadline).await
    }

    /// Asks the browser to end, and waits for it.
    ///
    /// # Errors
    /// [`Error::Late`] if it does not.
    pub async fn close(mut self, deadline: Deadline) -> Result<()> {
        // The answer may be lost with the connection.
        let _ = self
            .connection
            .call(None, "Browser.close", json!({}), deadline)
            .await;
        self.process.wait(deadline).await.map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        // Its helper processes end a moment after it, and write to the profile until then: what is removed before comes
        // back.
        let profile = self.profile.path().to_string_lossy().into_owned();
        for _ in 0..100 {
            if users_of(&profile) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_dir_all(self.profile.path());
    }
}

/// The processes whose command line names the profile.
fn users_of(profile: &str) -> usize {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(profile))
        .count()
}

fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    #[tokio::test]
    async fn a_dropped_browser_leaves_nothing_behind() {
        let deadline = Deadline::seconds(60);
        let Some(browser) = Browser::start(deadline).await.unwrap() else {
            println!("skipped: no chromium or google-chrome in PATH");
            return;
        };
        let _page = browser.page(Viewport::DESKTOP, deadline).await.unwrap();
        let profile = browser.profile.path().to_owned();
        let name = profile.to_string_lossy().into_owned();
        assert!(users_of(&name) > 0);
        drop(browser);
        eventually(deadline, "the end of its processes", || {
            users_of(&name) == 0
        })
        .await
        .unwrap();
        assert!(!profile.exists());
    }
}
