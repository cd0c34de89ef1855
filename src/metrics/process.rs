//! The process itself, as all of Prometheus' client libraries show it, read from Linux's `/proc`
//! when it is asked for. What cannot be read is left out.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Clock ticks a second in what Linux says of processes (`USER_HZ`): 100 wherever Rust runs.
const TICKS: f64 = 100.0;

/// The metrics of this process.
#[derive(Debug)]
pub struct Process {
    started: f64,
}

impl Process {
    /// A process that was started at this time.
    pub fn new(started: SystemTime) -> Self {
        Self { started: started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut put = |name, help, unit: Option<Unit>, metric: &dyn Shown| match metric.value() {
            Some(metric) => {
                let encoder =
                    encoder.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?;
                metric.encode(encoder)
            }
            None => Ok(()),
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let cpu = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|stat| cpu_seconds(&stat))
            .map(ConstCounter::new);
        put("process_cpu", "User and system CPU time spent", Some(Unit::Seconds), &cpu)?;
        let resident = memory(&status, "VmRSS:").map(ConstGauge::new);
        put("process_resident_memory", "Resident memory size", Some(Unit::Bytes), &resident)?;
        let reserved = memory(&status, "VmSize:").map(ConstGauge::new);
        put("process_virtual_memory", "Virtual memory size", Some(Unit::Bytes), &reserved)?;
        let open = fs::read_dir("/proc/self/fd")
            .ok()
            .map(|entries| ConstGauge::new(entries.count() as u64));
        put("process_open_fds", "Open file descriptors", None, &open)?;
        let most = fs::read_to_string("/proc/self/limits")
            .ok()
            .and_then(|limits| max_fds(&limits))
            .map(ConstGauge::new);
        put("process_max_fds", "File descriptors that may be open", None, &most)?;
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
trait Shown {
    fn value(&self) -> Option<&dyn EncodeMetric>;
}

impl<M: EncodeMetric> Shown for Option<M> {
    fn value(&self) -> Option<&dyn EncodeMetric> {
        self.as_ref().map(|metric| metric as &dyn EncodeMetric)
    }
}

/// From `/proc/self/stat`: proc(5) counts its fields from 1, and the second, the name in
/// parentheses, can hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(14 - 3);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

/// A line of `/proc/self/status`, in bytes.
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit in `/proc/self/limits`.
fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read_as_proc_5_has_it() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 3 0 250 50 0 0 20 0 1 0 12345 9000000 2500 18446744073709551615";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nonsense"), None);
        let status = "Name:\tx\nVmSize:\t   20480 kB\nVmRSS:\t    9216 kB\n";
        assert_eq!(
            (memory(status, "VmRSS:"), memory(status, "VmSize:")),
            (Some(9_437_184), Some(20_971_520))
        );
        assert_eq!(memory(status, "VmSwap:"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096   files\n";
        assert_eq!(max_fds(limits), Some(1024));
        assert_eq!(
            max_fds("Max open files            unlimited            unlimited            files"),
            None
        );
    }
}
