//! The dialplan of the simulator: the one in `asterisk/extensions.conf`.

/// The context that dials the gateway.
pub(crate) const DIAL: &str = "telegram-out";

/// The context in which `;1` enters the conference.
pub(crate) const ENTER: &str = "conf-in";

/// The context through which telephones dial into the rooms.
pub(crate) const DIAL_IN: &str = "rooms-dial-in";

/// The context of the hangup handler.
pub(crate) const HANGUP: &str = "telegram-hangup";

/// A step of a context, as ShowDialPlan lists it: extension, priority, application, arguments.
type Step = (&'static str, u8, &'static str, &'static str);

const ENTER_STEPS: &[Step] = &[
    ("T", 1, "Hangup", ""),
    ("failed", 1, "Hangup", ""),
    ("h", 1, "Hangup", ""),
    ("_.!", 1, "Set", "CHANNEL(language)=${IF($[\"${LANG}\" = \"\"]?ru:${LANG})}"),
    ("_.!", 2, "Answer", ""),
    ("_.!", 3, "Wait", "${CONF_WAIT}"),
    ("_.!", 4, "Playback", "beep"),
    (
        "_.!",
        5,
        "ExecIf",
        "$[\"${OD_MUTED}\" != \"\"]?Set(CONFBRIDGE(user,startmuted)=${IF($[\"${OD_MUTED}\" = \"1\"]?yes:no)})",
    ),
    (
        "_.!",
        6,
        "ExecIf",
        "$[\"${OD_TALK}\" = \"1\"]?Set(CONFBRIDGE(user,talk_detection_events)=yes)",
    ),
    ("_.!", 7, "ConfBridge", "${CUT(EXTEN,\\,,1)}"),
    ("_.!", 8, "Hangup", ""),
];

const DIAL_IN_STEPS: &[Step] = &[
    ("T", 1, "Hangup", ""),
    ("failed", 1, "Hangup", ""),
    ("h", 1, "Hangup", ""),
    ("_.!", 1, "Answer", ""),
    (
        "_.!",
        2,
        "ExecIf",
        "$[\"${OD_TALK}\" = \"1\"]?Set(CONFBRIDGE(user,talk_detection_events)=yes)",
    ),
    ("_.!", 3, "ConfBridge", "${CUT(EXTEN,\\,,1)}"),
    ("_.!", 4, "Hangup", ""),
];

const DIAL_STEPS: &[Step] = &[
    ("_X.", 1, "Set", "CHANNEL(hangup_handler_push)=telegram-hangup,s,1"),
    ("_X.", 2, "Dial", "PJSIP/+${EXTEN}@telegram"),
    ("_X.", 3, "Hangup", ""),
];

const HANGUP_STEPS: &[Step] = &[
    ("s", 1, "GotoIf", "$[\"${DIALSTATUS}\" = \"ANSWER\"]?done"),
    ("s", 2, "Set", "LEG=${CUT(HANGUPCAUSE_KEYS(),\\,,1)}"),
    ("s", 3, "GotoIf", "$[\"${LEG}\" = \"\"]?done"),
    ("s", 4, "Set", "SAID=${FILTER(A-Za-z0-9\\x20_.\\x2d,${HANGUPCAUSE(${LEG},tech)})}"),
    ("s", 5, "UserEvent", "OriginatordLeg,Tech: ${SAID}"),
    ("s", 6, "Return", ""),
];

/// Modules that the sample dialplan needs.
const MODULES: [&str; 12] = [
    "app_confbridge.so",
    "app_dial.so",
    "app_exec.so",
    "app_playback.so",
    "app_stack.so",
    "app_userevent.so",
    "chan_pjsip.so",
    "func_channel.so",
    "func_cut.so",
    "func_hangupcause.so",
    "func_logic.so",
    "func_strings.so",
];

/// The steps of a context; none if there is no such context.
pub(crate) fn steps(context: &str) -> Option<&'static [Step]> {
    Some(match context {
        ENTER => ENTER_STEPS,
        DIAL_IN => DIAL_IN_STEPS,
        DIAL => DIAL_STEPS,
        HANGUP => HANGUP_STEPS,
        _ => return None,
    })
}

/// The value of a dialplan function that describes the setup of the sample; empty for any other
/// function.
pub(crate) fn function(expression: &str) -> &'static str {
    let Some((name, arguments)) =
        expression.strip_suffix(')').and_then(|text| text.split_once('('))
    else {
        return "";
    };
    let is = |holds| if holds { "1" } else { "0" };
    match (name, arguments) {
        ("DIALPLAN_EXISTS", arguments) => {
            let parts: Vec<_> = arguments.split(',').collect();
            match parts[..] {
                [context, extension, priority] => {
                    is(priority.parse().is_ok_and(|step| has(context, extension, step)))
                }
                _ => "",
            }
        }
        ("IFMODULE", module) => is(MODULES.contains(&module)),
        ("DEVICE_STATE", "PJSIP/telegram") => "NOT_INUSE",
        ("DEVICE_STATE", _) => "INVALID",
        ("PJSIP_DIAL_CONTACTS", "telegram") => "PJSIP/telegram/sip:127.0.0.1:5062",
        ("PJSIP_ENDPOINT", "telegram,aors") => "telegram",
        _ => "",
    }
}

/// Whether `context` has a step `priority` for `extension`.
pub(crate) fn has(context: &str, extension: &str, priority: u32) -> bool {
    let Some(steps) = steps(context) else { return false };
    let matches = |pattern: &str| match pattern {
        "_.!" => !extension.is_empty(),
        "_X." => is_dialled(extension),
        literal => literal == extension,
    };
    steps.iter().any(|(pattern, at, ..)| u32::from(*at) == priority && matches(pattern))
}

/// Whether the extension leads into a room: not those that Asterisk enters by itself.
pub(crate) fn enters_room(context: &str, extension: &str) -> bool {
    let is_special = ["", "T", "failed", "h"].contains(&extension);
    [ENTER, DIAL_IN].contains(&context) && !is_special
}

/// The priority at which a context enters the room.
pub(crate) fn confbridge_priority(context: &str) -> u8 {
    let mut steps = steps(context).unwrap_or_default().iter();
    let found = steps.find(|(_, _, application, _)| *application == "ConfBridge");
    found.map_or(1, |(_, priority, ..)| *priority)
}

/// Whether [`DIAL`] dials `extension`: `_X.` is a digit and at least one more character.
pub(crate) fn is_dialled(extension: &str) -> bool {
    let mut letters = extension.chars();
    letters.next().is_some_and(|first| first.is_ascii_digit()) && letters.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_match_the_sample() {
        for (context, extension, priority, found) in [
            (ENTER, "R1", 1, true),
            (ENTER, "КОМНАТА", 8, true),
            (ENTER, "R1", 9, false),
            (ENTER, "h", 1, true),
            (ENTER, "h", 2, true),
            (ENTER, "T", 1, true),
            (DIAL, "79991234567", 1, true),
            (DIAL, "+79991234567", 1, false),
            (DIAL, "7", 1, false),
            ("nowhere", "R1", 1, false),
        ] {
            assert_eq!(
                has(context, extension, priority),
                found,
                "{context} {extension} {priority}"
            );
        }
    }

    #[test]
    fn functions_describe_the_sample() {
        for (expression, value) in [
            ("DIALPLAN_EXISTS(conf-in,R1,1)", "1"),
            ("DIALPLAN_EXISTS(conf-in,R1,9)", "0"),
            ("DIALPLAN_EXISTS(conf-in)", ""),
            ("IFMODULE(app_confbridge.so)", "1"),
            ("IFMODULE(nope.so)", "0"),
            ("DEVICE_STATE(PJSIP/nope)", "INVALID"),
            ("PJSIP_DIAL_CONTACTS(nope)", ""),
            ("X", ""),
            ("X(", ""),
        ] {
            assert_eq!(function(expression), value, "{expression}");
        }
    }

    #[test]
    fn steps_are_those_of_the_sample() {
        let sample = include_str!("../../../asterisk/extensions.conf");
        for context in [DIAL, ENTER, DIAL_IN, HANGUP] {
            assert!(sample.contains(&format!("[{context}]")));
            for (extension, _, application, arguments) in steps(context).expect("a context") {
                assert!(
                    sample.contains(&format!("{application}({arguments})")),
                    "{application}({arguments})"
                );
                assert!(sample.contains(&format!("exten => {extension},1,")));
            }
        }
    }
}
