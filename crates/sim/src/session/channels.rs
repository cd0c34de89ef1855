//! The AMI actions on one channel: hang up, redirect, read and set variables.

use super::super::wire::Headers;
use super::{ActionContext, READ, Session};

impl Session {
    pub(super) fn hang_up(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let Some(channel) = action.filled("Channel") else {
            return self.error(action, "No channel specified");
        };
        let cause = action
            .filled("Cause")
            .and_then(|cause| cause.parse().ok())
            .filter(|cause| *cause <= 127);
        if context.pbx.hang_up(context.now, channel, cause) {
            self.success(action, Headers::new().with("Message", "Channel Hungup"));
        } else {
            self.error(action, "No such channel");
        }
    }

    /// Redirects a channel. The simulator does not look the destination up: each is a room, or
    /// answers.
    pub(super) fn redirect(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        for (header, problem) in [
            ("Channel", "Channel not specified"),
            ("Context", "Context not specified"),
            ("Exten", "Exten not specified"),
            ("Priority", "Priority not specified"),
        ] {
            if action.filled(header).is_none() {
                return self.error(action, problem);
            }
        }
        let of = |name| action.filled(name).unwrap_or_default();
        let channel = of("Channel");
        if action.filled("Priority").is_none_or(|priority| priority.parse::<u32>().is_err()) {
            self.error(action, "Priority is invalid");
        } else if context.pbx.redirect(context.now, channel, of("Context"), of("Exten")) {
            self.success(action, Headers::new().with("Message", "Redirect successful"));
        } else {
            self.error(action, &format!("Channel does not exist: {channel}"));
        }
    }

    pub(super) fn get_var(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let Some(name) = action.filled("Variable") else {
            return self.error(action, "No variable specified");
        };
        let value = match action.filled("Channel") {
            Some(channel) => context.pbx.variable(channel, name),
            None if *name == self.read_classes_expression() => {
                Some(if self.read == READ { "call,system,user" } else { "system,user" }.to_owned())
            }
            None => Some(context.pbx.global(name)),
        };
        match value {
            Some(value) => {
                self.success(action, Headers::new().with("Variable", name).with("Value", value))
            }
            None => self.error(action, "No such channel"),
        }
    }

    pub(super) fn set_var(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let Some(name) = action.filled("Variable") else {
            return self.error(action, "No variable specified");
        };
        let value = action.get("Value").unwrap_or_default();
        match context.pbx.set_variable(action.filled("Channel"), name, value) {
            Ok(()) => self.success(action, Headers::new().with("Message", "Variable Set")),
            Err(problem) => self.error(action, problem),
        }
    }

    /// The dialplan expression that reads the user's `read =` from manager.conf.
    fn read_classes_expression(&self) -> String {
        format!("AST_CONFIG(manager.conf,{},read,-1)", self.user.name)
    }
}
