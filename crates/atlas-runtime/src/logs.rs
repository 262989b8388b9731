//! Log lines on the standard error stream, whose level can change while the process runs.

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, Layer, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::{Error, LogConfig, LogFormat};

/// The level of a process's logs; a clone is the same level.
#[derive(Debug, Clone)]
pub struct Logs(reload::Handle<EnvFilter, Registry>);

impl Logs {
    /// The level now, as [`LogConfig::level`] is written.
    #[must_use]
    pub fn level(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Changes the level of everything logged from now on.
    ///
    /// # Errors
    /// [`Error::Level`] if `level` cannot be read; the level stays as it was.
    pub fn set_level(&self, level: &str) -> Result<(), Error> {
        let filter = filter(level)?;
        self.0.reload(filter).map_err(|source| Error::Logs {
            source: source.into(),
        })
    }
}

/// Sets up the process's logs: to the standard error stream, pretty on a terminal and JSON otherwise unless `config`
/// says which.
///
/// # Errors
/// [`Error::Level`] if the level cannot be read, [`Error::Logs`] if they are set up already.
pub fn init(config: &LogConfig) -> Result<Logs, Error> {
    let (filter, handle) = reload::Layer::new(filter(&config.level)?);
    let terminal = std::io::stderr().is_terminal();
    let pretty = match config.format {
        LogFormat::Auto => terminal,
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if pretty {
        // On a terminal the library looks at NO_COLOR itself.
        if terminal {
            lines.boxed()
        } else {
            lines.with_ansi(false).boxed()
        }
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed()
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    subscriber.try_init().map_err(|source| Error::Logs {
        source: source.into(),
    })?;
    Ok(Logs(handle))
}

/// A level whose lines go nowhere, for tests and for embedding without logs.
#[must_use]
pub fn detached() -> (Logs, impl tracing::Subscriber + Send + Sync) {
    let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
    (Logs(handle), tracing_subscriber::registry().with(filter))
}

/// Refuses a level that cannot be read while the configuration is, so that the message has its place.
pub(crate) fn deserialize_level<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    let level = <String as serde::Deserialize>::deserialize(deserializer)?;
    filter(&level).map_err(serde::de::Error::custom)?;
    Ok(level)
}

fn filter(level: &str) -> Result<EnvFilter, Error> {
    let wrong = |source| Error::Level {
        level: level.to_owned(),
        source,
    };
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|source| wrong(source.into()))?;
    // The library reads "loud" as the name of a part of the program. Parts have a `_` or `::` in their names; any other
    // lone word that is no level is a slip.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_known = |word: &str| levels.iter().any(|name| word.eq_ignore_ascii_case(name));
    if !level.contains(['=', ',', '[', ':', '_']) && !is_known(level.trim()) {
        return Err(wrong("it is no level".into()));
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_change_and_slips_are_refused() {
        let (logs, _subscriber) = detached();
        assert_eq!(logs.level(), "info");
        for (level, now) in [
            ("debug", "debug"),
            ("atlas_edge=debug,info", "atlas_edge=debug,info"),
            ("atlas_edge", "atlas_edge=trace"),
            ("off", "off"),
        ] {
            logs.set_level(level).unwrap();
            assert_eq!(logs.level(), now);
        }
        for wrong in ["loud", "", "atlas=loud", "info,=,", "12"] {
            let error = logs.set_level(wrong).unwrap_err();
            assert!(matches!(error, Error::Level { .. }), "{wrong}: {error}");
            assert_eq!(logs.level(), "off", "{wrong} changed nothing");
        }
    }

    #[test]
    fn a_changed_level_lets_lines_through() {
        let (logs, subscriber) = detached();
        tracing::subscriber::with_default(subscriber, || {
            assert!(!tracing::enabled!(tracing::Level::DEBUG));
            logs.set_level("debug").unwrap();
            assert!(tracing::enabled!(tracing::Level::DEBUG));
        });
    }
}
