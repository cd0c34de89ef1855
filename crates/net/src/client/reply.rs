//! The meaning of a response to `POST /api/conf`.

use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use serde::Deserialize;

use originatord_core::call::CallId;
use originatord_core::escape::escaped;

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 160;

/// A response to a request for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The fate of the call.
    pub verdict: Verdict,
}

/// The fate of a requested call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call is made under this id.
    Accepted(CallId),
    /// No call is made, for this reason.
    Refused(String),
    /// The daemon does not know yet whether the call is made (504), for this reason. The records
    /// with the id, if there is one, will show it.
    Unconfirmed(Option<CallId>, String),
}

#[derive(Deserialize)]
struct Body {
    error: Option<String>,
    text: Option<String>,
    message: Option<String>,
}

impl Reply {
    /// Reads a response.
    pub fn read(response: &Response<impl AsRef<[u8]>>) -> Self {
        let (status, id) = (response.status(), call_id(response.headers()));
        let body: Option<Body> = serde_json::from_slice(response.body().as_ref()).ok();
        let is_ok = body.as_ref().is_some_and(|body| body.message.as_deref() == Some("ok"));
        let reason = || reason(status, body);
        let verdict = match id {
            // "call already in progress" comes with the id of the call that has the number.
            Some(id) if status == StatusCode::OK && is_ok => Verdict::Accepted(id),
            id if status == StatusCode::GATEWAY_TIMEOUT => Verdict::Unconfirmed(id, reason()),
            _ => Verdict::Refused(reason()),
        };
        Self { status: status.as_u16(), verdict }
    }
}

fn call_id(headers: &HeaderMap) -> Option<CallId> {
    headers.get("x-call-id")?.to_str().ok()?.parse().ok()
}

fn reason(status: StatusCode, body: Option<Body>) -> String {
    let text = body.and_then(|body| body.error.or(body.text));
    // The text may come from Asterisk, or the peer may not be a daemon.
    let kept = |text: String| escaped(&text).chars().take(MAX_REASON).collect();
    text.map_or_else(|| format!("response status {status}"), kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "od-01m86xdxhfb48v1e7mge9r1r7g";

    fn read(status: u16, id: Option<&str>, body: &str) -> Verdict {
        let mut response = Response::new(body.to_owned());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        if let Some(id) = id {
            response.headers_mut().insert("x-call-id", id.parse().expect("a header"));
        }
        let reply = Reply::read(&response);
        assert_eq!(reply.status, status);
        reply.verdict
    }

    #[test]
    fn each_kind_of_response_is_read() {
        let id: CallId = ID.parse().expect("an id");
        assert_eq!(read(200, Some(ID), "{\"message\":\"ok\"}\n"), Verdict::Accepted(id));
        for by in [None, Some(ID)] {
            let busy =
                read(200, by, "{\"message\":\"error\",\"text\":\"call already in progress\"}\n");
            assert_eq!(busy, Verdict::Refused("call already in progress".into()));
        }
        let limited =
            read(429, None, r#"{"error":"limit reached: calls_alive = 5","limit":"calls_alive"}"#);
        assert_eq!(limited, Verdict::Refused("limit reached: calls_alive = 5".into()));
        let late = |id: Option<&str>| read(504, id, r#"{"error":"not in time"}"#);
        assert_eq!(late(Some(ID)), Verdict::Unconfirmed(Some(id), "not in time".into()));
        assert_eq!(late(None), Verdict::Unconfirmed(None, "not in time".into()));
    }

    #[test]
    fn unknown_response_is_refusal() {
        for body in ["", "<html>", "[]", "{\"error\":1}", "{}"] {
            assert_eq!(
                read(502, None, body),
                Verdict::Refused("response status 502 Bad Gateway".into()),
                "{body}"
            );
            assert_eq!(
                read(200, Some("x"), body),
                Verdict::Refused("response status 200 OK".into()),
                "{body}"
            );
        }
        let Verdict::Refused(long) =
            read(500, None, &format!("{{\"error\":\"{}\"}}", "я".repeat(10_000)))
        else {
            panic!()
        };
        assert_eq!(long.chars().count(), MAX_REASON);
    }
}
