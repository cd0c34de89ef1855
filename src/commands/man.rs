//! `originatord man`: manual pages, made from the definitions of the command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::exit::EX_CANTCREAT;

/// The arguments of `originatord man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The folder, which is created if it does not exist.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the manual pages of `command`.
pub(super) fn run(args: &ManArgs, command: Command) -> ExitCode {
    match write(command, &args.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("originatord man: {}: {error}", args.folder.display());
            EX_CANTCREAT.into()
        }
    }
}

/// Writes the pages of a command and its subcommands into `folder`.
fn write(command: Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // By default, clap adds a subcommand `help`, which would get a page for each command.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    for subcommand in command.get_subcommands() {
        write_page(subcommand.clone(), folder)?;
    }
    write_page(command, folder)
}

fn write_page(command: Command, folder: &Path) -> io::Result<()> {
    let end = command.get_after_help().map(|help| help.to_string()).unwrap_or_default();
    let man = Man::new(command)
        .manual("originatord")
        .source(concat!("originatord ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    // Only the page of `originatord` itself lists subcommands.
    if man.get_filename() == "originatord.1" {
        man.render_subcommands_section(&mut page)?;
    }
    end_of_help(&end).to_writer(&mut page)?;
    fs::write(folder.join(man.get_filename()), page)
}

/// Renders the end of a command's help: paragraphs are filled, the lines of tables, which begin
/// with two spaces, are not.
fn end_of_help(help: &str) -> Roff {
    let (notes, codes) = help.split_once("Exit codes:\n").unwrap_or((help, ""));
    let mut roff = Roff::new();
    for (heading, text) in [("NOTES", notes), ("EXIT STATUS", codes)] {
        if text.trim().is_empty() {
            continue;
        }
        roff.control("SH", [heading]);
        let mut in_table = false;
        for line in text.trim_end().lines() {
            let is_row = line.starts_with("  ");
            if is_row != in_table {
                roff.control(if is_row { "nf" } else { "fi" }, []);
                in_table = is_row;
            }
            match line {
                "" => roff.control("PP", []),
                line => roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]),
            };
        }
        if in_table {
            roff.control("fi", []);
        }
    }
    roff
}
