//! An endpoint: a path, its methods, and for each of them who may use it and what answers.
//!
//! [`answer`] does once what every request needs: it finds the method's operation or answers with
//! `Allow`, authenticates, keeps the connection's slot, calls the handler, and notes the key's
//! name for the metrics. So a handler is left with nothing but its own question.

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
use super::error::ApiError;
use super::places::{Place, Served};
use super::reply;

/// A path and its operations.
pub struct Endpoint {
    /// The path. A name in braces at its end stands for a part that differs, as in
    /// `/api/calls/{id}`.
    pub path: &'static str,
    /// Whether the part that differs names something. Any other path is unknown (404).
    pub accepts: fn(&str) -> bool,
    /// Each method is in one of them. `OPTIONS` is answered for all.
    pub operations: &'static [Operation],
}

/// Methods of an endpoint that one handler answers.
pub struct Operation {
    /// The methods. A handler of GET answers HEAD, too: hyper leaves the body out.
    pub methods: &'static [Method],
    /// Who may use them, and the handler.
    pub access: Access,
}

/// Who may use an operation. The handlers of operations that need a key are called with its holder.
pub enum Access {
    /// Anybody. A session in the headers is noted all the same: a browser shows it with requests
    /// for the page's files, and a proxy uses that connection again for a bot's request.
    Public(Handler),
    /// Anybody, but from the daemon's own page.
    SameOrigin(Handler),
    /// A bot with its key in the body, which the handler checks.
    KeyInBody(Handler),
    /// Any valid key or session. A missing one is no failure to be counted: the page asks whether
    /// it is logged in.
    Identified(KeyHandler),
    /// Any valid key or session.
    Read(KeyHandler),
    /// A key of the role `call`; a session of one only from the daemon's own page.
    Write(KeyHandler),
}

/// Answers a request.
pub type Handler = fn(ApiRequest) -> Answer;

/// Answers a request of an authenticated client.
pub type KeyHandler = fn(ApiRequest, Authenticated) -> Answer;

/// A handler's answer, once it has it.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

/// A request for an endpoint.
pub struct ApiRequest {
    /// What the handlers share.
    pub api: Arc<Api>,
    /// What stands in the path for the name in braces.
    pub parameter: String,
    /// The method, one of the operation's.
    pub method: Method,
    /// All headers.
    pub headers: HeaderMap,
    /// The query as it was sent; empty if there is none.
    pub query: String,
    /// The body, which is still under way.
    pub body: Body,
    /// The slot of the connection.
    pub place: Place,
}

/// A body that is still under way.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send>>;

/// A client that has shown a valid key or session.
pub struct Authenticated {
    /// The holder of the key.
    pub caller: Caller,
    /// Keeps the connection from being closed in favour of another while this is held.
    pub served: Served,
}

impl ApiRequest {
    /// The names and values in the query.
    pub fn parameters(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// Refuses any query, for endpoints that know no parameter.
    pub fn expect_no_query(&self) -> Result<(), ApiError> {
        if self.query.is_empty() { Ok(()) } else { Err(ApiError::UnexpectedQuery) }
    }
}

/// What stands in front of the name in braces; the whole path if there is none.
pub fn prefix(path: &'static str) -> &'static str {
    path.split_once('{').map_or(path, |(prefix, _)| prefix)
}

impl Endpoint {
    /// An endpoint of one path.
    pub const fn at(path: &'static str, operations: &'static [Operation]) -> Self {
        Self { path, accepts: str::is_empty, operations }
    }

    /// The part of `path` that stands for the name in braces; none if this endpoint has not that
    /// path. warp's own `path!` takes a trailing slash as well, which the original API does not.
    fn parameter<'p>(&self, path: &'p str) -> Option<&'p str> {
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
    pub fn route(&'static self, api: Arc<Api>) -> BoxedFilter<(Response,)> {
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
            .then(move |parameter, method, headers, query, place, body| {
                let (api, allow) = (api.clone(), allow.clone());
                let request = ApiRequest { api, parameter, method, headers, query, body, place };
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

/// Everything around the handler.
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
    let (door, headers) = (&request.api.door, &request.headers);
    match operation.access {
        Access::Public(handler) => {
            note_session(&request);
            handler(request).await
        }
        Access::SameOrigin(handler) => {
            note_session(&request);
            if !auth::is_own_page(headers) {
                return Err(ApiError::CrossOrigin);
            }
            handler(request).await
        }
        Access::KeyInBody(handler) => handler(request).await,
        Access::Identified(handler) => {
            let caller = door.session_in(headers).map(|(caller, _)| caller);
            let caller = caller.ok_or_else(|| auth::unauthorized(headers))?;
            Ok(answer_key(handler, request, caller).await)
        }
        Access::Read(handler) => {
            let caller = door.caller_in(headers)?;
            Ok(answer_key(handler, request, caller).await)
        }
        Access::Write(handler) => {
            let caller = door.admit(headers)?;
            if let Err(error) = caller.may_call() {
                return Ok(reply::asked_by(&caller.name, error.into_response()));
            }
            Ok(answer_key(handler, request, caller).await)
        }
    }
}

/// Calls the handler while the connection's slot is kept, and notes the key on the answer.
async fn answer_key(handler: KeyHandler, request: ApiRequest, caller: Caller) -> Response {
    let key = caller.name.clone();
    let served = request.place.clone().serve();
    let answer = handler(request, Authenticated { caller, served }).await;
    reply::asked_by(&key, answer.unwrap_or_else(ApiError::into_response))
}

/// Notes that the connection has shown a valid key or session where none is needed.
fn note_session(request: &ApiRequest) {
    if request.api.door.session_in(&request.headers).is_some() {
        drop(request.place.clone().serve());
    }
}
