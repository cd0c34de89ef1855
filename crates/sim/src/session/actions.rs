//! The AMI actions: the rights that they need, their effects, and their responses.

use std::time::Duration;

use super::super::channel::Party;
use super::super::pbx::{Destination, Originate};
use super::super::wire::Headers;
use super::super::{AsteriskVersion, Class, dialplan};
use super::{ActionContext, Phase, Session, WRITE};

/// The longest unique id: `AST_MAX_PUBLIC_UNIQUEID`.
const MAX_UNIQUEID: usize = 149;

/// Ring timeout of an Originate without `Timeout`.
const RING: Duration = Duration::from_secs(30);

/// The classes that permit an action: a user needs one of them. Empty for an action that every user
/// may send; none for an unknown action.
fn required_classes(action: &str) -> Option<Class> {
    const CALL_OR_REPORTING: Class = Class::CALL.union(Class::REPORTING);
    Some(match action {
        "challenge" | "login" | "logoff" | "ping" | "events" | "simfault" | "simguest"
        | "simtalk" => Class::empty(),
        "originate" => Class::ORIGINATE,
        "hangup" => Class::SYSTEM.union(Class::CALL),
        "redirect" | "setvar" | "confbridgemute" | "confbridgeunmute" | "confbridgekick"
        | "confbridgelock" | "confbridgeunlock" => Class::CALL,
        "getvar" => CALL_OR_REPORTING,
        "coreshowchannels" | "coresettings" | "corestatus" => Class::SYSTEM.union(Class::REPORTING),
        "confbridgelist" | "confbridgelistrooms" => Class::REPORTING,
        "showdialplan" => Class::CONFIG.union(Class::REPORTING),
        "command" => Class::COMMAND,
        "agi" => Class::AGI,
        "filter"
        | "dbput"
        | "dbdel"
        | "modulecheck"
        | "moduleload"
        | "confbridgestartrecord"
        | "confbridgestoprecord" => Class::SYSTEM,
        "updateconfig" | "getconfig" | "getconfigjson" | "createconfig" | "listcategories"
        | "reload" => Class::CONFIG,
        _ => return None,
    })
}

/// Whether clients may send the action before they have logged in.
fn needs_no_login(action: &str) -> bool {
    matches!(action, "challenge" | "login" | "logoff")
}

/// Whether Asterisk refuses to originate the application without the class `system`.
fn is_forbidden(application: &str, data: &str) -> bool {
    const APPLICATIONS: [&str; 10] = [
        "agi",
        "dbdel",
        "exec",
        "execif",
        "externalivr",
        "mixmonitor",
        "originate",
        "reload",
        "system",
        "trysystem",
    ];
    let application = application.to_ascii_lowercase();
    let is_listed = APPLICATIONS.iter().any(|listed| application.contains(listed));
    is_listed || ["SHELL(", "EVAL("].iter().any(|listed| data.contains(listed))
}

impl Session {
    pub(super) fn act(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let Some(name) = action.filled("Action") else {
            return self.error(action, "Missing action in request");
        };
        let lower = name.to_ascii_lowercase();
        if self.refuses_all && lower != "simfault" {
            return self.error(action, "Asterisk is shutting down");
        }
        if self.phase != Phase::LoggedIn && !needs_no_login(&lower) {
            return self.error(action, "Permission denied");
        }
        match required_classes(&lower) {
            None => {
                let words = "Use Action: ListCommands to show available commands.";
                return self.error(action, &format!("Invalid/unknown command: {name}. {words}"));
            }
            Some(class) if !class.is_empty() && !class.intersects(WRITE) => {
                return self.error(action, "Permission denied");
            }
            Some(_) => {}
        }
        match lower.as_str() {
            "challenge" => self.challenge(context, action),
            "login" => self.log_in(context, action),
            "logoff" => {
                self.respond(
                    action,
                    "Goodbye",
                    Headers::new().with("Message", "Thanks for all the fish."),
                );
                self.phase = Phase::Closed;
            }
            "ping" => {
                let time =
                    context.now.wall.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let time = format!("{}.{:06}", time.as_secs(), time.subsec_micros());
                self.success(action, Headers::new().with("Ping", "Pong").with("Timestamp", time));
            }
            "events" => self.events(action),
            "simfault" => self.faults = Some(action.clone()),
            "originate" => self.originate(context, action),
            "hangup" => self.hang_up(context, action),
            "redirect" => self.redirect(context, action),
            "getvar" => self.get_var(context, action),
            "coreshowchannels" => {
                let channels = context.pbx.list_channels(context.now);
                self.list(
                    action,
                    "Channels will follow",
                    channels,
                    "CoreShowChannelsComplete",
                    Headers::new(),
                );
            }
            "setvar" => self.set_var(context, action),
            "confbridgelist" => self.confbridge_list(context, action),
            "confbridgelistrooms" => self.confbridge_list_rooms(context, action),
            "confbridgemute" => self.confbridge_mute(context, action, true),
            "confbridgeunmute" => self.confbridge_mute(context, action, false),
            "confbridgekick" => self.confbridge_kick(context, action),
            "confbridgelock" => self.confbridge_lock(context, action, true),
            "confbridgeunlock" => self.confbridge_lock(context, action, false),
            "simguest" => self.sim_guest(context, action),
            "simtalk" => self.sim_talk(context, action),
            "showdialplan" => self.show_dialplan(action),
            "coresettings" => self.core_settings(action),
            "corestatus" => self.core_status(context, action),
            // The user's classes permit no other action.
            _ => self.error(action, "Permission denied"),
        }
    }

    fn core_settings(&mut self, action: &Headers) {
        let headers = Headers::new()
            .with("AMIversion", self.version.ami())
            .with("AsteriskVersion", self.version.asterisk())
            .with("SystemName", "")
            .with("CoreMaxCalls", 0)
            .with("CoreMaxLoadAvg", "0.000000")
            .with("CoreRunUser", "")
            .with("CoreRunGroup", "")
            .with("CoreMaxFilehandles", 65536)
            .with("CoreRealTimeEnabled", "No")
            .with("CoreCDRenabled", "Yes")
            .with("CoreHTTPenabled", "No");
        let headers = match self.version {
            AsteriskVersion::V22 => headers.with("SoundsSearchCustomDir", "No"),
            AsteriskVersion::V16 => headers,
        };
        self.success(action, headers);
    }

    fn core_status(&mut self, context: &ActionContext<'_>, action: &Headers) {
        let booted = humantime::format_rfc3339_seconds(self.booted.wall).to_string();
        let (date, time) = booted.trim_end_matches('Z').split_once('T').unwrap_or_default();
        let headers = Headers::new()
            .with("CoreStartupDate", date)
            .with("CoreStartupTime", time)
            .with("CoreReloadDate", date)
            .with("CoreReloadTime", time)
            .with("CoreCurrentCalls", context.pbx.calls());
        let headers = match self.version {
            AsteriskVersion::V22 => headers.with("CoreProcessedCalls", context.pbx.calls_so_far()),
            AsteriskVersion::V16 => headers,
        };
        self.success(action, headers);
    }

    fn challenge(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        if !action.get("AuthType").is_some_and(|kind| kind.eq_ignore_ascii_case("MD5")) {
            return self.error(action, "Must specify AuthType");
        }
        let challenge = self
            .challenge
            .get_or_insert_with(|| context.rng.u32(..1_000_000_000).to_string())
            .clone();
        self.success(action, Headers::new().with("Challenge", challenge));
    }

    fn events(&mut self, action: &Headers) {
        match Class::parse_mask(action.get("EventMask").unwrap_or_default()) {
            None => self.error(action, "Invalid event mask"),
            Some(mask) => {
                self.mask = mask;
                let is_on = if mask.is_empty() { "Off" } else { "On" };
                self.success(action, Headers::new().with("Events", is_on));
            }
        }
    }

    fn originate(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        match request(action) {
            Ok(request) => {
                self.success(
                    action,
                    Headers::new().with("Message", "Originate successfully queued"),
                );
                context.pbx.originate(context.now, request);
            }
            Err(problem) => self.error(action, &problem),
        }
        if let Some(response) = self.out.last_mut() {
            response.answers_originate = true;
        }
    }

    fn show_dialplan(&mut self, action: &Headers) {
        let context = action.get("Context").unwrap_or_default();
        let Some(steps) = dialplan::steps(context) else {
            return self.error(action, &format!("Did not find context {context}"));
        };
        let mut extensions: Vec<_> = steps.iter().map(|(extension, ..)| extension).collect();
        extensions.dedup();
        let items = steps.iter().map(|(extension, priority, application, arguments)| {
            Headers::new()
                .with("Event", "ListDialplan")
                .with("Context", context)
                .with("Extension", extension)
                .with("Priority", priority)
                .with("Application", application)
                .with("AppData", arguments)
                .with("Registrar", "pbx_config")
        });
        let counts = Headers::new()
            .with("ListExtensions", extensions.len())
            .with("ListPriorities", steps.len())
            .with("ListContexts", 1);
        self.list(
            action,
            "DialPlan list will follow",
            items.collect(),
            "ShowDialPlanComplete",
            counts,
        );
    }
}

/// Parses an Originate, with the checks in Asterisk's order; the error is Asterisk's message.
fn request(action: &Headers) -> Result<Originate, String> {
    let channel = action.filled("Channel").ok_or("Channel not specified")?;
    let context = action.get("Context").unwrap_or_default();
    let exten = action.get("Exten").unwrap_or_default();
    let priority = match action.filled("Priority").map(str::parse) {
        None => None,
        Some(Ok(priority)) => Some(priority),
        Some(Err(_)) => return Err("Invalid priority".into()),
    };
    let timeout = match action.filled("Timeout").map(str::parse) {
        None => RING,
        // Asterisk reads the milliseconds into an `int`.
        Some(Ok(milliseconds)) => Duration::from_millis(u64::from(i32::unsigned_abs(milliseconds))),
        Some(Err(_)) => return Err("Invalid timeout".into()),
    };
    if !channel.contains('/') {
        return Err("Invalid channel".into());
    }
    let application = action.filled("Application");
    let data = action.get("Data").unwrap_or_default();
    let ids = [action.filled("ChannelId"), action.filled("OtherChannelId")];
    if ids.iter().flatten().any(|id| id.len() > MAX_UNIQUEID) {
        return Err(format!("Uniqueid length exceeds maximum of {MAX_UNIQUEID}"));
    }
    if application.is_some_and(|application| is_forbidden(application, data)) {
        return Err("Originate Access Forbidden: app or data blacklisted".into());
    }
    let is_true = |value: &str| {
        ["yes", "true", "y", "t", "1", "on"].contains(&value.to_ascii_lowercase().as_str())
    };
    let is_async = action.get("Async").is_some_and(is_true);
    let destination = match (application, priority) {
        (Some(name), _) => Destination::Application { name: name.into(), data: data.into() },
        (None, Some(priority)) if !context.is_empty() && !exten.is_empty() => {
            if !dialplan::has(context, exten, priority) {
                return Err("Extension does not exist.".into());
            }
            Destination::Dialplan { context: context.into(), exten: exten.into() }
        }
        (None, _) if is_async => {
            Destination::Dialplan { context: context.into(), exten: exten.into() }
        }
        (None, _) => return Err("Originate with 'Exten' requires 'Context' and 'Priority'".into()),
    };
    if !is_async {
        // A real Asterisk blocks the whole session until the callee has answered.
        return Err("The simulator originates with Async: true only".into());
    }
    let variables = action
        .all("Variable")
        .flat_map(|list| list.split(','))
        .filter_map(|pair| pair.split_once('='));
    Ok(Originate {
        action_id: action.filled("ActionID").map(Into::into),
        channel: channel.into(),
        destination,
        timeout,
        caller: Party::parse(action.get("CallerID").unwrap_or_default()),
        variables: variables.map(|(name, value)| (name.trim().into(), value.into())).collect(),
        channel_id: ids[0].map(Into::into),
        other_channel_id: ids[1].map(Into::into),
    })
}
