//! A stand-in for Asterisk that takes almost no time: it accepts every login, and answers each
//! Originate at once with all events of a call. The simulator makes these events beforehand; those
//! that the filters of `asterisk/manager.conf` drop are left out.

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
            thread::spawn(move || Peer::new().serve(stream));
        }
    });
    address
}

/// One connection.
struct Peer {
    /// The events of a whole call.
    whole: Script,
    /// The events of a call until its callee is in the room.
    until_joined: Script,
    /// Ids and numbers of the live calls.
    live: Vec<(Vec<u8>, Vec<u8>)>,
    /// Number of calls so far.
    calls: u64,
    /// Bytes to send.
    output: Vec<u8>,
}

impl Peer {
    fn new() -> Self {
        let messages = transcript::of_calls(1, &["200"]);
        let is_needed = |name: &str| name == "Response" || NEEDED.contains(&name);
        let needed: Vec<_> =
            messages.into_iter().filter(|message| is_needed(&message.name)).collect();
        let joined = needed
            .iter()
            .position(|message| message.name == "ConfbridgeJoin")
            .expect("the callee joins");
        Self {
            whole: Script::of(&needed),
            until_joined: Script::of(&needed[..=joined]),
            live: Vec::new(),
            calls: 0,
            output: Vec::new(),
        }
    }

    fn serve(mut self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        self.output.extend_from_slice(b"Asterisk Call Manager/11.0.0\r\n");
        let (mut input, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            // The daemon may have been killed.
            if stream.write_all(&self.output).is_err() {
                return;
            }
            self.output.clear();
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
                    self.until_joined.append_to(&mut self.output, id, number, leg.as_bytes());
                } else {
                    self.whole.append_to(&mut self.output, id, number, leg.as_bytes());
                }
            }
            b"CoreShowChannels" => self.list(id),
            b"Challenge" => self.send(&[
                b"Response: Success\r\nActionID: ",
                id,
                b"\r\nChallenge: 123456\r\n\r\n",
            ]),
            _ => self.send(&[b"Response: Success\r\nActionID: ", id, b"\r\n\r\n"]),
        }
    }

    /// Sends the list of all channels: the two halves of the Local channel of each live call.
    fn list(&mut self, action: &[u8]) {
        self.send(&[b"Response: Success\r\nActionID: ", action, b"\r\nEventList: start\r\n\r\n"]);
        for (id, number) in std::mem::take(&mut self.live) {
            let lock = [&b"od-lock-"[..], &number].concat();
            for uniqueid in [&id, &lock] {
                self.send(&[
                    b"Event: CoreShowChannel\r\nActionID: ",
                    action,
                    b"\r\nChannelStateDesc: Up\r\nUniqueid: ",
                    uniqueid,
                    b"\r\nLinkedid: ",
                    &id,
                    b"\r\nApplication: ConfBridge\r\nApplicationData: R1\r\nDuration: 00:01:00\r\nBridgeId: x\r\n\r\n",
                ]);
            }
            self.live.push((id, number));
        }
        self.send(&[b"Event: CoreShowChannelsComplete\r\nActionID: ", action, b"\r\n\r\n"]);
    }

    fn send(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.output.extend_from_slice(part));
    }
}

/// Placeholder for the `Uniqueid` of a call's leg.
const LEG: &[u8] = b"1795000000.00000000";

/// The events of one call as AMI text, and the offsets in it at which each call has other values.
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
        let leg = String::from_utf8(leg).expect("text");
        let placeholder = String::from_utf8(LEG.into()).expect("text");
        let text = text
            .replace(&format!("Uniqueid: {leg}\r"), &format!("Uniqueid: {placeholder}\r"))
            .into_bytes();
        let offsets = |value: &[u8]| memmem::find_iter(&text, value).collect();
        Self { ids: offsets(&id), numbers: offsets(&number), legs: offsets(LEG), text }
    }

    fn append_to(&self, output: &mut Vec<u8>, id: &[u8], number: &[u8], leg: &[u8]) {
        let start = output.len();
        output.extend_from_slice(&self.text);
        for (offsets, value) in [(&self.ids, id), (&self.numbers, number), (&self.legs, leg)] {
            for at in offsets {
                output[start + at..start + at + value.len()].copy_from_slice(value);
            }
        }
    }
}
