//! Creates and registers metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::Labels;

/// A counter for each of a few names, found without a lock or a hash.
#[derive(Debug)]
pub(super) struct ByName<const N: usize>([(&'static str, Counter); N]);

impl<const N: usize> ByName<N> {
    /// Increments the counter of the name at this index.
    pub(super) fn inc_at(&self, index: usize) {
        if let Some((_, counter)) = self.0.get(index) {
            counter.inc();
        }
    }

    /// Increments the counter of this name, or the last one if the name is unknown.
    pub(super) fn inc(&self, name: &[u8]) {
        let Self(counters) = self;
        let known = counters.iter().find(|(known, _)| known.as_bytes() == name).or(counters.last());
        if let Some((_, counter)) = known {
            counter.inc();
        }
    }
}

/// Registers metrics. `GET /metrics` shows them in the order of registration.
pub(super) struct Register<'r>(pub(super) &'r mut Registry);

impl Register<'_> {
    /// Registers a metric with its help text. The encoder adds `_total` to the name of a counter.
    pub(super) fn add<M: Metric + Default + Clone>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    /// Registers a counter for each value of a label.
    pub(super) fn by_name<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: [&'static str; N],
    ) -> ByName<N> {
        let family: Family<Labels<1>, Counter> = self.add(name, help);
        ByName(values.map(|value| (value, family.get_or_create_owned(&[(label, value)]))))
    }

    /// Registers a histogram of seconds with these upper bounds. Its name gets the suffix `_seconds`.
    pub(super) fn time(&mut self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let histogram = Histogram::new(bounds.iter().copied());
        self.0.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        histogram
    }
}
