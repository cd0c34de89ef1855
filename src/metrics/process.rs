//! Metrics of the process, under the names that all client libraries of Prometheus use. They are read
//! from Linux's `/proc` for each `GET /metrics`, and unreadable ones are left out.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use procfs::process::LimitValue;
use procfs::ticks_per_second;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// The metrics of this process.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    /// A process that was started at this time.
    pub(super) fn new(started: SystemTime) -> Self {
        Self { started: started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut put = |name, help, unit: Option<Unit>, metric: &dyn OptionalMetric| match metric
            .value()
        {
            Some(metric) => {
                let encoder =
                    encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?;
                metric.encode(encoder)
            }
            None => Ok(()),
        };
        let process = procfs::process::Process::myself();
        let process = process.as_ref().ok();
        let cpu = process.and_then(|process| process.stat().ok()).map(|stat| {
            ConstCounter::new((stat.utime + stat.stime) as f64 / ticks_per_second() as f64)
        });
        put("process_cpu", "User and system CPU time spent", Some(Unit::Seconds), &cpu)?;
        let status = process.and_then(|process| process.status().ok());
        let bytes = |kib: Option<u64>| kib.map(|kib| ConstGauge::new(kib * 1024));
        let resident = bytes(status.as_ref().and_then(|status| status.vmrss));
        put("process_resident_memory", "Resident memory size", Some(Unit::Bytes), &resident)?;
        let reserved = bytes(status.as_ref().and_then(|status| status.vmsize));
        put("process_virtual_memory", "Virtual memory size", Some(Unit::Bytes), &reserved)?;
        let open = process
            .and_then(|process| process.fd_count().ok())
            // `process` itself is one of them.
            .map(|count| ConstGauge::new(count.saturating_sub(1) as u64));
        put("process_open_fds", "Open file descriptors", None, &open)?;
        let limits = process.and_then(|process| process.limits().ok());
        let most = limits.and_then(|limits| match limits.max_open_files.soft_limit {
            LimitValue::Value(count) => Some(ConstGauge::new(count)),
            LimitValue::Unlimited => None,
        });
        put("process_max_fds", "Largest number of open file descriptors", None, &most)?;
        let started = Some(ConstGauge::new(self.started));
        put(
            "process_start_time",
            "Start of the process since the Unix epoch",
            Some(Unit::Seconds),
            &started,
        )
    }
}

/// A metric, if its value could be read.
trait OptionalMetric {
    fn value(&self) -> Option<&dyn EncodeMetric>;
}

impl<M: EncodeMetric> OptionalMetric for Option<M> {
    fn value(&self) -> Option<&dyn EncodeMetric> {
        self.as_ref().map(|metric| metric as &dyn EncodeMetric)
    }
}
