//! The system's limit on open files. Each HTTP connection needs an open file, and the journal, the
//! history and the link to Asterisk need some, too.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The number of files reserved for everything but HTTP connections.
const RESERVE: u64 = 64;

/// Raises the limit on open files until `connections` connections and [`RESERVE`] fit into it, but
/// not above the hard limit. Returns how many connections fit into the new limit.
pub(crate) fn raise_limit(connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` means that there is no limit.
    let Some(current) = current else { return connections };
    let wanted = RESERVE.saturating_add(connections as u64).min(maximum.unwrap_or(u64::MAX));
    let raised = current < wanted
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
    fit(connections, if raised { wanted } else { current })
}

/// How many of the connections fit into a limit of `files` open files. Of a limit below twice
/// [`RESERVE`], half is reserved.
fn fit(connections: usize, files: u64) -> usize {
    let rest = files - RESERVE.min(files / 2);
    connections.min(usize::try_from(rest).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_always_reserved() {
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
