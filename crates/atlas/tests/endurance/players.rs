//! `atlas load` as a process, and its report.

use std::ffi::OsString;

use atlas_demo::load::Report;
use atlas_testkit::{Deadline, Process};

use crate::extent::Extent;
use crate::world::World;

/// A load client at work.
pub(crate) struct Players(Process);

impl Players {
    /// Starts it with these arguments behind the address.
    pub(crate) fn start(world: &World, args: &[&str]) -> Self {
        let mut words = vec![OsString::from("load"), world.url().into()];
        words.extend(args.iter().map(OsString::from));
        words.extend(["--verify".into(), "--json".into()]);
        let binary = std::path::Path::new(env!("CARGO_BIN_EXE_atlas"));
        let variables = [("RUST_LOG".to_owned(), None)];
        Self(Process::start(binary, &words, &variables).unwrap())
    }

    /// Whether it still runs.
    pub(crate) fn play(&mut self) -> bool {
        self.0.exit().is_none()
    }

    /// Waits for its end, which is to come a minute after the run's at the latest, and reads its report, whatever its
    /// verdict.
    pub(crate) async fn report(mut self, extent: &Extent) -> Report {
        let deadline = Deadline::seconds(extent.seconds + 60);
        self.0.wait(deadline).await.unwrap();
        let text = self.0.stdout();
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", self.0.stderr()))
    }
}
