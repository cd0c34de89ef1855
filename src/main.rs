//! Reads the command line, and has it done.

use std::process::ExitCode;

use originatord::commands::Cli;
use originatord::exit;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(asked_or_wrong) => {
            // Who no longer reads still gets the exit code.
            let _ = asked_or_wrong.print();
            // Help and version are what was asked for.
            return if asked_or_wrong.use_stderr() {
                exit::EX_USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    // One thread: a request goes through HTTP, engine and AMI without waking another, which costs
    // more than all that is done on the way.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("originatord: cannot start: {error}");
            return ExitCode::from(exit::EX_OSERR);
        }
    };
    let code = runtime.block_on(cli.run());
    // Threads that write the log may be held up by whoever reads it; what they had to write, they
    // had time for.
    runtime.shutdown_background();
    code
}
