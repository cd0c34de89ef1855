//! The steps of the samples' dialplan that Asterisk runs, according to its `Newexten` events.

use super::client::Client;
use super::stage;
use testkit::daemon::Ami;

/// An AMI user who receives an event for each step of the dialplan.
const WATCHER: &str = "[watcher]\nsecret = hush\nread = call,dialplan\nwrite = originate,call";

/// Special extensions, which Asterisk enters by itself, end at once and run no step of a room.
pub(super) fn special_extensions_of_the_samples_end_at_once(version: &'static str) {
    let pbx = stage(version);
    let has_watcher =
        pbx.replace_in("manager.conf", "[originatord]", &format!("{WATCHER}\n\n[originatord]"));
    pbx.rx("manager reload");
    let ami = Ami { address: pbx.setting("AMI_ADDRESS"), secret: "hush" };
    // A channel that hung up enters `h`, a failed call `failed`, and a call at its absolute timeout
    // `T`. That timeout of 6 s leaves a slow machine time to answer the call.
    for (number, variable, extension) in [
        ("79990300200", "X=1", "h"),
        ("79990300486", "X=1", "failed"),
        ("79990300001", "TIMEOUT(absolute)=6", "T"),
    ] {
        let mut watcher = Client::logged_in_as("watcher", &ami);
        watcher.send(&format!(
            "Action: Originate\nChannel: Local/{number}@telegram-out/n\nContext: conf-in\nExten: R-steps\nPriority: 1\n\
             Async: true\nVariable: {variable}"
        ));
        watcher.wait_for_the_end(1);
        let steps: Vec<_> = watcher
            .frames()
            .iter()
            .filter(|frame| {
                header(frame, "Event") == "Newexten" && header(frame, "Context") == "conf-in"
            })
            .map(|frame| {
                [header(frame, "Extension"), header(frame, "Application")].map(ToOwned::to_owned)
            })
            .filter(|[step_extension, _]| step_extension == extension)
            .collect();
        assert_eq!(steps, [[extension, "Hangup"]], "{version}: {:#?}", watcher.frames());
    }
    pbx.write("manager.conf", &has_watcher);
    pbx.rx("manager reload");
}

fn header<'a>(frame: &'a [(String, String)], name: &str) -> &'a str {
    frame.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}
