//! The command line, with a module for each command. Help, completions and manual pages are made
//! from these definitions.

mod call;
mod calls;
mod check;
mod completions;
mod erase;
mod hangup;
#[cfg(feature = "load")]
mod load;
mod man;
mod room;
mod rooms;
mod serve;
#[cfg(feature = "simulate")]
mod simulate;
mod tail;
mod terminal;

use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::call::CallArgs;
use self::calls::CallsArgs;
use self::check::CheckArgs;
use self::completions::CompletionsArgs;
use self::erase::EraseArgs;
use self::hangup::HangupArgs;
#[cfg(feature = "load")]
use self::load::LoadArgs;
use self::man::ManArgs;
use self::room::RoomArgs;
use self::rooms::RoomsArgs;
use self::serve::ServeArgs;
#[cfg(feature = "simulate")]
use self::simulate::SimulateArgs;
use self::tail::TailArgs;

/// Rings people into Asterisk conference rooms.
///
/// Bots POST a number and a room. The daemon has Asterisk call the number, and puts the callee into
/// the room. It never calls a number that is already in a call, and it shows every step as it
/// happens.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon.
    #[command(after_help = serve::HELP)]
    Serve(ServeArgs),
    /// Check the configuration, and with --connect the Asterisk that it names.
    ///
    /// Prints each problem with its line, and exits with 78 if there is one.
    #[command(after_help = check::HELP)]
    Check(CheckArgs),
    /// Show the records of a running daemon as they are made.
    #[command(after_help = tail::HELP)]
    Tail(TailArgs),
    /// Place a call, and follow it to its end.
    ///
    /// Prints each step as it happens. The exit code tells how the call ended. The number is really
    /// called: use one whose owner has agreed.
    #[command(after_help = call::HELP)]
    Call(CallArgs),
    /// List the active calls, or with --ended those that have ended.
    #[command(after_help = calls::HELP)]
    Calls(CallsArgs),
    /// Hang calls up.
    #[command(after_help = hangup::HELP)]
    Hangup(HangupArgs),
    /// List the rooms that are live, or have a lock or mute that the daemon keeps.
    #[command(after_help = rooms::HELP)]
    Rooms(RoomsArgs),
    /// Show or change a room and its participants.
    ///
    /// Without an action, it prints the room, who is in it, and the calls to it of people who are
    /// not. The actions lock, mute or end the room, or mute, kick or move a participant. Nothing
    /// undoes end and kick.
    #[command(after_help = room::HELP, override_usage = room::USAGE)]
    Room(RoomArgs),
    /// Erase a number from the history and the journal files.
    ///
    /// The running daemon erases it. If none runs, this command changes the files itself.
    #[command(after_help = erase::HELP)]
    Erase(EraseArgs),
    /// Put an Asterisk under load through a running daemon, and measure what it can take.
    ///
    /// The daemon really calls the numbers: use a range whose callees are machines, or have agreed.
    #[cfg(feature = "load")]
    #[command(after_help = load::HELP)]
    Load(Box<LoadArgs>),
    /// Simulate an Asterisk to develop against, without any telephony.
    ///
    /// An AMI server that behaves like Asterisk with the samples of asterisk/. The last three
    /// digits of a number choose what its callee does.
    #[cfg(feature = "simulate")]
    #[command(after_help = simulate::HELP)]
    Simulate(SimulateArgs),
    /// Print the completions for a shell.
    ///
    /// For bash: originatord completions bash > /etc/bash_completion.d/originatord
    Completions(CompletionsArgs),
    /// Write the manual pages, one for each command, into a folder.
    ///
    /// For all users: originatord man /usr/local/share/man/man1
    Man(ManArgs),
}

impl Cli {
    /// Parses the command line of this process.
    ///
    /// # Errors
    ///
    /// The command line is wrong, or asks for the help or the version; the error is the text to
    /// print.
    pub fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::definition().try_get_matches()?)
    }

    /// The definition that is parsed. In it, values may begin with a dash, because the ids of
    /// Telegram's groups do.
    ///
    /// An option accepts any next word as its value (`--room -1001234567890`), as with `getopt`. A
    /// positional argument accepts only a negative number (`call 79991230001 -1001234567890`), so
    /// that a misspelt option does not become the room of a real call. Other words with a dash can
    /// follow `--`.
    fn definition() -> clap::Command {
        Self::command().mut_subcommands(|command| {
            command.mut_args(|arg| match arg.get_action() {
                ArgAction::Set | ArgAction::Append if arg.is_positional() => {
                    arg.allow_negative_numbers(true)
                }
                ArgAction::Set | ArgAction::Append => arg.allow_hyphen_values(true),
                _ => arg,
            })
        })
    }

    /// Runs the command.
    pub async fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(args) => serve::run(&args).await,
            Command::Check(args) => check::run(&args).await,
            Command::Tail(args) => tail::run(args).await,
            Command::Call(args) => call::run(args).await,
            Command::Calls(args) => calls::run(args).await,
            Command::Hangup(args) => hangup::run(args).await,
            Command::Rooms(args) => rooms::run(args).await,
            Command::Room(args) => room::run(args).await,
            Command::Erase(args) => erase::run(args).await,
            #[cfg(feature = "load")]
            Command::Load(args) => load::run(*args).await,
            #[cfg(feature = "simulate")]
            Command::Simulate(args) => simulate::run(args).await,
            Command::Completions(args) => completions::run(&args, Self::command()),
            Command::Man(args) => man::run(&args, Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The width at which clap wraps lines if it does not know the terminal's.
    const WIDTH: usize = 100;

    #[test]
    fn tables_in_help_are_never_wrapped() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for row in help.lines().filter(|line| line.starts_with("  ")) {
                assert!(row.chars().count() <= WIDTH, "{}: {row}", command.get_name());
            }
        }
    }
}
