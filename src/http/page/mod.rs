//! The operators' page: the files in `assets/`, compiled into the daemon.
//!
//! The daemon serves them below a path that is a hash of their contents. So a browser may cache
//! them for ever and never mixes the files of two versions.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use warp::http::HeaderValue;
use warp::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
};
use warp::reply::Response;

use super::endpoint::ApiRequest;
use super::error::ApiError;

const INDEX: &str = include_str!("assets/index.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, content type and content of each file that `index.html` loads.
const FILES: &[(&str, &str, &str)] = &[
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("api.js", SCRIPT, include_str!("assets/api.js")),
    ("ask.js", SCRIPT, include_str!("assets/ask.js")),
    ("call-detail.js", SCRIPT, include_str!("assets/call-detail.js")),
    ("calls-table.js", SCRIPT, include_str!("assets/calls-table.js")),
    ("chart-data.js", SCRIPT, include_str!("assets/chart-data.js")),
    ("charts.js", SCRIPT, include_str!("assets/charts.js")),
    ("conference-detail.js", SCRIPT, include_str!("assets/conference-detail.js")),
    ("conference-list.js", SCRIPT, include_str!("assets/conference-list.js")),
    ("conferences-table.js", SCRIPT, include_str!("assets/conferences-table.js")),
    ("dashboard.js", SCRIPT, include_str!("assets/dashboard.js")),
    ("dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("event-stream.js", SCRIPT, include_str!("assets/event-stream.js")),
    ("filter.js", SCRIPT, include_str!("assets/filter.js")),
    ("hangup.js", SCRIPT, include_str!("assets/hangup.js")),
    ("history-search.js", SCRIPT, include_str!("assets/history-search.js")),
    ("journal-table.js", SCRIPT, include_str!("assets/journal-table.js")),
    ("labels.js", SCRIPT, include_str!("assets/labels.js")),
    ("main.js", SCRIPT, include_str!("assets/main.js")),
    ("model.js", SCRIPT, include_str!("assets/model.js")),
    ("navigation.js", SCRIPT, include_str!("assets/navigation.js")),
    ("refresher.js", SCRIPT, include_str!("assets/refresher.js")),
    ("room-controls.js", SCRIPT, include_str!("assets/room-controls.js")),
    ("room-detail.js", SCRIPT, include_str!("assets/room-detail.js")),
    ("room-labels.js", SCRIPT, include_str!("assets/room-labels.js")),
    ("rooms-data.js", SCRIPT, include_str!("assets/rooms-data.js")),
    ("rooms-table.js", SCRIPT, include_str!("assets/rooms-table.js")),
    ("rooms-view.js", SCRIPT, include_str!("assets/rooms-view.js")),
    ("shortcuts.js", SCRIPT, include_str!("assets/shortcuts.js")),
    ("status-bar.js", SCRIPT, include_str!("assets/status-bar.js")),
    ("story.js", SCRIPT, include_str!("assets/story.js")),
    ("tabs.js", SCRIPT, include_str!("assets/tabs.js")),
    ("time.js", SCRIPT, include_str!("assets/time.js")),
    ("virtual-table.js", SCRIPT, include_str!("assets/virtual-table.js")),
];

/// The page loads and runs the daemon's files only, sends requests to the daemon only, and no other
/// site can show it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'self'";

/// Name of the folder that has the files below `/page/`, made of their contents.
static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, _, content) in FILES {
        hash.update(name);
        hash.update(content);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// `index.html` with the paths below that folder. It names all scripts, because a browser that had to
/// find them import by import would need a round trip for each level of imports.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let scripts = FILES.iter().filter(|(name, ..)| name.ends_with(".js") && *name != "main.js");
    let preloads: String = scripts
        .map(|(name, ..)| format!("  <link rel=\"modulepreload\" href=\"page/{name}\">\n"))
        .collect();
    INDEX
        .replace("</head>", &format!("{preloads}</head>"))
        .replace("\"page/", &format!("\"page/{}/", *FOLDER))
});

/// `GET /`
pub(super) async fn index() -> Result<Response, ApiError> {
    Ok(answer("text/html; charset=utf-8", &PAGE, "no-cache"))
}

/// `GET /page/{file}`: one of the files that the page is made of.
pub(super) async fn file(request: ApiRequest) -> Result<Response, ApiError> {
    let (_, kind, content) = find(&request.parameter).ok_or(ApiError::UnknownPath)?;
    Ok(answer(kind, content, "public, max-age=31536000, immutable"))
}

/// Whether there is a file at this path below `/page/`.
pub(super) fn has_file(path: &str) -> bool {
    find(path).is_some()
}

fn find(path: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let name = path.strip_prefix(&**FOLDER)?.strip_prefix('/')?;
    FILES.iter().find(|(known, ..)| *known == name)
}

fn answer(kind: &'static str, content: &'static str, cache: &'static str) -> Response {
    let mut response = Response::new(content.into());
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
