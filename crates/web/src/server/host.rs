//! Names by which the page may be asked for.
//!
//! A page of a stranger can give its own name our address (DNS rebinding): its scripts are then of the same origin as our
//! answers. So a request must name us by a name that is ours, or by the address at which it arrived.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Extension, Request, State},
    http::{HeaderMap, Uri, header, uri::Authority},
    middleware::Next,
    response::Response,
};

use super::router::Rules;
use crate::{
    access::Peer,
    api::{Problem, ProblemCode},
    routes::Failure,
};

/// The address of ours that a connection was made to; nothing for the socket of the command line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival(pub(super) Option<SocketAddr>);

/// The host that a request names, without its port.
#[derive(Debug, Clone)]
pub(super) struct Host(pub(super) String);

/// Refuses requests to foreign names.
pub(super) async fn check(
    State(rules): State<Rules>,
    Extension(Arrival(arrival)): Extension<Arrival>,
    peer: Peer,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if peer.is_local() {
        return Ok(next.run(request).await);
    }
    let host = named(request.headers(), request.uri()).ok_or_else(|| {
        Problem::new(ProblemCode::Invalid, "the request names no host, or more than one").remedy("send one `host`")
    })?;
    if !is_named(&rules, &host, arrival.map(|arrival| arrival.ip())) {
        let name = rules.app.name();
        return Err(
            Problem::new(ProblemCode::Forbidden, "this device does not go by that name")
                .remedy(format!(
                    "use {}.local or the device's address, or add the name to the allowed hosts",
                    name.to_ascii_lowercase()
                ))
                .into(),
        );
    }
    request.extensions_mut().insert(Host(host));
    Ok(next.run(request).await)
}

/// Whether a host is the device, for who reached it at this address.
pub(super) fn is_named(rules: &Rules, host: &str, arrival: Option<IpAddr>) -> bool {
    let alias = rules.alias.borrow();
    let is_alias = alias
        .as_deref()
        .is_some_and(|alias| host.strip_suffix('.').unwrap_or(host) == alias);
    is_alias || is_ours(host, &rules.app.name(), arrival, &rules.allowed_hosts)
}

/// The host that a request names, without its port.
pub(super) fn named(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    if hosts.next().is_some() {
        return None;
    }
    let authority: Authority = host.parse().ok()?;
    // A request line with a host of its own overrules the header (RFC 9112, 3.2.2): both must agree here.
    let agrees = uri
        .authority()
        .is_none_or(|other| other.as_str().eq_ignore_ascii_case(host));
    let plain = !host.contains('@') && !authority.host().is_empty();
    (agrees && plain).then(|| authority.host().to_ascii_lowercase())
}

fn is_ours(host: &str, name: &str, arrival: Option<IpAddr>, allowed: &[String]) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(bare)) {
        return true;
    }
    let arrival = arrival.map(|address| address.to_canonical());
    match bare.parse::<IpAddr>() {
        Ok(address) => arrival == Some(address.to_canonical()),
        Err(_) if bare == "localhost" => arrival.is_some_and(|address| address.is_loopback()),
        Err(_) => bare
            .strip_suffix(".local")
            .is_some_and(|label| label.eq_ignore_ascii_case(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let lan: IpAddr = [192, 0, 2, 7].into();
        let allowed = ["stick.fritz.box".to_owned()];
        let ours = |host: &str, at: IpAddr| is_ours(host, "My-Stick", Some(at), &allowed);
        assert!(ours("my-stick.local", lan));
        assert!(ours("my-stick.local.", lan));
        assert!(ours("stick.fritz.box", lan));
        assert!(ours("192.0.2.7", lan));
        assert!(!ours("192.0.2.8", lan));
        assert!(!ours("my-stick.local.evil.example", lan));
        assert!(!ours("evil.example", lan));
        assert!(!ours("localhost", lan));
        assert!(ours("localhost", [127, 0, 0, 1].into()));
        let v6: IpAddr = "2001:db8::7".parse().unwrap();
        assert!(ours("[2001:db8::7]", v6));
        assert!(ours("192.0.2.7", "::ffff:192.0.2.7".parse().unwrap()));
        assert!(!is_ours("127.0.0.1", "x", None, &[]));
    }

    #[test]
    fn odd_hosts_are_none() {
        let host = |hosts: &[&'static str], uri: &'static str| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, header::HeaderValue::from_static(host));
            }
            named(&headers, &Uri::from_static(uri))
        };
        assert_eq!(host(&["Stick.local:80"], "/").as_deref(), Some("stick.local"));
        assert_eq!(host(&["[::1]:80"], "/").as_deref(), Some("[::1]"));
        assert_eq!(host(&["a"], "http://A/x").as_deref(), Some("a"));
        assert_eq!(host(&["a"], "http://b/x"), None);
        assert_eq!(host(&[], "/"), None);
        assert_eq!(host(&["a", "a"], "/"), None);
        assert_eq!(host(&["user@a"], "/"), None);
        assert_eq!(host(&["a/b"], "/"), None);
    }
}
