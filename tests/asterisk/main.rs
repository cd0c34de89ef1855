//! Tests against real Asterisks of the oldest and the newest supported version, with the samples of
//! `asterisk/`. `make setup-tests` builds both versions. The tests share one instance of each. A
//! test that stops its Asterisk, or changes settings that others rely on, starts its own.

/// Makes each of these functions a test on both versions.
macro_rules! on_both_versions {
    ($($name:ident),* $(,)?) => {
        mod asterisk_22 { $(#[test] fn $name() { super::$name("22"); })* }
        mod asterisk_16 { $(#[test] fn $name() { super::$name("16"); })* }
    };
}

mod calls;
mod check;
mod conformance;
mod dead_link;
mod hearing;
mod redirect;
mod replicas;
