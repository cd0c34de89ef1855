//! The resources that a process uses, as Linux reports them, and the limit of this process.

use std::fs;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Number of open files of a process.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives").count()
}

/// Resident memory, in KiB.
pub fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The highest resident memory since [`reset_peak`], in KiB.
pub fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// Resets the peak to the present resident memory.
pub fn reset_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak is reset");
}

/// The size of the address space, in KiB.
pub fn address_space(pid: u32) -> u64 {
    status(pid, "VmSize:")
}

fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of this name");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Raises this process's limit on open files to the highest allowed value, and returns it. The new
/// limit holds for all tests of the executable, and for the programs that they start.
pub fn raise_open_files() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the limit is raised");
    maximum.map_or(usize::MAX, |maximum| maximum as usize)
}

/// Limits the size of the files that a process writes, to simulate a full disk. `bytes` is a number
/// or `unlimited`.
pub fn limit_file_size(pid: u32, bytes: &str) {
    let limit = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(limit.expect("prlimit runs").success());
}
