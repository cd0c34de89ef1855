//! The table of all endpoints, and the routes made of it.

use std::convert::Infallible;
use std::sync::Arc;

use warp::Filter;
use warp::filters::path::FullPath;
use warp::http::Method;
use warp::reply::Response;

use super::endpoint::{Access, Endpoint, Operation};
use super::reply::{self, KeyName};
use super::{
    Api, calls, conf, conferences, events, health, history, metrics, page, rooms, session, stats,
};

/// One call.
pub(crate) const CALL: &str = "/api/calls/{id}";

/// The methods of an operation that only reads.
const READ: &[Method] = &[Method::GET, Method::HEAD];

/// All endpoints, in the order in which the router tries them: the bots' first.
pub(crate) static ENDPOINTS: [Endpoint; 17] = [
    Endpoint::at(
        "/api/conf",
        &[Operation {
            methods: &[Method::POST],
            access: Access::KeyInBody(|request| Box::pin(conf::originate(request))),
        }],
    ),
    Endpoint::at(
        "/api/calls",
        &[Operation {
            methods: READ,
            access: Access::Read(|request, client| Box::pin(calls::list(request, client))),
        }],
    ),
    Endpoint {
        path: CALL,
        accepts: |id| !id.is_empty() && !id.contains('/'),
        operations: &[
            Operation {
                methods: READ,
                access: Access::Read(|request, client| Box::pin(calls::show(request, client))),
            },
            Operation {
                methods: &[Method::DELETE],
                access: Access::Write(|request, client| Box::pin(calls::hang_up(request, client))),
            },
        ],
    },
    Endpoint::at(
        "/api/rooms",
        &[Operation {
            methods: READ,
            access: Access::Read(|request, client| Box::pin(rooms::list(request, client))),
        }],
    ),
    Endpoint {
        path: "/api/rooms/{room}",
        accepts: rooms::is_room,
        operations: &[
            Operation {
                methods: READ,
                access: Access::Read(|request, client| Box::pin(rooms::show(request, client))),
            },
            Operation {
                methods: &[Method::PATCH],
                access: Access::Write(|request, client| Box::pin(rooms::change(request, client))),
            },
            Operation {
                methods: &[Method::DELETE],
                access: Access::Write(|request, client| Box::pin(rooms::end(request, client))),
            },
        ],
    },
    Endpoint {
        path: "/api/rooms/{room}/participants/{id}",
        accepts: rooms::is_participant,
        operations: &[
            Operation {
                methods: &[Method::PATCH],
                access: Access::Write(|request, client| {
                    Box::pin(rooms::change_participant(request, client))
                }),
            },
            Operation {
                methods: &[Method::DELETE],
                access: Access::Write(|request, client| Box::pin(rooms::kick(request, client))),
            },
        ],
    },
    Endpoint::at(
        "/api/conferences",
        &[Operation {
            methods: READ,
            access: Access::Read(|request, client| Box::pin(conferences::list(request, client))),
        }],
    ),
    Endpoint {
        path: "/api/conferences/{id}",
        accepts: |id| !id.is_empty() && !id.contains('/'),
        operations: &[Operation {
            methods: READ,
            access: Access::Read(|request, client| Box::pin(conferences::show(request, client))),
        }],
    },
    Endpoint::at(
        "/api/events",
        &[Operation {
            methods: &[Method::GET],
            access: Access::Read(|request, client| Box::pin(events::follow(request, client))),
        }],
    ),
    Endpoint::at(
        "/api/stats",
        &[Operation {
            methods: READ,
            access: Access::Read(|request, client| Box::pin(stats::show(request, client))),
        }],
    ),
    Endpoint::at(
        "/api/session",
        &[
            Operation {
                methods: READ,
                access: Access::Identified(|request, client| {
                    Box::pin(session::show(request, client))
                }),
            },
            Operation {
                methods: &[Method::POST],
                access: Access::SameOrigin(|request| Box::pin(session::log_in(request))),
            },
            Operation {
                methods: &[Method::DELETE],
                access: Access::SameOrigin(|request| Box::pin(session::log_out(request))),
            },
        ],
    ),
    Endpoint::at(
        "/",
        &[Operation { methods: READ, access: Access::Public(|_| Box::pin(page::index())) }],
    ),
    Endpoint {
        path: "/page/{file}",
        accepts: page::has_file,
        operations: &[Operation {
            methods: READ,
            access: Access::Public(|request| Box::pin(page::file(request))),
        }],
    },
    Endpoint::at(
        "/healthz",
        &[Operation { methods: READ, access: Access::Public(|_| Box::pin(health::live())) }],
    ),
    Endpoint::at(
        "/readyz",
        &[Operation {
            methods: READ,
            access: Access::Public(|request| Box::pin(health::ready(request))),
        }],
    ),
    Endpoint::at(
        "/metrics",
        &[Operation {
            methods: READ,
            access: Access::Read(|request, client| Box::pin(metrics::show(request, client))),
        }],
    ),
    Endpoint::at(
        "/api/history",
        &[Operation {
            methods: &[Method::DELETE],
            access: Access::Write(|request, client| Box::pin(history::erase(request, client))),
        }],
    ),
];

/// The routes of all endpoints.
pub(crate) fn routes(
    api: Arc<Api>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
    let unknown = warp::any().and_then(async || Err(warp::reject::not_found())).boxed();
    // Fold from the last endpoint to the first, so that warp tries the first one first, at the
    // lowest nesting.
    let endpoints = ENDPOINTS
        .iter()
        .rev()
        .fold(unknown, |others, endpoint| endpoint.route(api.clone()).or(others).unify().boxed());
    warp::path::full().and(endpoints.recover(reply::recover).unify()).map(
        move |path: FullPath, response: Response| {
            let key = response.extensions().get::<KeyName>().map(|KeyName(key)| key.clone());
            let status = response.status().as_u16();
            tracing::debug!(status, key = key.as_deref(), "answered");
            api.journal().metrics().answered(metric_path(path.as_str()), status, key);
            response
        },
    )
}

/// The label of a path in the metrics: the path of an endpoint, or `other`. Labels are kept for
/// ever, and a client can request any path.
pub(crate) fn metric_path(path: &str) -> &'static str {
    ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.parameter(path).is_some())
        .map_or("other", |endpoint| endpoint.path)
}
