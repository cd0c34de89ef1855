//! An endpoint: a path and its methods, each with the required authentication and a handler.
//!
//! [`answer`] does once what every request needs: it looks the method up or answers with `Allow`,
//! authenticates the client, keeps the connection's slot, calls the handler, and labels the response
//! with the key's name for the metrics. A handler does only what is special about its endpoint.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::{HeaderMap, HeaderValue, Method};
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::Api;
use super::auth::{self, Caller};
use super::connection_limiter::{ActiveRequest, Slot};
use super::error::ApiError;
use super::reply;

/// A path and its operations.
pub(crate) struct Endpoint {
    /// The path. It can end in a part that differs, as in `/api/calls/{id}`; that part begins at the
    /// first brace.
    pub path: &'static str,
    /// Whether the part that differs is valid. Any other path is unknown (404).
    pub accepts: fn(&str) -> bool,
    /// Each method is in one operation. [`answer`] handles `OPTIONS` for all endpoints.
    pub operations: &'static [Operation],
}

/// Methods of an endpoint with one handler.
pub(crate) struct Operation {
    /// The methods. A handler for GET serves HEAD as well, as hyper leaves the body out.
    pub methods: &'static [Method],
    /// The required authentication, with the handler.
    pub access: Access,
}

/// The authentication that an operation needs, and its handler.
pub(crate) enum Access {
    /// None. A valid session still marks the connection as known: a browser sends its cookie with
    /// requests for the page's files, and a proxy can reuse that connection for a bot's request.
    Public(Handler),
    /// None, but the request must come from the daemon's own page.
    SameOrigin(Handler),
    /// A key in the body, which the handler checks.
    KeyInBody(Handler),
    /// Any valid key or session. A missing one is not counted as a failure, as the page sends this
    /// request to learn whether it is logged in.
    Identified(KeyHandler),
    /// Any valid key or session.
    Read(KeyHandler),
    /// A key of the role `call`, or a session of such a key from the daemon's own page.
    Write(KeyHandler),
}

/// Answers a request.
pub(crate) type Handler = fn(ApiRequest) -> Answer;

/// Answers a request of an authenticated client.
pub(crate) type KeyHandler = fn(ApiRequest, Authenticated) -> Answer;

/// The response of a handler, as a future.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

/// A request for an endpoint.
pub(crate) struct ApiRequest {
    /// The state that all handlers share.
    pub api: Arc<Api>,
    /// The part of the path that is in braces in [`Endpoint::path`].
    pub parameter: String,
    /// The method, one of the operation's.
    pub method: Method,
    /// All headers.
    pub headers: HeaderMap,
    /// The query as it was sent; empty if there is none.
    pub query: String,
    /// The body, which may not have arrived yet.
    pub body: Body,
    /// The slot of the connection.
    pub slot: Slot,
}

/// A body, as a stream of its chunks.
pub(crate) type Body = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send>>;

/// A client that has shown a valid key or session.
pub(crate) struct Authenticated {
    /// The holder of the key.
    pub caller: Caller,
    /// Keeps the connection from being evicted.
    pub active: ActiveRequest,
}

impl ApiRequest {
    /// The names and values in the query.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// Refuses any query, for endpoints that know no parameter.
    pub(crate) fn expect_no_query(&self) -> Result<(), ApiError> {
        if self.query.is_empty() { Ok(()) } else { Err(ApiError::UnexpectedQuery) }
    }
}

/// The part of a path in front of the braces; the whole path if it has none.
pub(crate) fn prefix(path: &'static str) -> &'static str {
    path.split_once('{').map_or(path, |(prefix, _)| prefix)
}

impl Endpoint {
    /// An endpoint whose path has no braces.
    pub(crate) const fn at(path: &'static str, operations: &'static [Operation]) -> Self {
        Self { path, accepts: str::is_empty, operations }
    }

    /// The part of `path` in braces; none if the path is another endpoint's. warp's own `path!`
    /// would match a trailing slash as well, which the original API does not.
    pub(crate) fn parameter<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(prefix(self.path)).filter(|rest| (self.accepts)(rest))
    }

    /// The value of `Allow`: all methods in alphabetical order.
    fn allow(&self) -> HeaderValue {
        let methods = self.operations.iter().flat_map(|operation| operation.methods);
        let mut names: Vec<_> = methods.chain([&Method::OPTIONS]).map(Method::as_str).collect();
        names.sort_unstable();
        HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }

    /// The route of this endpoint.
    pub(crate) fn route(&'static self, api: Arc<Api>) -> BoxedFilter<(Response,)> {
        let allow = self.allow();
        warp::path::full()
            .and_then(move |path: FullPath| async move {
                let parameter = self.parameter(path.as_str()).map(str::to_owned);
                parameter.ok_or_else(warp::reject::not_found)
            })
            .and(warp::method())
            .and(warp::header::headers_cloned())
            .and(raw_query())
            .and(warp::ext::get())
            .and(body())
            .then(move |parameter, method, headers, query, slot, body| {
                let (api, allow) = (api.clone(), allow.clone());
                let request = ApiRequest { api, parameter, method, headers, query, body, slot };
                async move {
                    answer(self, request, allow).await.unwrap_or_else(ApiError::into_response)
                }
            })
            .boxed()
    }
}

/// The query as it was sent; empty if there is none.
fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}

/// The body, as a stream of one type.
fn body() -> impl Filter<Extract = (Body,), Error = Rejection> + Clone {
    warp::body::stream().map(|body| -> Body { Box::pin(to_bytes(body)) })
}

fn to_bytes(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> impl Stream<Item = Result<Bytes, warp::Error>> {
    body.map(|chunk| chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining())))
}

/// Checks the method and the authentication, and calls the handler.
async fn answer(
    endpoint: &Endpoint,
    request: ApiRequest,
    allow: HeaderValue,
) -> Result<Response, ApiError> {
    let method = &request.method;
    let Some(operation) =
        endpoint.operations.iter().find(|operation| operation.methods.contains(method))
    else {
        return reply::method_not_allowed(method, allow);
    };
    let (authenticator, headers) = (&request.api.authenticator, &request.headers);
    match operation.access {
        Access::Public(handler) => {
            mark_known_session(&request);
            handler(request).await
        }
        Access::SameOrigin(handler) => {
            mark_known_session(&request);
            if !auth::is_same_origin(headers) {
                return Err(ApiError::CrossOrigin);
            }
            handler(request).await
        }
        Access::KeyInBody(handler) => handler(request).await,
        Access::Identified(handler) => {
            let caller = authenticator.identify(headers).map(|(caller, _)| caller);
            let caller = caller.ok_or_else(|| auth::unauthorized(headers))?;
            Ok(answer_key(handler, request, caller).await)
        }
        Access::Read(handler) => {
            let caller = authenticator.authenticate(headers)?;
            Ok(answer_key(handler, request, caller).await)
        }
        Access::Write(handler) => {
            let caller = authenticator.authorize_write(headers)?;
            if let Err(error) = caller.require_call_role() {
                return Ok(reply::with_key_name(&caller.name, error.into_response()));
            }
            Ok(answer_key(handler, request, caller).await)
        }
    }
}

/// Calls the handler while the connection cannot be evicted, and labels the response with the key.
async fn answer_key(handler: KeyHandler, request: ApiRequest, caller: Caller) -> Response {
    let key = caller.name.clone();
    let active = request.slot.clone().activate();
    let answer = handler(request, Authenticated { caller, active }).await;
    reply::with_key_name(&key, answer.unwrap_or_else(ApiError::into_response))
}

/// Marks the connection as known if a valid key or session is in the headers.
fn mark_known_session(request: &ApiRequest) {
    if request.api.authenticator.identify(&request.headers).is_some() {
        drop(request.slot.clone().activate());
    }
}
