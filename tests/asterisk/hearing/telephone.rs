//! A second Asterisk that plays the Telegram gateway, and a SIP telephone that registers at the
//! first and dials into its rooms.

use super::listener::{CONTEXT, Listener};
use serde_json::json;
use testkit::daemon::Daemon;
use testkit::eventually;
use testkit::pbx::Pbx;

/// Answers the calls of the first Asterisk, which come from 127.0.0.1.
const GATEWAY: &str = "\
[from-telegram]
exten => _+X.,1,Goto(hearing,${EXTEN:1},1)
";

/// The telephone. Its address is 127.0.0.2, because the first Asterisk takes calls from 127.0.0.1
/// for the gateway's.
const TELEPHONE: &str = "\
[transport-phone]
type = transport
protocol = udp
bind = 127.0.0.2:0

[pbx]
type = endpoint
transport = transport-phone
aors = pbx
outbound_auth = pbx
from_user = phone
disallow = all
allow = ulaw
direct_media = no

[pbx]
type = aor
contact = sip:127.0.0.1:PORT

[pbx]
type = auth
auth_type = userpass
username = phone
password = PASSWORD

[pbx]
type = registration
transport = transport-phone
outbound_auth = pbx
server_uri = sip:127.0.0.1:PORT
client_uri = sip:phone@127.0.0.1:PORT
retry_interval = 1
";

/// An Asterisk with the samples, and the one that plays its gateway and its telephone.
struct Pair {
    pbx: Pbx,
    peer: Pbx,
}

impl Pair {
    /// Starts both, and waits until the telephone is registered.
    fn start(version: &str) -> Self {
        let [pbx, peer] = [Pbx::start(version), Pbx::start(version)];
        let address = |port: &str| format!("sip:127.0.0.1:{port}");
        pbx.replace_in(
            "pjsip.conf",
            &address(pbx.setting("GATEWAY_PORT")),
            &address(peer.setting("SIP_PORT")),
        );
        pbx.rx("module reload res_pjsip.so");
        peer.add_to("extensions.conf", CONTEXT);
        peer.add_to("extensions.conf", GATEWAY);
        let telephone = TELEPHONE
            .replace("PORT", pbx.setting("SIP_PORT"))
            .replace("PASSWORD", pbx.setting("PHONE_PASSWORD"));
        peer.add_to("pjsip.conf", &telephone);
        // A reload adds no transport.
        peer.kill();
        peer.start_again();
        eventually("the telephone is registered", || {
            pbx.rx("pjsip show contacts").contains("phone/sip:").then_some(())
        });
        Self { pbx, peer }
    }

    /// Lets the telephone dial a room; its number chooses its tone.
    fn dial(&self, room: &str, number: &str) -> Listener {
        self.peer.rx(&format!("channel originate PJSIP/{room}@pbx extension {number}@hearing"));
        Listener::new(&self.peer, number)
    }

    fn down(self) {
        self.pbx.down();
        self.peer.down();
    }
}

pub(super) fn telegram_callee_and_telephone_hear_each_other(version: &'static str) {
    let pair = Pair::start(version);
    let daemon = Daemon::start(&pair.pbx.ami(), &[("originate", "ring_timeout = \"4s\"")]);
    let id = daemon.call_ok("79990404440", "Hall");
    daemon.wait_for(&id, "call.joined");
    let callee = Listener::new(&pair.peer, "79990404440");
    // ASCII case does not count, as everywhere in ConfBridge.
    let telephone = pair.dial("hall", "79990404850");
    callee.wait_hears(&telephone);
    telephone.wait_hears(&callee);
    let members = pair.pbx.rx("confbridge list Hall");
    assert!(
        members.contains("PJSIP/phone-") && members.contains("Local/79990404440@"),
        "{members}"
    );

    let guest = daemon.wait_for_event("guest.joined");
    assert_eq!((&guest["room"], &guest["caller_id"]), (&json!("Hall"), &json!("Phone")), "{guest}");
    let guest = guest["guest_id"].as_str().expect("an id");
    let path = format!("/api/rooms/Hall/participants/{guest}");
    super::change(&daemon, &path, r#"{"muted":true}"#);
    callee.wait_hears_no_more(&telephone);
    super::change(&daemon, &path, r#"{"muted":false}"#);
    callee.wait_hears(&telephone);

    daemon.delete(&format!("/api/calls/{id}"));
    telephone.wait_hears_no_more(&callee);
    pair.down();
}
