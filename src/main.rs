//! Parses the command line, runs the command, and exits with its code.

use std::process::ExitCode;

use originatord::commands::Cli;
use originatord::exit;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(message) => {
            // The output may be closed; the exit code still tells the result.
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
    // Waits for no thread: one that writes the journal may be blocked by a full pipe, and `serve`
    // has already waited for the writers, up to its time limit.
    runtime.shutdown_background();
    code
}
