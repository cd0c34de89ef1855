//! Black-box tests of the program: each module starts it as its users do, with a stand-in for
//! Asterisk, and looks at what comes out.
//!
//! They are one executable, as linking takes most of the time of a build. Its tests run beside each
//! other as threads of one process: no test changes what belongs to the process (environment,
//! current folder, signals), but for the limit on open files, which each may raise. What a test
//! measures is the daemon's, which is a process of its own.

mod attacks_ami;
mod attacks_crowds;
mod attacks_http;
mod attacks_tls;
mod bot;
mod call;
mod calls;
mod check;
mod cli;
mod contract;
mod docs;
mod earlier;
mod events;
mod history;
mod http_server;
mod https;
mod journal;
mod limits;
mod link;
mod load;
mod logs;
mod metrics;
mod operators;
mod panics;
mod privacy;
mod proxy;
mod service;
mod session;
mod simulate;
mod stalled_readers;
mod stop_under_load;
mod tail;
mod tls;
