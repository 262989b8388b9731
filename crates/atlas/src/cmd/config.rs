//! `atlas config`: the configuration's example, check, schema and names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use atlas_runtime::config as runtime;
use clap::{Args, Subcommand};

use crate::config::{self, Config, Role};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::{self, Align, Paint, Table};

/// Print, check or explain the configuration
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  atlas config example edge > atlas.toml\n  atlas config check --config atlas.toml"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a commented configuration to start from
    ///
    /// Every value in it is the default, the two servers at its end excepted
    #[command(
        after_help = "Examples:\n  atlas config example > atlas.toml\n  atlas config example edge"
    )]
    Example {
        /// Only what these roles read; without any, everything
        #[arg(value_name = "ROLE")]
        roles: Vec<Role>,
    },
    /// Read the configuration without starting anything, and say where what is wrong
    #[command(
        after_help = "Examples:\n  atlas config check\n  atlas config check --config /etc/atlas/atlas.toml"
    )]
    Check,
    /// Print the configuration's JSON schema, for editors that complete and check while you type
    #[command(after_help = "Example:\n  atlas config schema > atlas.schema.json")]
    Schema,
    /// List the names that people bring from elsewhere, and what they are called here
    #[command(after_help = "Example:\n  atlas config names")]
    Names,
    /// Translate a configuration from YAML to TOML, and say what is left to change
    #[command(after_help = "Example:\n  atlas config convert old.yaml > atlas.toml")]
    Convert {
        /// The YAML file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the reference of all keys as Markdown
    #[command(hide = true)]
    Reference,
}

pub(crate) fn run(context: &Context, options: Options) -> Result<ExitCode, Error> {
    match options.what {
        What::Example { roles } => {
            terminal::print(&example(&roles))?;
        }
        What::Check => check(context)?,
        What::Schema => terminal::print_json(&runtime::schema::<Config>())?,
        What::Names => names()?,
        What::Convert { file } => convert(&file)?,
        What::Reference => reference()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the reference page; also `atlas reference config`.
pub(super) fn reference() -> Result<(), Error> {
    let opening = "# Configuration\n\nWhat can stand in `atlas.toml`. A key can also come from a variable (`ATLAS_EDGE__LISTEN` is `edge.listen`: `ATLAS_`,\nsection, `__`, key, upper case, `-` as `_`) or from a flag, which beats both. Durations (`\"5s\"`, `\"500ms\"`) and sizes\n(`\"256KiB\"`) are written with their unit.\n\n";
    terminal::print(&format!("{opening}{}", runtime::reference::<Config>()))
}

/// The example, with two servers to begin with: a world without any is refused, and an example is to work.
fn example(roles: &[Role]) -> String {
    let sections = config::sections_of(roles);
    let mut text = runtime::example::<Config>(&sections);
    if sections.contains(&"world") {
        text.push_str(SERVERS);
    }
    text
}

/// No defaults, unlike the rest of the example.
const SERVERS: &str = r#"
## Two servers to begin with, each the authority for one half of the world.
[[world.main.servers]]
name = "west"
address = "ws://127.0.0.1:7001"
region = { min = [-1000, -1000, -1000], max = [0, 1000, 1000] }

[[world.main.servers]]
name = "east"
address = "ws://127.0.0.1:7002"
region = { min = [0, -1000, -1000], max = [1000, 1000, 1000] }
"#;

fn check(context: &Context) -> Result<(), Error> {
    let loaded = config::load(context, Vec::new())?;
    let what = match &loaded.file {
        Some(file) => format!("{} is good", file.display()),
        None => "there is no configuration file, and the defaults are good".to_owned(),
    };
    let mut text = format!("{what}\n");
    let roles = Role::of(&loaded);
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    let said = if names.is_empty() {
        "none; add a section such as [edge]".to_owned()
    } else {
        names.join(", ")
    };
    // Writing into a string cannot fail.
    let _ = writeln!(text, "roles: {said}");
    for (name, world) in &loaded.config.world {
        let servers: Vec<_> = world
            .servers
            .iter()
            .map(|server| server.name.as_str())
            .collect();
        let servers = if servers.is_empty() {
            "no servers yet".to_owned()
        } else {
            servers.join(", ")
        };
        let _ = writeln!(text, "world {name}: {servers}");
    }
    terminal::print(&text)
}

/// Prints the TOML; what the configuration would refuse in it is told beside it and does not make this fail: the rest
/// was translated.
fn convert(file: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Read {
        path: file.to_owned(),
        source,
    })?;
    let wrong = |why: String| Error::Yaml {
        path: file.to_owned(),
        why,
    };
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let serde_json::Value::Object(sections) = without_nulls(yaml) else {
        return Err(wrong(
            "its outermost level is no mapping of sections".to_owned(),
        ));
    };
    let toml = toml::to_string_pretty(&sections).map_err(|error| wrong(error.to_string()))?;
    terminal::print(&toml)?;
    let name = PathBuf::from("the result");
    let sources = runtime::Sources {
        file: Some(name),
        text: Some(toml),
        ..runtime::Sources::default()
    };
    if let Err(error) = runtime::load::<Config>(sources) {
        terminal::say(&format!("left to change, by lines of the result:\n{error}"));
    }
    Ok(())
}

/// The same without what is empty: TOML has no word for nothing.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                fields
                    .map(|(key, value)| (key, without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .filter(|item| !item.is_null())
                .map(without_nulls)
                .collect(),
        ),
        other => other,
    }
}

fn names() -> Result<(), Error> {
    let mut table = Table::new([
        ("ELSEWHERE", Align::Left),
        ("HERE", Align::Left),
        ("WHAT IS DIFFERENT", Align::Left),
    ]);
    for name in runtime::names() {
        let here = if name.key.is_empty() {
            "(nothing to set)"
        } else {
            name.key
        };
        table.row([name.name, here, name.note].map(str::to_owned));
    }
    terminal::print(&table.render(Paint::stdout()))
}
