//! Parses the command line, runs the command, and exits with its code.

use std::process::ExitCode;

use originatord::commands::Cli;
use originatord::exit;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(message) => {
            // If nobody reads the output, the exit code still counts.
            let _ = message.print();
            // Help and version, which are successes, go to stdout.
            return if message.use_stderr() { exit::EX_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    // One thread: waking another thread costs more than all of the work for a request in HTTP,
    // engine and AMI.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("originatord: cannot start: {error}");
            return ExitCode::from(exit::EX_OSERR);
        }
    };
    let code = runtime.block_on(cli.run());
    // A thread that writes the journal may be blocked by a full pipe. `serve` has already given the
    // writers their time, so nothing waits for them here.
    runtime.shutdown_background();
    code
}
