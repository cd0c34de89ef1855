//! A scripted Asterisk: it sends a banner, accepts any login, lists the channels that the test
//! gives it, and records every action. The test chooses how it answers an Originate.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::daemon::{Ami, Daemon};
use crate::eventually;

/// A received action: its headers in their order.
#[derive(Debug, Clone)]
pub struct Action(pub Vec<(String, String)>);

impl Action {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }
}

/// How the scripted Asterisk answers an Originate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OnOriginate {
    /// It succeeds, and both channels appear.
    Accept,
    /// It succeeds without events. A query for the lock channel confirms the call.
    ResponseOnly,
    /// There is no answer.
    Silence,
    /// It fails with an error.
    Refuse,
    /// It succeeds, but another call holds the number's lock channel.
    LockedOut,
}

/// How the scripted Asterisk treats a connection.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Manner {
    /// It accepts any login and any action.
    #[default]
    Normal,
    /// It accepts the connection and sends nothing.
    NoBanner,
    /// It sends the banner of another service.
    NotAsterisk,
    /// It refuses every login.
    RejectLogin,
    /// It accepts the login and denies all actions that need a right.
    DenyActions,
}

/// The scripted Asterisk.
pub struct FakeAsterisk {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    on_originate: Mutex<OnOriginate>,
    manner: Mutex<Manner>,
    ignores_hang_ups: AtomicBool,
    actions: Mutex<Vec<Action>>,
    connections: Mutex<Vec<TcpStream>>,
    list: Mutex<Vec<String>>,
    variable: Mutex<Option<String>>,
    dialplan: Mutex<Vec<String>>,
}

impl Daemon {
    /// Makes a call and ends it; returns its id.
    pub fn ended_call(&self, asterisk: &FakeAsterisk, number: &str, room: &str) -> String {
        let id = self.call_ok(number, room);
        asterisk.hang_up(&id);
        self.wait_for(&id, "call.ended");
        id
    }
}

impl FakeAsterisk {
    /// Starts a scripted Asterisk that accepts all calls, and a daemon for it with these settings.
    pub fn with_daemon(settings: &[(&str, &str)]) -> (Self, Daemon) {
        let asterisk = Self::start(OnOriginate::Accept);
        let daemon = asterisk.daemon(settings);
        (asterisk, daemon)
    }

    /// Starts a daemon that connects to this Asterisk, and waits until it is ready.
    pub fn daemon(&self, settings: &[(&str, &str)]) -> Daemon {
        Daemon::start(&Ami { address: &self.address.to_string(), secret: "secret" }, settings)
    }

    pub fn start(on_originate: OnOriginate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            on_originate: Mutex::new(on_originate),
            manner: Mutex::default(),
            ignores_hang_ups: AtomicBool::new(false),
            actions: Mutex::default(),
            connections: Mutex::default(),
            list: Mutex::default(),
            variable: Mutex::default(),
            dialplan: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = accepting.clone();
                // Like Asterisk, send each event at once, without waiting for more.
                stream.set_nodelay(true).expect("no delay");
                shared
                    .connections
                    .lock()
                    .expect("a lock")
                    .push(stream.try_clone().expect("a clone"));
                thread::spawn(move || serve_connection(stream, &shared));
            }
        });
        Self { address, shared }
    }

    pub fn on_originate(&self, what: OnOriginate) {
        *self.shared.on_originate.lock().expect("a lock") = what;
    }

    /// Sets the treatment of connections and actions from now on.
    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().expect("a lock") = manner;
    }

    /// Stops answering Hangup actions, so that the test can.
    pub fn ignore_hang_ups(&self) {
        self.shared.ignores_hang_ups.store(true, Ordering::SeqCst);
    }

    /// Sets the channels in the answer to CoreShowChannels, as frames.
    pub fn list(&self, frames: Vec<String>) {
        *self.shared.list.lock().expect("a lock") = frames;
    }

    /// Sets the channel variable ORIGINATORD of every channel.
    pub fn variable(&self, value: &str) {
        *self.shared.variable.lock().expect("a lock") = Some(value.to_owned());
    }

    /// Sets the steps that ShowDialPlan lists for every context, as applications with arguments. They
    /// are steps of the extension `_.!`. Without steps, the user may not list the dialplan.
    pub fn dialplan(&self, steps: &[&str]) {
        let frame = |(index, step): (usize, &&str)| {
            let (application, arguments) = step
                .strip_suffix(')')
                .and_then(|step| step.split_once('('))
                .expect("an application with arguments");
            let place = format!("Context: conf-in\r\nExtension: _.!\r\nPriority: {}", index + 1);
            format!("{place}\r\nApplication: {application}\r\nAppData: {arguments}")
        };
        *self.shared.dialplan.lock().expect("a lock") =
            steps.iter().enumerate().map(frame).collect();
    }

    /// The actions of this name so far, without the Originates that only probe for events.
    pub fn actions(&self, name: &str) -> Vec<Action> {
        let actions = self.shared.actions.lock().expect("a lock");
        let is_meant = |action: &&Action| action.get("Action") == Some(name) && !is_probe(action);
        actions.iter().filter(is_meant).cloned().collect()
    }

    /// Waits for the `count`th action of this name.
    pub fn wait_for(&self, name: &str, count: usize) -> Action {
        eventually(&format!("{count} times {name}"), || self.actions(name).get(count - 1).cloned())
    }

    /// Sends an event on the newest connection.
    pub fn send(&self, headers: &[(&str, &str)]) {
        let mut connections = self.shared.connections.lock().expect("a lock");
        write_frame(connections.last_mut().expect("a connection"), headers);
    }

    /// Ends a call before it is answered.
    pub fn hang_up(&self, call: &str) {
        let cause = [("Cause", "17"), ("Cause-txt", "User busy")];
        self.send(
            &[&[("Event", "Hangup"), ("Uniqueid", call), ("Linkedid", call)], &cause[..]].concat(),
        );
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for connection in self.shared.connections.lock().expect("a lock").drain(..) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Shared {
    fn manner(&self) -> Manner {
        *self.manner.lock().expect("a lock")
    }
}

fn write_frame(stream: &mut TcpStream, headers: &[(&str, &str)]) {
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let _ = stream.write_all(format!("{lines}\r\n").as_bytes());
}

/// Writes a list: an event for each item, and one at the end.
fn write_list(stream: &mut TcpStream, id: &str, [event, end]: [&str; 2], items: &[String]) {
    for item in items {
        let _ = stream
            .write_all(format!("Event: {event}\r\nActionID: {id}\r\n{item}\r\n\r\n").as_bytes());
    }
    write_frame(stream, &[("Event", end), ("ActionID", id)]);
}

fn serve_connection(mut stream: TcpStream, shared: &Shared) {
    let greeting: &[u8] = match shared.manner() {
        Manner::NoBanner => b"",
        Manner::NotAsterisk => b"SSH-2.0-OpenSSH_9.2\r\n",
        _ => b"Asterisk Call Manager/11.0.0\r\n",
    };
    let _ = stream.write_all(greeting);
    let mut lines = BufReader::new(stream.try_clone().expect("a clone")).lines();
    loop {
        let mut headers = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.is_empty() => break,
                Some(Ok(line)) => {
                    let (name, value) = line.split_once(": ").expect("a header");
                    headers.push((name.to_owned(), value.to_owned()));
                }
                _ => return,
            }
        }
        let action = Action(headers);
        answer(&mut stream, shared, &action);
        shared.actions.lock().expect("a lock").push(action);
    }
}

/// Whether the daemon sent this Originate only to probe whether events of calls arrive.
fn is_probe(action: &Action) -> bool {
    action.get("ChannelId").is_some_and(|id| id.starts_with("originatord-check-"))
}

fn answer(stream: &mut TcpStream, shared: &Shared, action: &Action) {
    let id = action.get("ActionID").unwrap_or_default();
    let mut reply = |response: &str, more: &[(&str, &str)]| {
        write_frame(stream, &[&[("Response", response), ("ActionID", id)], more].concat());
    };
    let (name, manner) = (action.get("Action"), shared.manner());
    // These are Asterisk's own texts; see main/manager.c.
    if manner == Manner::RejectLogin && name == Some("Login") {
        return reply("Error", &[("Message", "Authentication failed")]);
    }
    if manner == Manner::DenyActions
        && !matches!(name, Some("Challenge" | "Login" | "Logoff" | "Ping"))
    {
        return reply("Error", &[("Message", "Permission denied")]);
    }
    match name {
        Some("Challenge") => reply("Success", &[("Challenge", "123456")]),
        Some("Login") => {
            reply("Success", &[("Message", "Authentication accepted")]);
            write_frame(
                stream,
                &[
                    ("Event", "FullyBooted"),
                    ("Privilege", "system,all"),
                    ("Status", "Fully Booted"),
                ],
            );
        }
        Some("Hangup") if shared.ignores_hang_ups.load(Ordering::SeqCst) => {}
        Some("CoreShowChannels") => {
            reply("Success", &[("EventList", "start")]);
            let channels = shared.list.lock().expect("a lock");
            write_list(stream, id, ["CoreShowChannel", "CoreShowChannelsComplete"], &channels);
        }
        Some("ShowDialPlan") if !shared.dialplan.lock().expect("a lock").is_empty() => {
            reply("Success", &[("EventList", "start")]);
            let steps = shared.dialplan.lock().expect("a lock");
            write_list(stream, id, ["ListDialplan", "ShowDialPlanComplete"], &steps);
        }
        Some("GetVar") if action.get("Variable") == Some("CHANNEL(linkedid)") => {
            let actions = shared.actions.lock().expect("a lock");
            let made = |asked: &&Action| asked.get("OtherChannelId") == action.get("Channel");
            match actions.iter().rfind(made).and_then(|made| made.get("ChannelId")) {
                Some(call) => reply("Success", &[("Value", call)]),
                None => reply("Error", &[("Message", "No such channel")]),
            }
        }
        Some("GetVar") if action.get("Variable") == Some("ORIGINATORD") => {
            let value = shared.variable.lock().expect("a lock").clone();
            reply("Success", &[("Value", value.as_deref().unwrap_or_default())]);
        }
        Some("Originate") if is_probe(action) => {
            reply("Success", &[("Message", "Originate successfully queued")]);
            let call = action.get("ChannelId").unwrap_or_default();
            write_frame(
                stream,
                &[("Event", "Hangup"), ("Uniqueid", call), ("Linkedid", call), ("Cause", "0")],
            );
        }
        Some("Originate") => {
            let what = *shared.on_originate.lock().expect("a lock");
            match what {
                OnOriginate::Silence => {}
                OnOriginate::Refuse => reply("Error", &[("Message", "Extension does not exist.")]),
                _ => reply("Success", &[("Message", "Originate successfully queued")]),
            }
            let call = action.get("ChannelId").unwrap_or_default();
            let lock = action.get("OtherChannelId").unwrap_or_default();
            let channel = |event: &str, id: &str, more: &[(&str, &str)]| {
                let headers =
                    [&[("Event", event), ("Uniqueid", id), ("Linkedid", call)], more].concat();
                write_frame(&mut stream.try_clone().expect("a clone"), &headers);
            };
            if matches!(what, OnOriginate::Accept | OnOriginate::LockedOut) {
                channel("Newchannel", call, &[]);
            }
            match what {
                OnOriginate::Accept => channel("Newchannel", lock, &[]),
                OnOriginate::LockedOut => {
                    channel("Hangup", call, &[("Cause", "0"), ("Cause-txt", "Unknown")]);
                    let outcome = [
                        ("Event", "OriginateResponse"),
                        ("ActionID", call),
                        ("Response", "Failure"),
                    ];
                    write_frame(stream, &[&outcome[..], &[("Reason", "0")]].concat());
                }
                _ => {}
            }
        }
        _ => reply("Success", &[("Message", "ok")]),
    }
}
