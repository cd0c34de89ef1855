//! The exit codes of all commands, after `sysexits.h`.

/// `sysexits.h`: the command line is wrong.
pub const EX_USAGE: u8 = 64;
/// `sysexits.h`: a file cannot be read.
pub const EX_NOINPUT: u8 = 66;
/// `sysexits.h`: something needed is not to be had.
pub const EX_UNAVAILABLE: u8 = 69;
/// `sysexits.h`: the operating system refuses.
pub const EX_OSERR: u8 = 71;
/// `sysexits.h`: an output file cannot be written.
pub const EX_CANTCREAT: u8 = 73;
/// `sysexits.h`: something cannot be written.
pub const EX_IOERR: u8 = 74;
/// `sysexits.h`: not allowed.
pub const EX_NOPERM: u8 = 77;
/// `sysexits.h`: the configuration is wrong.
pub const EX_CONFIG: u8 = 78;
