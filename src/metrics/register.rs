//! How metrics are made and registered.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::Of;

/// Counters of what has one of a few names, found without a lock or a hash.
#[derive(Debug)]
pub(super) struct ByName<const N: usize>([(&'static str, Counter); N]);

impl<const N: usize> ByName<N> {
    /// Counts one of the name at this place.
    pub(super) fn inc_at(&self, place: usize) {
        if let Some((_, counter)) = self.0.get(place) {
            counter.inc();
        }
    }

    /// Counts one of this name; the last name stands for all that are not known.
    pub(super) fn inc(&self, name: &[u8]) {
        let Self(counters) = self;
        let known = counters.iter().find(|(known, _)| known.as_bytes() == name).or(counters.last());
        if let Some((_, counter)) = known {
            counter.inc();
        }
    }
}

/// Registers metrics in their order.
pub(super) struct Register<'r>(pub(super) &'r mut Registry);

impl Register<'_> {
    /// A metric of this name, with what it is; a counter's name gets its `_total` when it is
    /// written.
    pub(super) fn add<M: Metric + Default + Clone>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    /// A counter for each value of a label.
    pub(super) fn by_name<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: [&'static str; N],
    ) -> ByName<N> {
        let family: Family<Of<1>, Counter> = self.add(name, help);
        ByName(values.map(|value| (value, family.get_or_create_owned(&[(label, value)]))))
    }

    /// A histogram of seconds with these upper bounds; its name gets the unit.
    pub(super) fn time(&mut self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let histogram = Histogram::new(bounds.iter().copied());
        self.0.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        histogram
    }
}
