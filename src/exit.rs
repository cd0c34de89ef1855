//! The exit codes that commands share, most of them from `sysexits.h`. Each command describes its
//! own in its help.

/// `sysexits.h`: the command line is wrong.
pub const EX_USAGE: u8 = 64;
/// `sysexits.h`: an input file cannot be read.
pub const EX_NOINPUT: u8 = 66;
/// `sysexits.h`: a service is unavailable.
pub const EX_UNAVAILABLE: u8 = 69;
/// `sysexits.h`: the operating system refuses something.
pub const EX_OSERR: u8 = 71;
/// `sysexits.h`: an output file cannot be written.
pub const EX_CANTCREAT: u8 = 73;
/// `sysexits.h`: input or output failed.
pub const EX_IOERR: u8 = 74;
/// `sysexits.h`: permission denied.
pub const EX_NOPERM: u8 = 77;
/// `sysexits.h`: the configuration is wrong.
pub const EX_CONFIG: u8 = 78;
/// The status that a shell reports for a program that SIGINT ended.
pub const INTERRUPTED: u8 = 130;
