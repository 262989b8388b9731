//! A page of `docs/guides`, and a reader who does what it says.
//!
//! The page's words lead: a code block after "write `NAME`:" becomes that file, a block of shell after "terminal of its
//! own" goes on running, every other block of shell runs to its end. `atlas edge` gets ports of its own, and so do the
//! servers; nothing else is changed.

use std::fs;
use std::path::{Path, PathBuf};

use atlas_testkit::{Atlas, Process};

use crate::support::{atlas, deadline, free_port, listening, shell};
use crate::workshop::root;

/// One code block and the paragraph in front of it.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) text: String,
    before: String,
}

impl Block {
    /// The name of the file that the reader is told to write.
    fn file(&self) -> Option<&str> {
        let lower = self.before.to_lowercase();
        let at = lower.rfind("write `")? + "write `".len();
        let (name, rest) = self.before[at..].split_once('`')?;
        (rest.trim() == ":").then_some(name)
    }

    /// A command that the page does not show.
    pub(crate) fn command(text: &str) -> Self {
        Self {
            language: "sh".to_owned(),
            text: text.to_owned(),
            before: String::new(),
        }
    }

    /// Whether the command goes on running.
    fn stays(&self) -> bool {
        self.before.contains("terminal of its own") || self.text.trim() == "atlas edge"
    }
}

/// The code blocks of a page, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let path = root().join("docs/guides").join(page);
    let text = fs::read_to_string(path).unwrap();
    let (mut blocks, mut before, mut paragraph) = (Vec::new(), String::new(), String::new());
    let (mut lines, mut adjacent) = (text.lines(), false);
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let alone = paragraph.trim().is_empty();
            // A block right after one of the same kind belongs to the same words.
            let again = blocks
                .last()
                .is_some_and(|last: &Block| last.language == language);
            if !alone {
                before = std::mem::take(&mut paragraph);
            } else if adjacent && !again {
                before.clear();
            }
            adjacent = true;
            blocks.push(Block {
                language: language.to_owned(),
                text: inside.join("\n") + "\n",
                before: before.replace('\n', " "),
            });
        } else if line.trim().is_empty() && !paragraph.trim().is_empty() {
            before = std::mem::take(&mut paragraph);
        } else {
            adjacent &= line.trim().is_empty();
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    blocks
}

/// Somebody who follows a page in an empty folder.
pub(crate) struct Reader {
    pub(crate) folder: PathBuf,
    /// The addresses on the page and those here.
    ports: Vec<(String, String)>,
    /// What `$ATLAS` is.
    checkout: PathBuf,
    running: Vec<Process>,
    pub(crate) node: Option<Atlas>,
}

impl Reader {
    pub(crate) fn new(folder: &Path, checkout: &Path) -> Self {
        let ports = ["7001", "7002"].map(|port| (port.to_owned(), free_port().to_string()));
        Self {
            folder: folder.to_owned(),
            ports: ports.into(),
            checkout: checkout.to_owned(),
            running: Vec::new(),
            node: None,
        }
    }

    /// Does what a block says; what a command printed comes back.
    pub(crate) async fn follow(&mut self, block: &Block) -> String {
        let mut text = block.text.clone();
        for (page, here) in &self.ports {
            text = text.replace(page, here);
        }
        if let Some(name) = block.file() {
            fs::write(self.folder.join(name), text).unwrap();
            return String::new();
        }
        assert_eq!(
            block.language, "sh",
            "neither a file nor a command: {block:?}"
        );
        if text.trim() == "atlas edge" {
            self.start_edge().await;
            return String::new();
        }
        if block.stays() {
            let port = self
                .ports
                .iter()
                .find(|(_, here)| text.contains(here.as_str()));
            let port = port.unwrap().1.parse().unwrap();
            self.running
                .push(listening(&self.folder, text.trim(), port).await);
            return String::new();
        }
        self.run(&text).await
    }

    async fn start_edge(&mut self) {
        let configuration = fs::read_to_string(self.folder.join("atlas.toml")).unwrap();
        let args = [
            "edge",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ];
        let builder = atlas(&args).file("atlas.toml", configuration);
        let node = builder.start(deadline()).await.unwrap();
        for (page, name) in [("9000", "edge"), ("9090", "admin")] {
            let here = node.listener(name).unwrap().port().to_string();
            self.ports.push((page.to_owned(), here));
        }
        self.node = Some(node);
    }

    async fn run(&self, commands: &str) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_atlas"));
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            (
                "PATH",
                format!("{}:{path}", binary.parent().unwrap().display()),
            ),
            ("ATLAS", self.checkout.display().to_string()),
        ];
        let script = format!("unset ATLAS_CONFIG; set -e\n{commands}");
        let mut process = shell(&self.folder, &script, &variables);
        let exit = process.wait(deadline()).await.unwrap();
        let said = process.stdout();
        assert_eq!(
            exit.to_string(),
            "exit code 0",
            "{commands}\n{said}{}",
            process.stderr()
        );
        said
    }
}
