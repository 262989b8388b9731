//! Metrics, each declared once with its name, HELP, labels and, if it has one, the name others know it by.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus::{
    HistogramOpts, Opts, TextEncoder,
    core::{Collector, Desc},
    proto,
};

use crate::{Error, MetricsConfig};

pub use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

mod process;

#[cfg(test)]
mod tests;

/// The media type of [`Registry::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Buckets, in seconds, for what a player feels: 0.1 ms to 10 s.
pub const LATENCY_SECONDS: [f64; 15] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0,
];

/// What sort of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size; its name ends in the unit.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// A metric as it was declared; the reference page is made of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name, `atlas_<part>_<what>_<unit|total>`.
    pub name: String,
    /// What sort of metric it is.
    pub kind: Kind,
    /// What it counts, a sentence.
    pub help: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// Names by which other programs' dashboards know it; shown only with `metrics.aliases`.
    pub aliases: Vec<String>,
}

/// The process's metrics; a clone is the same registry.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    prometheus: prometheus::Registry,
    show_aliases: bool,
    declared: Mutex<BTreeMap<String, Declared>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("metrics::Registry")
            .field(&self.lock().keys())
            .finish()
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(config: &MetricsConfig) -> Self {
        Self(Arc::new(Inner {
            prometheus: prometheus::Registry::new(),
            show_aliases: config.aliases,
            declared: Mutex::default(),
        }))
    }

    /// Declares a counter without labels.
    ///
    /// # Errors
    /// [`Error::MetricName`] if the name breaks the rule, [`Error::Metric`] if it was declared before.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.declare(Kind::Counter, name, help, &[], || {
            IntCounter::new(name, help)
        })
    }

    /// Declares a counter with labels.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, Error> {
        self.declare(Kind::Counter, name, help, labels, || {
            IntCounterVec::new(Opts::new(name, help), labels)
        })
    }

    /// Declares a gauge without labels.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.declare(Kind::Gauge, name, help, &[], || IntGauge::new(name, help))
    }

    /// Declares a gauge with labels.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.declare(Kind::Gauge, name, help, labels, || {
            IntGaugeVec::new(Opts::new(name, help), labels)
        })
    }

    /// Declares a histogram without labels; `buckets` are upper bounds in the unit of the name.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.declare(Kind::Histogram, name, help, &[], || {
            Histogram::with_opts(options)
        })
    }

    /// Declares a histogram with labels; `buckets` are upper bounds in the unit of the name.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.declare(Kind::Histogram, name, help, labels, || {
            HistogramVec::new(options, labels)
        })
    }

    /// Declares a counter or gauge whose values are read when the metrics are asked for: for parts that keep their own
    /// counts. `values` gives the label values, in the order of `labels`, with the value; it must not block.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn computed<F>(
        &self,
        kind: Kind,
        name: &str,
        help: &str,
        labels: &[&str],
        values: F,
    ) -> Result<(), Error>
    where
        F: Fn() -> Vec<(Vec<String>, f64)> + Send + Sync + 'static,
    {
        let variable = labels.iter().map(|&label| label.to_owned()).collect();
        let description = Desc::new(name.to_owned(), help.to_owned(), variable, HashMap::new());
        self.declare(kind, name, help, labels, || {
            Ok(Computed {
                kind,
                description: description?,
                values: Arc::new(values),
            })
        })?;
        Ok(())
    }

    /// Declares the metrics of the process itself: memory, descriptors, age, version.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn process(&self, version: &str) -> Result<(), Error> {
        process::declare(self, version)
    }

    /// Lets the metric `name`, declared before, appear as `alias` too if `metrics.aliases` is on.
    ///
    /// # Errors
    /// [`Error::MetricName`] if there is no such metric.
    pub fn alias(&self, alias: &str, name: &str) -> Result<(), Error> {
        match self.lock().get_mut(name) {
            Some(declared) => declared.aliases.push(alias.to_owned()),
            None => {
                return Err(Error::MetricName {
                    name: name.to_owned(),
                    why: "is given an alias before it is declared",
                });
            }
        }
        Ok(())
    }

    /// Every metric declared so far, by name.
    #[must_use]
    pub fn declared(&self) -> Vec<Declared> {
        self.lock().values().cloned().collect()
    }

    /// The metrics now, as Prometheus reads them ([`CONTENT_TYPE`]).
    ///
    /// # Errors
    /// [`Error::Render`] if the encoder refuses a metric.
    pub fn render(&self) -> Result<String, Error> {
        let mut families = self.0.prometheus.gather();
        if self.0.show_aliases {
            let declared = self.lock();
            let mut copies = Vec::new();
            for family in &families {
                for alias in declared
                    .get(family.name())
                    .map_or(&[][..], |declared| &declared.aliases)
                {
                    let mut copy = family.clone();
                    copy.set_name(alias.clone());
                    copies.push(copy);
                }
            }
            families.extend(copies);
            families.sort_by(|a, b| a.name().cmp(b.name()));
        }
        TextEncoder::new()
            .encode_to_string(&families)
            .map_err(|source| Error::Render { source })
    }

    fn declare<C: Collector + Clone + 'static>(
        &self,
        kind: Kind,
        name: &str,
        help: &str,
        labels: &[&str],
        make: impl FnOnce() -> prometheus::Result<C>,
    ) -> Result<C, Error> {
        if let Some(why) = broken_rule(kind, name, help) {
            return Err(Error::MetricName {
                name: name.to_owned(),
                why,
            });
        }
        let wrong = |source| Error::Metric {
            name: name.to_owned(),
            source,
        };
        let collector = make().map_err(wrong)?;
        self.0
            .prometheus
            .register(Box::new(collector.clone()))
            .map_err(wrong)?;
        let declared = Declared {
            name: name.to_owned(),
            kind,
            help: help.to_owned(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            aliases: Vec::new(),
        };
        self.lock().insert(name.to_owned(), declared);
        Ok(collector)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Declared>> {
        // Nothing panics while it holds the lock; a poisoned one is whole.
        self.0
            .declared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which rule of naming a declaration breaks. Prometheus itself checks the letters.
fn broken_rule(kind: Kind, name: &str, help: &str) -> Option<&'static str> {
    const UNITS: [&str; 3] = ["_seconds", "_bytes", "_messages"];
    if !name.starts_with("atlas_") || name.split('_').count() < 3 {
        Some("names are atlas_<part>_<what>_<unit|total>")
    } else if (kind == Kind::Counter) != name.ends_with("_total") {
        Some("counters, and only they, end in _total")
    } else if kind == Kind::Histogram && !UNITS.iter().any(|unit| name.ends_with(unit)) {
        Some("histograms end in their unit: _seconds, _bytes or _messages")
    } else if help.trim().is_empty() {
        Some("has no HELP")
    } else {
        None
    }
}

/// A metric whose values are read when they are asked for.
#[derive(Clone)]
struct Computed {
    kind: Kind,
    description: Desc,
    values: Arc<dyn Fn() -> Vec<(Vec<String>, f64)> + Send + Sync>,
}

impl Collector for Computed {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let metrics: Vec<_> = (self.values)()
            .into_iter()
            .map(|(labels, value)| self.metric(labels, value))
            .collect();
        if metrics.is_empty() {
            // The registry drops families without metrics; the encoder would refuse one.
            return Vec::new();
        }
        let mut family = proto::MetricFamily::default();
        family.set_name(self.description.fq_name.clone());
        family.set_help(self.description.help.clone());
        family.set_field_type(match self.kind {
            Kind::Counter => proto::MetricType::COUNTER,
            Kind::Gauge | Kind::Histogram => proto::MetricType::GAUGE,
        });
        family.set_metric(metrics);
        vec![family]
    }
}

impl Computed {
    fn metric(&self, labels: Vec<String>, value: f64) -> proto::Metric {
        // By name, as those of all other metrics are.
        let mut pairs: Vec<_> = self
            .description
            .variable_labels
            .iter()
            .zip(labels)
            .map(|(name, value)| {
                let mut pair = proto::LabelPair::default();
                pair.set_name(name.clone());
                pair.set_value(value);
                pair
            })
            .collect();
        pairs.sort_by(|one, other| one.name().cmp(other.name()));
        let mut metric = proto::Metric::from_label(pairs);
        if self.kind == Kind::Counter {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        metric
    }
}
