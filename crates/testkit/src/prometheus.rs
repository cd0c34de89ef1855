//! A real Prometheus, which scrapes the daemon each second, and `promtool`.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::{Daemon, KEY};
use crate::http;
use crate::program::{Ended, Program, run};

/// A running Prometheus. Killed when dropped.
pub struct Prometheus {
    address: SocketAddr,
    _program: Program,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes this daemon with the key, as SECURITY.md describes.
    pub fn of(daemon: &Daemon) -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = folder.path().join("prometheus.yml");
        fs::write(folder.path().join("key"), KEY).expect("the key is written");
        let scrape = format!(
            "scrape_configs:\n- job_name: originatord\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  \
             authorization: {{credentials_file: key}}\n  static_configs: [{{targets: [\"{}\"]}}]\n",
            daemon.address
        );
        fs::write(&config, scrape).expect("the configuration is written");
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = Program::start(command);
        let address = crate::eventually("Prometheus listens", || {
            let lines = program.stderr();
            let line = lines.iter().find(|line| line.contains("msg=\"Listening on\""))?;
            line.rsplit_once("address=")?.1.parse().ok()
        });
        Self { address, _program: program, _folder: folder }
    }

    /// The result of an expression; empty while Prometheus has no data for it.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let query: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let reply =
            http::request(self.address, "GET", &format!("/api/v1/query?query={query}"), &[], b"");
        // Prometheus answers 503 while it starts.
        if reply.status == 503 {
            return Vec::new();
        }
        assert_eq!(reply.status, 200, "{expression}: {reply:?}");
        reply.json()["data"]["result"].as_array().expect("a list").clone()
    }

    /// The value of an expression that has one result.
    pub fn number(&self, expression: &str) -> Option<f64> {
        let found = self.query(expression);
        assert!(found.len() <= 1, "{expression}: {found:?}");
        found.first()?["value"][1].as_str()?.parse().ok()
    }
}

/// Runs `promtool` in `dist/`.
pub fn promtool(args: &[&str]) -> Ended {
    let mut command = Command::new("promtool");
    command.args(args).current_dir(crate::repository().join("dist"));
    run(command)
}

/// Runs `promtool check metrics` on this text.
pub fn lint(text: &str) -> Ended {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("metrics");
    fs::write(&file, text).expect("it is written");
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(fs::File::open(&file).expect("it opens"));
    run(command)
}
