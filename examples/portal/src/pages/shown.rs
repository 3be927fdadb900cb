//! The page that answers a form is fetched by a request of its own, so that reload and Back send no form a second time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::go;
use crate::app::App;
use crate::cookie;
use crate::error::Failure;
use crate::token::Token;

/// How long a page can be loaded again.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// The most pages that are kept; the oldest makes way.
const MOST: usize = 1000;

/// Marks the answer to a form as a page, where its status does not say so.
#[derive(Clone, Copy)]
pub(super) struct Answer;

/// Marks a page with a secret: it is shown once.
#[derive(Clone, Copy)]
pub(super) struct Once;

/// Pages that wait for the request that fetches them, each for one browser.
#[derive(Default)]
pub(crate) struct ShownPages(Mutex<HashMap<String, Kept>>);

struct Kept {
    browser: [u8; 32],
    path: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    once: bool,
    since: Instant,
}

impl ShownPages {
    fn keep(&self, id: String, page: Kept) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|_, kept| kept.since.elapsed() < LIFETIME);
        if pages.len() >= MOST
            && let Some(oldest) = pages.iter().min_by_key(|(_, kept)| kept.since).map(|(id, _)| id.clone())
        {
            pages.remove(&oldest);
        }
        pages.insert(id, page);
    }

    /// The page of this id, if it was made for this browser and this path.
    fn fetch(&self, id: &str, browser: &[u8; 32], path: &str) -> Option<Response> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |kept: &&Kept| kept.browser == *browser && kept.path == path && kept.since.elapsed() < LIFETIME;
        let kept = pages.get(id).filter(is_it)?;
        let (status, headers, body, once) = (kept.status, kept.headers.clone(), kept.body.clone(), kept.once);
        if once {
            pages.remove(id);
        }
        Some((status, headers, body).into_response())
    }
}

/// Answers a form by a redirect (303) to the page that it leads to.
pub(crate) async fn after_each_form(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let browser = cookie::read(request.headers(), cookie::SESSION).and_then(Token::parse);
    if request.method() == Method::POST {
        let response = next.run(request).await;
        return set_aside(&app, path, browser, response).await.unwrap_or_else(Failure::into_response);
    }
    let id = request.uri().query().and_then(|query| query.strip_prefix("shown="));
    let page = id.zip(browser).and_then(|(id, browser)| app.shown.fetch(id, &browser.digest(), &path));
    let asked = id.is_some();
    match page {
        Some(page) => page,
        // It is gone, or another browser's: the page of the path is as good, if there is one.
        None => match next.run(request).await {
            response if asked && response.status() == StatusCode::METHOD_NOT_ALLOWED => go("/"),
            response => response,
        },
    }
}

async fn set_aside(app: &App, path: String, browser: Option<Token>, response: Response) -> Result<Response, Failure> {
    let (mut parts, body) = response.into_parts();
    let is_page = matches!(parts.status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY)
        || parts.extensions.get::<Answer>().is_some();
    // The browser may have a new token by now.
    let browser = cookie::value_set(&parts.headers, cookie::SESSION).and_then(Token::parse).or(browser);
    let Some(browser) = browser.filter(|_| is_page) else { return Ok(Response::from_parts(parts, body)) };
    let mut cookies = HeaderMap::new();
    for line in parts.headers.get_all(header::SET_COOKIE) {
        cookies.append(header::SET_COOKIE, line.clone());
    }
    parts.headers.remove(header::SET_COOKIE);
    parts.headers.remove(header::CONTENT_LENGTH);
    let id = Token::mint()?.to_text();
    let mut redirect = go(&format!("{path}?shown={id}"));
    redirect.headers_mut().extend(cookies);
    let page = Kept {
        browser: browser.digest(),
        path,
        status: parts.status,
        headers: parts.headers,
        body: axum::body::to_bytes(Body::new(body), usize::MAX).await.map_err(Failure::internal)?,
        once: parts.extensions.get::<Once>().is_some(),
        since: Instant::now(),
    };
    app.shown.keep(id, page);
    Ok(redirect)
}
