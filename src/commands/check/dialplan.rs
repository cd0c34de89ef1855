//! A context of the dialplan, as the AMI action `ShowDialPlan` lists it, and conclusions from its
//! steps.

use originatord_core::ami::frame::Frame;

/// The applications of the samples, and real ones with similar names. Another name that is close to
/// one of these is reported as misspelt.
const APPLICATIONS: [&str; 16] = [
    "Answer",
    "ConfBridge",
    "Dial",
    "Exec",
    "ExecIf",
    "ExecIfTime",
    "Gosub",
    "Goto",
    "GotoIf",
    "Hangup",
    "NoOp",
    "Playback",
    "Return",
    "UserEvent",
    "Wait",
    "WaitExten",
];

/// The length of the shortest name that may be reported as misspelt. A shorter name may be another
/// real application that differs by one letter.
const MIN_COMPARED: usize = 4;

/// The modules of the applications and functions that the samples use. A name with `(` is a
/// function.
const MODULES: [(&str, &str); 11] = [
    ("ConfBridge", "app_confbridge.so"),
    ("Dial", "app_dial.so"),
    ("ExecIf", "app_exec.so"),
    ("Playback", "app_playback.so"),
    ("Return", "app_stack.so"),
    ("UserEvent", "app_userevent.so"),
    ("CHANNEL(", "func_channel.so"),
    ("CUT(", "func_cut.so"),
    ("FILTER(", "func_strings.so"),
    ("HANGUPCAUSE(", "func_hangupcause.so"),
    ("IF(", "func_logic.so"),
];

/// One step of an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) context: String,
    pub(super) extension: String,
    pub(super) priority: u32,
    pub(super) application: String,
    pub(super) arguments: String,
}

/// One entry of a context.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Step(Step),
    /// `include => CONTEXT`.
    Include(String),
    /// `switch => …`: steps that are stored elsewhere, for example in a database, and are not
    /// listed.
    Switch,
}

impl Entry {
    /// Reads the event `ListDialplan`; `None` if it lacks a header.
    pub(super) fn of(frame: &Frame) -> Option<Self> {
        let text = |name| frame.text(name).map(|text| text.into_owned());
        if let Some(context) = text("IncludeContext") {
            return Some(Entry::Include(context));
        }
        if frame.get("Switch").is_some() {
            return Some(Entry::Switch);
        }
        Some(Entry::Step(Step {
            context: text("Context")?,
            extension: text("Extension")?,
            priority: text("Priority")?.parse().ok()?,
            application: text("Application")?,
            arguments: text("AppData").unwrap_or_default(),
        }))
    }
}

/// All steps of a context, and of the contexts that it includes.
#[derive(Debug, Default)]
pub(super) struct Dialplan {
    pub(super) steps: Vec<Step>,
    /// Whether further steps exist that are not listed.
    pub(super) is_partial: bool,
}

impl Dialplan {
    /// The steps that run this application, including steps that misspell its name. Asterisk
    /// ignores the case of the name.
    pub(super) fn running<'a>(&'a self, application: &'a str) -> impl Iterator<Item = &'a Step> {
        let is_intended = move |name: &str| {
            name.eq_ignore_ascii_case(application)
                || intended_application(name) == Some(application)
        };
        self.steps.iter().filter(move |step| is_intended(&step.application))
    }

    /// Whether a call may continue in steps that are not listed here.
    pub(super) fn leads_elsewhere(&self) -> bool {
        const JUMPS: [&str; 8] =
            ["AGI", "Gosub", "GosubIf", "Goto", "GotoIf", "GotoIfTime", "Macro", "Stasis"];
        let jumps =
            |step: &Step| JUMPS.iter().any(|jump| step.application.eq_ignore_ascii_case(jump));
        self.is_partial || self.steps.iter().any(jumps)
    }

    /// The last step of the extension with exactly this name; none if only a pattern matches it.
    pub(super) fn last_of(&self, extension: &str) -> Option<&Step> {
        self.steps
            .iter()
            .filter(|step| step.extension == extension)
            .max_by_key(|step| step.priority)
    }

    /// Steps with a misspelt application, each with the intended name.
    pub(super) fn misspelt(&self) -> impl Iterator<Item = (&Step, &'static str)> {
        self.steps.iter().filter_map(|step| Some((step, intended_application(&step.application)?)))
    }

    /// The modules that the steps need.
    pub(super) fn modules(&self) -> impl Iterator<Item = &'static str> {
        let uses = |step: &Step, word: &str| match word.strip_suffix('(') {
            Some(_) => step.arguments.contains(word),
            None => step.application.eq_ignore_ascii_case(word),
        };
        MODULES
            .into_iter()
            .filter(move |(word, _)| self.steps.iter().any(|step| uses(step, word)))
            .map(|(_, name)| name)
    }
}

/// The application that a misspelt name stands for; none if the name is correct or unknown.
fn intended_application(name: &str) -> Option<&'static str> {
    if name.len() < MIN_COMPARED
        || APPLICATIONS.iter().any(|known| known.eq_ignore_ascii_case(name))
    {
        return None;
    }
    let name = name.to_ascii_lowercase();
    APPLICATIONS.into_iter().find(|known| {
        let max_distance = if known.len() < 6 { 1 } else { 2 };
        known.len() >= MIN_COMPARED
            && strsim::osa_distance(&known.to_ascii_lowercase(), &name) <= max_distance
    })
}

/// A device that `Dial` calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// `PJSIP/…@ENDPOINT`, `PJSIP/ENDPOINT` or `PJSIP/ENDPOINT/sip:…`.
    Pjsip(String),
    /// `SIP/…@PEER` or `SIP/PEER`.
    Sip(String),
    /// Any other device, or one whose name depends on the call.
    Other(String),
}

/// The devices in the arguments of a `Dial`.
pub(super) fn devices(arguments: &str) -> Vec<Device> {
    let list = arguments.split(',').next().unwrap_or_default();
    list.split('&').map(str::trim).filter(|device| !device.is_empty()).map(device).collect()
}

fn device(text: &str) -> Device {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let Some((technology, rest)) = text.split_once('/') else {
        return Device::Other(text.to_owned());
    };
    let first = rest.split('/').next().unwrap_or_default();
    let name = first.rsplit_once('@').map_or(first, |(_, name)| name);
    match technology.to_ascii_uppercase().as_str() {
        "PJSIP" if is_name(name) => Device::Pjsip(name.to_owned()),
        "SIP" if is_name(name) => Device::Sip(name.to_owned()),
        _ => Device::Other(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_applications_are_recognised() {
        for (name, intended) in [
            ("ConfBrige", Some("ConfBridge")),
            ("confbridge", None),
            ("Dail", Some("Dial")),
            ("HangUp", None),
            ("Hang", Some("Hangup")),
            ("Set", None),
            ("MSet", None),
            ("Queue", None),
            ("Goto", None),
            ("ExceIf", Some("ExecIf")),
            ("Exec", None),
        ] {
            assert_eq!(intended_application(name), intended, "{name}");
        }
    }

    #[test]
    fn devices_of_dial_are_parsed() {
        let named = |name: &str| Device::Pjsip(name.to_owned());
        let other = |text: &str| Device::Other(text.to_owned());
        for (arguments, expected) in [
            ("PJSIP/+${EXTEN}@telegram", vec![named("telegram")]),
            ("PJSIP/+${EXTEN}@a&PJSIP/b/sip:1@c,30,g", vec![named("a"), named("b")]),
            ("SIP/+${EXTEN}@telegram", vec![Device::Sip("telegram".to_owned())]),
            ("PJSIP/+${EXTEN}@${GATEWAY}", vec![other("PJSIP/+${EXTEN}@${GATEWAY}")]),
            ("${WAY}", vec![other("${WAY}")]),
            ("", vec![]),
        ] {
            assert_eq!(devices(arguments), expected, "{arguments}");
        }
    }
}
