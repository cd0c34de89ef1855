//! A headless Chromium, driven by ChromeDriver over the WebDriver protocol
//! (<https://www.w3.org/TR/webdriver2/>).

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::KeptAlive;
use crate::{eventually, eventually_ok};

/// Options that keep Chromium from connecting anywhere else, and let root run it.
const ARGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// The protocol's key for an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page. Ended when dropped.
pub struct Browser {
    driver: Child,
    connection: Mutex<KeptAlive>,
    session: String,
    process: Option<u64>,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser with a window of this width and height, in pixels.
    pub fn start(width: u32, height: u32) -> Self {
        // The chosen port must be free on IPv4 and IPv6; ChromeDriver ends at once if it is not.
        let (driver, port) = (0..10).find_map(|_| start_driver()).expect("chromedriver listens");
        let connection = Mutex::new(KeptAlive::open(SocketAddr::from(([127, 0, 0, 1], port))));
        let profile = TempDir::new().expect("a folder");
        let mut args: Vec<_> = ARGS.iter().map(|arg| (*arg).to_owned()).collect();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({ "args": args });
        let capabilities =
            json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let mut browser =
            Self { driver, connection, session: String::new(), process: None, _profile: profile };
        let opened = browser.ask(
            "POST",
            "/session",
            &json!({ "capabilities": { "alwaysMatch": capabilities } }),
        );
        let opened = opened.expect("a browser");
        browser.session = format!("/session/{}", opened["sessionId"].as_str().expect("an id"));
        browser.process = opened["capabilities"]["goog:processID"].as_u64();
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        browser.devtools("Emulation.setDeviceMetricsOverride", size);
        browser
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let path = format!("{}{path}", self.session);
        let mut connection = self.connection.lock().expect("a lock");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        );
        connection.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        let reply = connection.reply();
        let value = reply.json()["value"].take();
        if reply.status == 200 {
            Ok(value)
        } else {
            Err(value["message"].as_str().unwrap_or_default().to_owned())
        }
    }

    fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a command of Chromium's own protocol.
    pub fn devtools(&self, command: &str, params: Value) -> Value {
        self.must("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// Shows pages in the `light` or `dark` scheme.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.must("POST", "/url", &json!({ "url": url }));
    }

    /// Reloads the page.
    pub fn reload(&self) {
        self.must("POST", "/refresh", &json!({}));
    }

    /// Runs a script, the body of a function of these arguments, and returns its result.
    pub fn run(&self, script: &str, args: Value) -> Value {
        self.must("POST", "/execute/sync", &json!({ "script": script, "args": args }))
    }

    /// Runs a script that passes its result to its last argument, a callback; returns the result.
    pub fn run_async(&self, script: &str) -> Value {
        self.must("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The visible text of the first element that matches the selector; empty if none does.
    pub fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.run(script, json!([selector])).as_str().unwrap_or_default().trim().to_owned()
    }

    /// The visible texts of all elements that match the selector.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())";
        serde_json::from_value(self.run(script, json!([selector]))).expect("texts")
    }

    /// Number of elements that match the selector.
    pub fn count(&self, selector: &str) -> u64 {
        self.run("return document.querySelectorAll(arguments[0]).length", json!([selector]))
            .as_u64()
            .expect("a count")
    }

    /// Whether the first element that matches the selector has a visible area.
    pub fn is_visible(&self, selector: &str) -> bool {
        let script = "return !!document.querySelector(arguments[0])?.getClientRects().length";
        self.run(script, json!([selector])) == true
    }

    /// Waits until the element is visible.
    pub fn wait_visible(&self, selector: &str) {
        eventually(&format!("{selector} is visible: {}", self.body()), || {
            self.is_visible(selector).then_some(())
        });
    }

    /// Waits until the text of an element contains `part`.
    pub fn wait_text(&self, selector: &str, part: &str) {
        eventually_ok(&format!("{selector} contains {part:?}, not"), || {
            let text = self.text(selector);
            if text.contains(part) { Ok(()) } else { Err(text) }
        });
    }

    /// All visible text, for the message of a failed test.
    pub fn body(&self) -> String {
        self.text("body")
    }

    /// Clicks on an element like a mouse, once it can be clicked on.
    pub fn click(&self, selector: &str) {
        eventually(&format!("{selector} is clicked on: {}", self.body()), || {
            let element = self.find(selector).ok()?;
            self.ask("POST", &format!("/element/{element}/click"), &json!({})).ok()
        });
    }

    /// Types into an element. In a list, this selects the option that begins with the text.
    pub fn type_into(&self, selector: &str, text: &str) {
        eventually(&format!("{selector} takes keys"), || {
            let element = self.find(selector).ok()?;
            self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text })).ok()
        });
    }

    /// Presses a key in the focused element. WebDriver has a character for each named key, such as
    /// `\u{E00C}` for Escape.
    pub fn press(&self, key: &str) {
        let actions =
            json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.must(
            "POST",
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }),
        );
    }

    fn find(&self, selector: &str) -> Result<String, String> {
        let found =
            self.ask("POST", "/element", &json!({ "using": "css selector", "value": selector }))?;
        Ok(found[ELEMENT].as_str().expect("an element").to_owned())
    }

    /// The messages in the page's console since the last call: errors, and violations of the
    /// content security policy.
    pub fn console_errors(&self) -> Vec<String> {
        let lines = self.must("POST", "/se/log", &json!({ "type": "browser" }));
        let lines = lines.as_array().expect("lines").iter();
        lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// Starts ChromeDriver on a port that it chooses; none if it ends at once.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts: make setup-tests installs it");
    let mut lines =
        BufReader::new(driver.stdout.take().expect("stdout")).lines().map_while(Result::ok);
    let Some(line) = lines.find(|line| line.contains("started successfully on port")) else {
        let _ = driver.wait();
        return None;
    };
    let port = line
        .trim_end_matches('.')
        .rsplit(' ')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    Some((driver, port))
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium would outlive its driver.
        if let Some(process) = self.process {
            let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
