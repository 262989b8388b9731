//! What a command can fail with: what failed, what to do about it, and the exit code.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::terminal::Paint;

/// Exit code of something that failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code of wrong usage or configuration.
pub(crate) const WRONG: u8 = 2;
/// Exit code of a node that could not be reached.
pub(crate) const UNREACHABLE: u8 = 3;

/// Why a command ended without having done its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration cannot be read or has mistakes.
    #[error("{}", config_words(.0))]
    Config(#[from] atlas_runtime::config::Error),
    /// The configuration names no role.
    #[error("{} names no role to run", file.display())]
    NoRole {
        /// The file.
        file: PathBuf,
    },
    /// The demo was asked for beside a configuration with worlds.
    #[error("the configuration has worlds of its own ({}), and --demo makes one", worlds.join(", "))]
    DemoBesideWorlds {
        /// Their names.
        worlds: Vec<String>,
    },
    /// An option's value cannot be used.
    #[error("{option} `{value}`: {wrong}")]
    Option {
        /// The option as it is typed.
        option: &'static str,
        /// What was given.
        value: String,
        /// What is wrong and what would be right.
        wrong: String,
    },
    /// No answer from a node.
    #[error("cannot reach a running node at {url}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// How that address came about.
        tried: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A node answered that it will not or cannot.
    #[error("{url} answered {status}: {detail}")]
    Answer {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The node's words.
        detail: String,
        /// What to do about it, if that is known here.
        hint: Option<String>,
    },
    /// What answered is no node, or a much different version.
    #[error("what answered at {url} is no Atlas node: {what}")]
    Stranger {
        /// What was asked.
        url: String,
        /// What it said.
        what: String,
    },
    /// No session fits.
    #[error("no session is called `{wanted}`")]
    NoSession {
        /// What was typed.
        wanted: String,
    },
    /// Several sessions fit.
    #[error("`{wanted}` may be any of {count} sessions")]
    ManySessions {
        /// What was typed.
        wanted: String,
        /// How many fit.
        count: usize,
    },
    /// No server fits.
    #[error("no server is called `{wanted}`")]
    NoServer {
        /// What was typed.
        wanted: String,
    },
    /// Servers of several worlds fit.
    #[error("`{wanted}` may be any of {}", whole.join(", "))]
    ManyServers {
        /// What was typed.
        wanted: String,
        /// Their names with their worlds'.
        whole: Vec<String>,
    },
    /// A running node cannot use its new configuration.
    #[error("the node at {url} keeps its configuration\n{detail}")]
    NotReloaded {
        /// The node.
        url: String,
        /// What is wrong with the new one.
        detail: String,
    },
    /// A file is no YAML that can be translated.
    #[error("{} cannot be translated: {why}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder or a process cannot be made.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A demo server did not come up.
    #[error("demo server {name} did not start: {why}")]
    DemoServer {
        /// Its name.
        name: String,
        /// What happened.
        why: String,
    },
    /// The process's life.
    #[error(transparent)]
    Runtime(#[from] atlas_runtime::Error),
    /// The edge.
    #[error(transparent)]
    Edge(#[from] atlas_edge::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] atlas_store::Error),
    /// A pack that cannot be looked at.
    #[error(transparent)]
    Pack(#[from] atlas_builder::Error),
    /// The demo's parts.
    #[error(transparent)]
    Demo(#[from] atlas_demo::Error),
    /// Stdout cannot be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

impl Error {
    /// The exit code that says what kind of failure it is.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::NoRole { .. }
            | Self::DemoBesideWorlds { .. }
            | Self::Option { .. }
            | Self::Yaml { .. }
            | Self::NotReloaded { .. }
            | Self::Edge(atlas_edge::Error::Config(_))
            | Self::Pack(atlas_builder::Error::NoPack { .. })
            | Self::Store(
                atlas_store::Error::Config(_)
                | atlas_store::Error::Password { .. }
                | atlas_store::Error::NoStore { .. },
            )
            | Self::Runtime(atlas_runtime::Error::Config(_) | atlas_runtime::Error::Level { .. })
            | Self::Demo(
                atlas_demo::Error::Option { .. }
                | atlas_demo::Error::Region { .. }
                | atlas_demo::Error::Url { .. }
                | atlas_demo::Error::Unguarded { .. },
            ) => WRONG,
            Self::Unreachable { .. } => UNREACHABLE,
            _ => FAILED,
        }
    }

    /// The reader of our output has gone (`atlas sessions | head`): nothing to complain about.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(
            self,
            Self::Output(source) | Self::Store(atlas_store::Error::Output(source))
                if source.kind() == io::ErrorKind::BrokenPipe
        )
    }

    /// The remedy, where the message does not say it already.
    fn hint(&self) -> Option<String> {
        use atlas_runtime::config::Error as Config;
        match self {
            Self::Config(Config::Problems(_)) => {
                Some("`atlas config example` prints every key with what it does; `atlas config check` reads the file without starting anything".to_owned())
            }
            Self::Config(Config::Read { .. }) => {
                Some("check the file's owner and mode; `atlas` must be able to read it".to_owned())
            }
            Self::NoRole { .. } => Some(
                "add a section for it, such as [edge]; `atlas config example edge` prints one".to_owned(),
            ),
            Self::DemoBesideWorlds { .. } => Some(
                "leave --demo out, or name another file with --config (an empty one will do)".to_owned(),
            ),
            Self::Unreachable { tried, .. } => Some(format!(
                "{tried}; is the node running? `atlas edge` starts one, --admin URL names another, `atlas doctor` looks for what is wrong"
            )),
            Self::Answer { hint, .. } => hint.clone(),
            Self::Stranger { .. } => {
                Some("--admin URL names the node's admin listener (`admin.listen`, by default port 9090)".to_owned())
            }
            Self::NoSession { .. } | Self::ManySessions { .. } => Some(
                "`atlas sessions` lists them; a session is named by its id, by the start of its id, or by its player".to_owned(),
            ),
            Self::NoServer { .. } => Some("`atlas servers` lists them".to_owned()),
            Self::ManyServers { .. } => Some("name it with its world: WORLD/SERVER".to_owned()),
            Self::NotReloaded { .. } => Some(
                "`atlas config check` reads the file without a node; the node goes on as it was".to_owned(),
            ),
            Self::Demo(atlas_demo::Error::Bind { .. }) => {
                Some("choose another address with --listen; port 0 finds a free one".to_owned())
            }
            Self::Edge(atlas_edge::Error::Resolve { .. }) => {
                Some("check the server's `address` in the configuration, or the machine's resolver".to_owned())
            }
            Self::Store(error) => of_store(error),
            Self::Pack(error) => of_pack(error),
            Self::Runtime(atlas_runtime::Error::Write { .. }) => {
                Some("`node.data-dir` (or --data-dir) must name a folder that this user may write to".to_owned())
            }
            Self::Runtime(atlas_runtime::Error::Drain { .. }) => {
                Some("`node.drain-timeout` says how long a stop may take".to_owned())
            }
            _ => None,
        }
    }

    /// The error as a person reads it on stderr: what failed, why, and what to do.
    pub(crate) fn report(&self, paint: Paint) -> String {
        let mut text = format!("{} {self}\n", paint.red("error:"));
        let mut source = std::error::Error::source(self);
        // An inner error that only repeats what the outer one says in its own message is left out.
        let mut said = self.to_string();
        while let Some(cause) = source {
            let words = cause.to_string();
            if !said.contains(&words) {
                let _ = writeln!(text, "  caused by: {words}");
            }
            said = words;
            source = cause.source();
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "{} {hint}", paint.cyan("hint:"));
        }
        text
    }
}

/// Mistakes stand one a line below the message, so that editors find file and line.
fn config_words(error: &atlas_runtime::config::Error) -> String {
    match error {
        atlas_runtime::config::Error::Problems(_) => {
            format!("the configuration cannot be used\n{error}")
        }
        other => other.to_string(),
    }
}

/// The remedy of what cannot be done with a pack.
fn of_pack(error: &atlas_builder::Error) -> Option<String> {
    use atlas_builder::Error as Pack;
    match error {
        Pack::NoPack { near, .. } => Some(match near.as_slice() {
            [] => "name the folder of a pack; `packwiz init` makes one".to_owned(),
            [one] => format!("there is one in {}", one.display()),
            several => {
                let shown = several
                    .iter()
                    .take(12)
                    .map(|path| path.display().to_string());
                let more = several.len().saturating_sub(12);
                let and = if more > 0 {
                    format!(", and {more} more")
                } else {
                    String::new()
                };
                format!(
                    "there are packs in {}{and}",
                    shown.collect::<Vec<_>>().join(", ")
                )
            }
        }),
        Pack::TooManyFiles { .. } => Some(
            "name what is not part of the pack in .packwizignore; is this the pack's folder?"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The remedy of what the store cannot do.
fn of_store(error: &atlas_store::Error) -> Option<String> {
    use atlas_store::Error as Store;
    use atlas_wal::Error as Log;
    let text = match error {
        Store::Panicked { index, .. } => {
            return Some(format!(
                "nothing was changed; please report it. `atlas store skip {index}` leaves this record out from now on, and the store starts without its effect"
            ));
        }
        Store::Exists { .. } => "name another data directory, or move that one away",
        Store::OutsideBackup { .. } => {
            "`atlas store restore --from FOLDER --list` shows which moments a backup has"
        }
        Store::Unverified { .. } => {
            "the store's own files were only read; remove this folder and make another backup"
        }
        Store::NoStore { .. } => {
            "name the data directory or its folder `store`; without one, `store.data-dir` and `node.data-dir` of the configuration say where it is"
        }
        Store::Folder { source, .. } | Store::File { source, .. } if is_refused(source) => REFUSED,
        Store::Log(Log::Io { source, .. }) if is_refused(source) => REFUSED,
        Store::Folder { .. } => {
            "`store.data-dir`, or `node.data-dir` (--data-dir), must name a folder that this user may write to"
        }
        Store::Log(Log::InUse { .. }) => {
            "stop the store that has it (SIGTERM), or name another data directory"
        }
        // These say what to do themselves.
        Store::Log(Log::Owner { .. } | Log::NewerFormat { .. } | Log::NewerApplyLevel { .. }) => {
            "nothing was changed"
        }
        Store::Log(
            Log::Corrupt { .. }
            | Log::MissingSegment { .. }
            | Log::NoSnapshot { .. }
            | Log::SnapshotWithoutLog { .. },
        ) => {
            "nothing was changed; `atlas store check` says what could be kept, `atlas store restore` makes new files from a backup"
        }
        Store::Log(_) | Store::Load { .. } | Store::Record { .. } => {
            "nothing was changed; `docs/operate/store.md` says what each error means"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

const REFUSED: &str = "the store's user must own the folder and its files, and the disk must not be mounted for reading only; `ls -ld` and `mount` show both";

/// The system lets this user not do it, or nobody.
fn is_refused(source: &io::Error) -> bool {
    matches!(
        source.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}
