//! `POST /api/conf`: the endpoint of the original API, with the same bytes in its responses.
//!
//! The checks have the original's order: method, media type, body, key, fields. Bots search the
//! response for the word `error`, so every refusal contains it, and no success does.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::{Instant, timeout_at};
use warp::reply::Response;

use super::auth::Caller;
use super::body::ConfBody;
use super::connection_limiter::Slot;
use super::endpoint::ApiRequest;
use super::error::{ApiError, name_call};
use super::settings::ApiSettings;
use super::{Api, body, reply};
use originatord_core::call::{CallId, Refusal};
use originatord_core::engine::request::{OriginateError, Request, SubmitError};
use originatord_core::record::Event;

/// `POST /api/conf`
pub(super) async fn originate(mut request: ApiRequest) -> Result<Response, ApiError> {
    let arrived = Instant::now();
    let deadline = arrived + request.api.settings.reply_timeout;
    let body = ConfBody::parse(&body::read_json(&mut request, deadline).await?)?;
    let ApiRequest { api, slot, .. } = request;
    let caller = body.caller(&api.authenticator)?;
    let answer = call(&api, &caller, &body, slot, arrived).await;
    Ok(reply::with_key_name(&caller.name, answer.unwrap_or_else(ApiError::into_response)))
}

/// Requests the call from the engine, and waits until Asterisk accepted it.
async fn call(
    api: &Api,
    caller: &Caller,
    body: &ConfBody,
    slot: Slot,
    arrived: Instant,
) -> Result<Response, ApiError> {
    let ApiSettings { default_lang, numbering, reply_timeout, .. } = &api.settings;
    let request = body.request(caller, default_lang, numbering)?;
    let _active = slot.activate();
    // The engine's own timeout is a little shorter, and its answer is more precise. This timeout is
    // for an engine that is stalled.
    let answer = timeout_at(arrived + *reply_timeout, api.handle().originate(request)).await;
    let id = match answer.map_err(|_| ApiError::EngineTimeout)? {
        Ok(id) => id,
        Err(error) => return Err(hide_call(api, caller, originate_error(api, error)).await),
    };
    api.journal().metrics().receipt(arrived.elapsed());
    let mut response = reply::ok();
    name_call(response.headers_mut(), id);
    Ok(response)
}

/// Converts the engine's error.
fn originate_error(api: &Api, error: OriginateError) -> ApiError {
    match error {
        OriginateError::Refused(refusal) => ApiError::Refused(refusal),
        OriginateError::Unconfirmed(id) => ApiError::Unconfirmed(id),
        OriginateError::NotSubmitted(error, request) => {
            ApiError::Refused(record_unsubmitted(api, error, *request))
        }
    }
}

/// Removes the id of the call in progress if the key must not see that call.
async fn hide_call(api: &Api, caller: &Caller, error: ApiError) -> ApiError {
    let ApiError::Refused(Refusal::InProgress { by: Some(id) }) = error else { return error };
    if caller.rooms.is_all() {
        return error;
    }
    let call = api.handle().call(id).await.ok().flatten();
    let is_visible = call.is_some_and(|call| caller.rooms.contains(call.info.room.as_str()));
    ApiError::Refused(Refusal::InProgress { by: Some(id).filter(|_| is_visible) })
}

/// Records a call that never reached the engine. The engine cannot record it itself. Such a response
/// has no `X-Call-Id`.
fn record_unsubmitted(api: &Api, error: SubmitError, request: Request) -> Refusal {
    let refusal = match error {
        SubmitError::Overloaded => Refusal::Overloaded,
        SubmitError::Stopping => Refusal::Stopping,
    };
    let now = SystemTime::now();
    let call = Some(Arc::new(request.into_info(CallId::new(now, fastrand::u128(..)))));
    let events = [Event::CallRequested, Event::CallRefused(refusal.clone())];
    api.journal().append(events.map(|event| (now, event, call.clone())));
    refusal
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::{FutureExt, stream};
    use tokio::sync::{mpsc, watch};
    use warp::http::header::CONTENT_TYPE;
    use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};

    use super::*;
    use crate::handle::{Command, Handle};
    use crate::http::Services;
    use crate::http::auth::{ApiKey, Authenticator, Keys, Role};
    use crate::http::connection_limiter::ConnectionLimiter;
    use crate::journal::{Journal, JournalOptions};
    use crate::state::State;
    use originatord_core::call::RoomPatterns;
    use originatord_core::call::limits::Policy;
    use originatord_core::call::numbering::Numbering;
    use originatord_core::record::Entry;

    const BODY: &str =
        r#"{"api_key":"k3y-of-the-bot","phone_number":"7999","room_name":"R1","caller_id":"Bob"}"#;

    fn api(handle: Handle, journal: Journal) -> Arc<Api> {
        let services = Services {
            handle,
            journal,
            history: None,
            erasers: Vec::new(),
            state: State::in_memory(),
        };
        let key = "k3y-of-the-bot".to_owned().into();
        let rooms = RoomPatterns::default();
        let keys = Keys::new(&[ApiKey { name: "bot".into(), key, role: Role::Call, rooms }]);
        let settings = ApiSettings {
            reply_timeout: Duration::from_secs(1),
            default_lang: "ru".parse().expect("a language"),
            numbering: Numbering::default(),
            mask_numbers: false,
            instance: "originatord".into(),
            tls: false,
            max_connections: 2,
        };
        Arc::new(Api::new(
            services,
            Authenticator::new(keys, ([127, 0, 0, 1], 8080).into()),
            settings,
        ))
    }

    #[tokio::test]
    async fn full_or_closed_queue_refuses_at_once_with_records() {
        let (commands, mut queue) = mpsc::channel(1);
        commands.try_send(Command::Stop).expect("room in the queue");
        let (_ready, seen) = watch::channel(Ok(()));
        let journal = Journal::new(JournalOptions { capacity: 10, ..JournalOptions::default() });
        let handle = Handle::new(commands, seen, watch::channel(Policy::default()).0);
        let api = api(handle, journal.clone());
        let limiter = ConnectionLimiter::new(1);
        let mut reader = journal.follow();
        for reason in ["overloaded", "stopping"] {
            let json = HeaderValue::from_static("application/json");
            let request = ApiRequest {
                api: api.clone(),
                parameter: String::new(),
                method: Method::POST,
                headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
                query: String::new(),
                body: Box::pin(stream::iter([Ok(Bytes::from_static(BODY.as_bytes()))])),
                slot: limiter.take().await,
            };
            let reply = originate(request).await.expect("an answer with the key's name");
            assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
            let summaries: Vec<_> =
                reader.next_batch().now_or_never().expect("records").iter().map(summary).collect();
            assert_eq!(
                summaries,
                ["call.requested of +7999", &format!("call.refused of +7999: {reason}")]
            );
            queue.close();
        }
    }

    fn summary(entry: &Entry) -> String {
        let Entry::Record(record) = entry else { panic!("{entry:?}") };
        let number = record.call.as_ref().map(|call| call.number.to_string()).unwrap_or_default();
        match &record.event {
            Event::CallRefused(refusal) => format!("call.refused of {number}: {}", refusal.code()),
            event => format!("{} of {number}", event.name()),
        }
    }
}
