//! The HTTP side: the bots' endpoint, and what operators watch calls with.
//!
//! One file for each resource; every handler answers for itself, and only unknown paths are left to
//! a rejection.

pub mod auth;
pub mod body;
mod calls;
mod conf;
pub mod drain;
mod events;
mod health;
mod history;
mod idle;
mod metrics;
mod page;
pub mod places;
pub mod reply;
pub mod server;
mod session;
mod shares;
mod socket;
pub mod stats;
pub mod tls;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection};

use self::auth::{Door, Keys};
use self::places::Place;
use self::reply::AskedBy;
use self::shares::{KeyQuota, StreamSlots};
use crate::call::Lang;
use crate::call::numbering::Numbering;
use crate::config::Config;
use crate::handle::Handle;
use crate::history::History;
use crate::journal::Journal;
use crate::journal::crowd::Crowd;
use crate::journal::sink::Eraser;
use crate::stats::Stats;

/// What the handlers share.
pub struct Api {
    /// The way to the engine.
    pub handle: Handle,
    /// The live log.
    pub journal: Journal,
    /// Who may ask.
    pub door: Door,
    /// How long a bot waits at most.
    pub reply_timeout: Duration,
    /// `lang` for those who give none.
    pub default_lang: Lang,
    /// How numbers are written here.
    pub numbering: Numbering,
    /// Calls that have ended, if a history is kept.
    pub history: Option<History>,
    /// Those who write the log down, to have numbers erased.
    pub erasers: Vec<Eraser>,
    /// Whether numbers are shown without their middle.
    pub masks: bool,
    /// What tells this daemon from others.
    pub instance: Arc<str>,
    /// Whether we speak TLS ourselves.
    pub tls: bool,
    /// How it went lately.
    pub stats: Arc<Mutex<Stats>>,
    /// The slots for event streams.
    streams: StreamSlots,
    /// The readers of event streams.
    crowd: Arc<Crowd>,
    /// Lists under way, counted in lists of 1000 calls.
    lists: KeyQuota,
    /// Erasures under way.
    erasures: KeyQuota,
}

impl Api {
    /// Puts together what the handlers need, where there are so many connections at most.
    pub fn new(handle: Handle, journal: Journal, config: &Config, max_connections: usize) -> Self {
        let door = Door::new(Keys::new(&config.api_keys), config.http.listen);
        let (reply_timeout, default_lang) =
            (config.http.reply_timeout, config.default_lang.clone());
        // An event stream holds its connection for as long as it likes; the bots need some, too.
        let streams = StreamSlots::new(max_connections / 2);
        let crowd = Crowd::new(&journal);
        let (lists, erasures) =
            (KeyQuota::new(calls::MAX_LISTS), KeyQuota::new(history::MAX_ERASURES));
        let (history, erasers, masks) = (None, Vec::new(), config.privacy.mask_numbers);
        let (instance, tls) = (config.instance.clone(), config.http.tls.is_some());
        let stats = Arc::new(Mutex::new(Stats::new(SystemTime::now())));
        Self {
            handle,
            journal,
            door,
            reply_timeout,
            default_lang,
            numbering: config.numbers.clone(),
            history,
            erasers,
            masks,
            instance,
            tls,
            stats,
            streams,
            crowd,
            lists,
            erasures,
        }
    }
}

/// Everything that is served.
pub fn routes(api: Arc<Api>) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
    let routes = conf::route(api.clone())
        .or(calls::list(api.clone()))
        .unify()
        .or(calls::one(api.clone()))
        .unify()
        .or(events::route(api.clone()))
        .unify()
        .or(stats::route(api.clone()))
        .unify()
        .or(session::route(api.clone()))
        .unify()
        .or(page::routes(api.clone()))
        .unify()
        .or(health::live(api.clone()))
        .unify()
        .or(health::ready(api.clone()))
        .unify()
        .or(metrics::route(api.clone()))
        .unify()
        .or(history::route(api.clone()))
        .unify()
        .recover(reply::recover)
        .unify();
    warp::path::full().and(routes).map(move |full: FullPath, response: Response| {
        let key = response.extensions().get::<AskedBy>().map(|AskedBy(key)| key.clone());
        let status = response.status().as_u16();
        tracing::debug!(status, key = key.as_deref(), "answered");
        api.journal.metrics().answered(counted_as(full.as_str()), status, key);
        response
    })
}

/// What a path is called where requests are counted: a client can ask for any path, and each name
/// is kept for ever.
fn counted_as(path: &str) -> &'static str {
    const KNOWN: [&str; 10] = [
        "/",
        "/api/calls",
        "/api/conf",
        "/api/events",
        "/api/history",
        "/api/session",
        "/api/stats",
        "/healthz",
        "/metrics",
        "/readyz",
    ];
    match KNOWN.iter().find(|known| **known == path) {
        Some(known) => known,
        None if path.starts_with("/api/calls/") => "/api/calls/{id}",
        None if path.starts_with("/page/") => "/page/{file}",
        None => "other",
    }
}

/// Matches this very path: `warp::path!` takes a trailing slash as well, and the original does not.
fn at(path: &'static str) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::path::full()
        .and_then(move |full: FullPath| async move {
            if full.as_str() == path { Ok(()) } else { Err(warp::reject::not_found()) }
        })
        .untuple_one()
}

/// A resource that any valid key may read. `answer` gets the headers and the query.
fn looked_at(
    path: &'static str,
    api: Arc<Api>,
    answer: fn(&Api, &HeaderMap, &str) -> Response,
) -> BoxedFilter<(Response,)> {
    at(path)
        .and(with(api))
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get())
        .and(raw_query())
        .map(
            move |api: Arc<Api>,
                  method: Method,
                  headers: HeaderMap,
                  place: Place,
                  query: String| {
                if method != Method::GET && method != Method::HEAD {
                    return reply::other_method(&method, "GET, HEAD, OPTIONS");
                }
                let Some(caller) = api.door.caller_in(&headers) else {
                    return reply::unauthorized(&headers);
                };
                let _served = place.serve();
                reply::asked_by(&caller.name, answer(&api, &headers, &query))
            },
        )
        .boxed()
}

/// Notes that a connection was served for a key where none is needed, as with the page's files: the
/// browser shows its session with them, and a proxy uses their connection again for a bot's
/// request.
fn noting_keys(api: Arc<Api>) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    with(api)
        .and(warp::header::headers_cloned())
        .and(warp::ext::get())
        .map(|api: Arc<Api>, headers: HeaderMap, place: Place| {
            if api.door.session_in(&headers).is_some() {
                drop(place.serve());
            }
        })
        .untuple_one()
}

/// The names and values in a query; none if it cannot be read.
type Parameters = Option<Vec<(String, String)>>;

fn parameters() -> impl Filter<Extract = (Parameters,), Error = Infallible> + Clone {
    warp::query().map(Some).or(warp::any().map(|| None)).unify()
}

/// The query as it was sent; empty if there is none.
fn raw_query() -> impl Filter<Extract = (String,), Error = Infallible> + Clone {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}

/// Refuses parameters where there are none to give: to ignore one would answer another question
/// than was asked.
fn unasked(query: &str) -> Option<Response> {
    (!query.is_empty())
        .then(|| reply::error(StatusCode::BAD_REQUEST, "no parameters are known here"))
}

/// Gives handlers what they share.
fn with(api: Arc<Api>) -> impl Filter<Extract = (Arc<Api>,), Error = Infallible> + Clone {
    warp::any().map(move || api.clone())
}
