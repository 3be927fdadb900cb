//! The server: a limit on connections, a time for each request, and the names that it answers to.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::app::App;
use crate::config::Limits;

/// How long requests may take that are answered while the server stops.
const STOPPING: Duration = Duration::from_secs(10);

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);

/// Serves until `stopped`, then answers what has begun.
pub(crate) async fn run(listener: TcpListener, router: Router, limits: Limits, mut stopped: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            // A sender that is gone stops the server too.
            _ = stopped.changed() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let inner = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Client(peer));
            let answer = inner.call(request);
            async move {
                Ok::<_, Infallible>(match tokio::time::timeout(limits.request, answer).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
                })
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .serve_connection(TokioIo::new(stream), service);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks off concerns its browser alone.
            let _ = watched.await;
            drop(place);
        });
    }
    drop(listener);
    // What takes longer is broken off.
    let _ = tokio::time::timeout(STOPPING, graceful.shutdown()).await;
}

type Accepted = (tokio::net::TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip(), place)),
        Err(error) => {
            eprintln!("portal: a connection was not accepted: {error}");
            // Without file descriptors the next call would fail at once.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Answers requests for the names of the portal only: a page of another name must not be able to talk to it.
pub(crate) async fn of_our_names(State(app): State<App>, request: Request<Body>, next: Next) -> Response {
    match host(request.headers()) {
        Some(host) if app.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host)) => next.run(request).await,
        _ => (StatusCode::MISDIRECTED_REQUEST, "This server does not answer to that name.").into_response(),
    }
}

/// The name in the only `Host` header, without its port.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::HOST).iter();
    let host = all.next().filter(|_| all.next().is_none())?.to_str().ok()?;
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(name),
        _ => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn host_is_the_name_of_the_only_header() {
        for (sent, name) in [
            ("localhost", Some("localhost")),
            ("localhost:3000", Some("localhost")),
            ("[::1]:3000", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("evil.example:x", Some("evil.example:x")),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(sent))]);
            assert_eq!(host(&headers), name, "{sent}");
        }
        assert_eq!(host(&HeaderMap::new()), None);
        let mut two = HeaderMap::new();
        two.append(header::HOST, HeaderValue::from_static("localhost"));
        two.append(header::HOST, HeaderValue::from_static("localhost"));
        assert_eq!(host(&two), None);
    }
}
