//! A stand-in for Asterisk that takes almost no time: it accepts every login, and answers each
//! Originate at once with all events of a call. The events are the simulator's, after the filters of
//! `asterisk/manager.conf`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use memchr::memmem;

use crate::transcript::{self, NEEDED};

/// Number of digits of every called number. Calls to numbers that begin with [`STAYS`] stay in their
/// conference.
pub(crate) const DIGITS: usize = 11;

/// Beginning of the numbers whose calls stay alive.
pub(crate) const STAYS: &str = "78";

/// Starts a peer, which ends with the process.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || Peer::new().converse(stream));
        }
    });
    address
}

/// One connection.
struct Peer {
    whole: Script,
    until_joined: Script,
    /// Ids and numbers of the calls that are alive.
    live: Vec<(Vec<u8>, Vec<u8>)>,
    calls: u64,
    out: Vec<u8>,
}

impl Peer {
    fn new() -> Self {
        let messages = transcript::of_calls(1, &["200"]);
        let heard = |name: &str| name == "Response" || NEEDED.contains(&name);
        let heard: Vec<_> = messages.into_iter().filter(|message| heard(&message.name)).collect();
        let joined =
            heard.iter().position(|message| message.name == "ConfbridgeJoin").expect("it joins");
        let script = |messages: &[transcript::Message]| Script::of(messages);
        Self {
            whole: script(&heard),
            until_joined: script(&heard[..=joined]),
            live: Vec::new(),
            calls: 0,
            out: Vec::new(),
        }
    }

    fn converse(mut self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        self.out.extend_from_slice(b"Asterisk Call Manager/11.0.0\r\n");
        let (mut input, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            // The daemon may have been killed.
            if stream.write_all(&self.out).is_err() {
                return;
            }
            self.out.clear();
            let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
            input.extend_from_slice(&buffer[..read]);
            let mut done = 0;
            while let Some(end) = memmem::find(&input[done..], b"\r\n\r\n") {
                self.answer(&input[done..done + end]);
                done += end + 4;
            }
            input.drain(..done);
        }
    }

    fn answer(&mut self, action: &[u8]) {
        let value = |name: &[u8]| {
            let start = memmem::find(action, name).expect("a header") + name.len();
            &action[start
                ..start + memchr::memchr(b'\r', &action[start..]).unwrap_or(action.len() - start)]
        };
        let id = value(b"ActionID: ");
        match value(b"Action: ") {
            b"Originate" => {
                let number = &value(b"Channel: Local/")[..DIGITS];
                self.calls += 1;
                let leg = format!("{:0width$}", self.calls, width = LEG.len());
                if number.starts_with(STAYS.as_bytes()) {
                    self.live.push((id.to_owned(), number.to_owned()));
                    self.until_joined.play(&mut self.out, id, number, leg.as_bytes());
                } else {
                    self.whole.play(&mut self.out, id, number, leg.as_bytes());
                }
            }
            b"CoreShowChannels" => self.list(id),
            b"Challenge" => self.say(&[
                b"Response: Success\r\nActionID: ",
                id,
                b"\r\nChallenge: 123456\r\n\r\n",
            ]),
            _ => self.say(&[b"Response: Success\r\nActionID: ", id, b"\r\n\r\n"]),
        }
    }

    fn list(&mut self, action: &[u8]) {
        self.say(&[b"Response: Success\r\nActionID: ", action, b"\r\nEventList: start\r\n\r\n"]);
        for (id, number) in std::mem::take(&mut self.live) {
            let (one, two): ([&[u8]; 1], [&[u8]; 2]) = ([&id], [b"od-lock-", &number]);
            for uniqueid in [one.concat(), two.concat()] {
                self.say(&[
                    b"Event: CoreShowChannel\r\nActionID: ",
                    action,
                    b"\r\nChannelStateDesc: Up\r\nUniqueid: ",
                    &uniqueid,
                    b"\r\nLinkedid: ",
                    &id,
                    b"\r\nApplication: ConfBridge\r\nApplicationData: R1\r\nDuration: 00:01:00\r\nBridgeId: x\r\n\r\n",
                ]);
            }
            self.live.push((id, number));
        }
        self.say(&[b"Event: CoreShowChannelsComplete\r\nActionID: ", action, b"\r\n\r\n"]);
    }

    fn say(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.out.extend_from_slice(part));
    }
}

/// Placeholder for the `Uniqueid` of a call's leg.
const LEG: &[u8] = b"1795000000.00000000";

/// The events of one call, with placeholders for its ids.
struct Script {
    text: Vec<u8>,
    ids: Vec<usize>,
    numbers: Vec<usize>,
    legs: Vec<usize>,
}

impl Script {
    fn of(messages: &[transcript::Message]) -> Self {
        let text = messages.iter().flat_map(|message| message.bytes.clone()).collect::<Vec<u8>>();
        let after = |name: &[u8], from: usize| {
            let start = from + memmem::find(&text[from..], name).expect("a header") + name.len();
            &text[start..start + memchr::memchr(b'\r', &text[start..]).expect("a line's end")]
        };
        let id = after(b"ActionID: ", 0).to_owned();
        let lock = memmem::find(&text, b"od-lock-").expect("a lock") + b"od-lock-".len();
        let number = text[lock..lock + DIGITS].to_owned();
        // The leg is the channel that is neither half of the Local channel.
        let leg = memmem::find_iter(&text, b"Uniqueid: ")
            .map(|at| after(b"Uniqueid: ", at).to_owned())
            .find(|uniqueid| !uniqueid.starts_with(b"od-"))
            .expect("a leg");
        let text = String::from_utf8(text).expect("text");
        let (leg, place) =
            (String::from_utf8(leg).expect("text"), String::from_utf8(LEG.into()).expect("text"));
        let text = text
            .replace(&format!("Uniqueid: {leg}\r"), &format!("Uniqueid: {place}\r"))
            .into_bytes();
        let places = |what: &[u8]| memmem::find_iter(&text, what).collect();
        Self { ids: places(&id), numbers: places(&number), legs: places(LEG), text }
    }

    fn play(&self, out: &mut Vec<u8>, id: &[u8], number: &[u8], leg: &[u8]) {
        let start = out.len();
        out.extend_from_slice(&self.text);
        for (places, value) in [(&self.ids, id), (&self.numbers, number), (&self.legs, leg)] {
            for at in places {
                out[start + at..start + at + value.len()].copy_from_slice(value);
            }
        }
    }
}
