//! How many files may be open: each connection is one, and the log and the link to Asterisk must
//! always find some left.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files kept for all else than connections of bots and operators, where there are enough.
const RESERVE: u64 = 64;

/// Raises the limit on open files as far as so many connections need it, and the system lets us.
/// Returns how many connections there may be then.
pub fn make_room(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Where no limit is said, there is none.
    let Some(current) = current else { return connections };
    let wanted = RESERVE.saturating_add(connections as u64).min(maximum.unwrap_or(u64::MAX));
    let raised = current < wanted
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
    fit(connections, if raised { wanted } else { current })
}

/// How many of these connections so many files are enough for.
fn fit(connections: usize, files: u64) -> usize {
    let rest = files - RESERVE.min(files / 2);
    connections.min(usize::try_from(rest).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept_however_few_there_are() {
        let rows = [
            (1024, 4096, 1024),
            (1024, 1088, 1024),
            (1024, 1024, 960),
            (1024, 100, 50),
            (1024, 2, 1),
            (2, 100, 2),
        ];
        for (connections, files, expected) in rows {
            assert_eq!(
                fit(connections, files),
                expected,
                "{connections} connections, {files} files"
            );
        }
    }
}
