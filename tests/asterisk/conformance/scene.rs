//! Plays a scene on a real Asterisk and on the simulator, and compares the frames that they send.

use super::client::Client;
use super::frames::{Frame, by_channel};
use super::{SCENARIO, stage};
use testkit::daemon::Ami;
use testkit::pbx::Pbx;
use testkit::sim::Simulator;

/// The Asterisk or simulator that plays a scene.
pub(super) enum Server<'s> {
    Real(&'s Pbx),
    Simulator,
}

/// A scene, and how to compare it.
pub(super) struct Scene {
    pub(super) version: &'static str,
    /// Named if the comparison fails.
    pub(super) what: &'static str,
    /// The simulator's scenario.
    pub(super) scenario: &'static str,
    /// Removes what may differ; none for a frame that is not compared.
    pub(super) tidy: fn(Frame) -> Option<Frame>,
}

impl Scene {
    /// A scene in which every frame is compared.
    pub(super) fn of(version: &'static str, what: &'static str) -> Self {
        Self { version, what, scenario: SCENARIO, tidy: Some }
    }

    /// Plays the scene on both servers.
    pub(super) fn compare(&self, scene: impl Fn(&mut Client, &Server<'_>)) {
        let (pbx, simulator) = (stage(self.version), Simulator::start(self.version, self.scenario));
        let play = |ami: &Ami<'_>, server: &Server<'_>| {
            let mut client = Client::logged_in(ami, "call,system,user");
            scene(&mut client, server);
            let frames: Vec<_> = client.frames().into_iter().filter_map(self.tidy).collect();
            by_channel(&frames)
        };
        let real = play(&pbx.ami(), &Server::Real(&pbx));
        let simulated = play(&simulator.ami(), &Server::Simulator);
        for key in real.keys().chain(simulated.keys()) {
            let [real, simulated] = [&real, &simulated]
                .map(|all| all.get(key).map(|all| all.join("\n\n")).unwrap_or_default());
            assert_eq!(
                real, simulated,
                "{} on {}, {key}\n--- real:\n{real}\n--- simulated:\n{simulated}",
                self.what, self.version
            );
        }
    }
}

/// Plays a scene on both servers and compares all frames.
pub(super) fn compare(version: &'static str, what: &str, scene: impl Fn(&mut Client)) {
    let what = what.to_owned().leak();
    Scene::of(version, what).compare(|client, _| scene(client));
}
