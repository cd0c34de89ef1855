//! The HTTP side: the bots' endpoint, and what operators watch calls with.
//!
//! One file for each resource; every handler answers for itself, and only unknown paths are left to a rejection.

pub mod auth;
pub mod body;
mod calls;
mod conf;
pub mod drain;
mod events;
mod health;
mod history;
mod metrics;
mod page;
pub mod places;
pub mod reply;
pub mod server;
mod session;
pub mod stats;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::{HeaderMap, Method};
use warp::reply::Response;
use warp::{Filter, Rejection};

use self::auth::{Door, Keys};
use self::places::Place;
use self::reply::AskedBy;
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
    /// The places for event streams that are free.
    streams: Arc<Semaphore>,
    /// Those who have one.
    crowd: Arc<Crowd>,
    lists: Arc<Semaphore>,
}

impl Api {
    /// Puts together what the handlers need, where there are so many connections at most.
    pub fn new(handle: Handle, journal: Journal, config: &Config, max_connections: usize) -> Self {
        let door = Door::new(Keys::new(&config.api_keys), config.http.listen);
        let (reply_timeout, default_lang) = (config.http.reply_timeout, config.originate.default_lang.clone());
        // An event stream holds its connection for as long as it likes; the bots need some, too.
        let streams = Arc::new(Semaphore::new(max_connections.div_ceil(2)));
        let crowd = Crowd::new(&journal);
        let lists = Arc::new(Semaphore::new(calls::MAX_LISTS));
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
        .or(page::routes())
        .unify()
        .or(health::live())
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

/// What a path is called where requests are counted: a client can ask for any path, and each name is kept for ever.
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

/// What is only looked at, by whoever has a key.
fn looked_at(path: &'static str, api: Arc<Api>, answer: fn(&Api, &HeaderMap) -> Response) -> BoxedFilter<(Response,)> {
    at(path)
        .and(with(api))
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get())
        .map(move |api: Arc<Api>, method: Method, headers: HeaderMap, place: Place| {
            if method != Method::GET && method != Method::HEAD {
                return reply::other_method(&method, "GET, HEAD, OPTIONS");
            }
            let Some(caller) = api.door.caller_in(&headers) else { return reply::unauthorized(&headers) };
            let _served = place.serve();
            reply::asked_by(&caller.name, answer(&api, &headers))
        })
        .boxed()
}

/// Gives handlers what they share.
fn with(api: Arc<Api>) -> impl Filter<Extract = (Arc<Api>,), Error = Infallible> + Clone {
    warp::any().map(move || api.clone())
}
