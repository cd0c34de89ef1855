//! Black-box tests of the program. Each module starts it as users do, with a stand-in for Asterisk,
//! and checks what it outputs.
//!
//! The tests are one executable, because linking dominates the build time, and run as threads of
//! one process. So no test changes the state of that process (environment, current folder,
//! signals), except the limit on open files, which tests may only raise. Every measured resource
//! belongs to the daemon, which is a process of its own.

mod attacks_ami;
mod attacks_crowds;
mod attacks_http;
mod attacks_tls;
mod bot;
mod call;
mod calls;
mod check;
mod cli;
mod conferences;
mod contract;
mod docs;
mod earlier;
mod events;
mod history;
mod http_server;
mod https;
mod journal;
mod limited_keys;
mod limits;
mod link;
mod load;
mod logs;
mod metrics;
mod operators;
mod panics;
mod privacy;
mod proxy;
mod room_commands;
mod rooms;
mod service;
mod session;
mod simulate;
mod stalled_readers;
mod stop_under_load;
mod tail;
mod tls;
