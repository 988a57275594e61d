//! The page, embedded in the binary by the build script: `web-ui/dist`, each file as it is, with gzip and with Brotli.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::routes::{Failure, no_such_method, unknown};

/// A file of the page.
struct File {
    /// Without a slash at the beginning.
    path: &'static str,
    media_type: &'static str,
    /// Quoted, as the header has it (RFC 9110, 8.8.3).
    etag: &'static str,
    /// Its name changes with its content.
    hashed: bool,
    plain: &'static [u8],
    /// Empty where it would not be shorter.
    gzip: &'static [u8],
    brotli: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Whether the binary was built with the page.
#[must_use]
pub(crate) fn is_built_in() -> bool {
    BUILT_IN
}

/// Answers whatever is not the API's.
pub(crate) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return unknown().await.into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return no_such_method().await.into_response();
    }
    let name = path.trim_start_matches('/');
    let find = |name: &str| FILES.iter().find(|file| file.path == name);
    let found = match name {
        "" => find("index.html"),
        _ => find(name),
    };
    // Addresses within the page are the page's own business, but a missing script must not come as a page.
    let found = found.or_else(|| is_navigation(request.headers()).then(|| find("index.html"))?);
    match found {
        Some(file) => send(file, request.headers()),
        None => Failure::not_found("there is no such file").into_response(),
    }
}

/// Whether a person goes there, and not a script of a page (Fetch metadata, 2.2). Old browsers say what they would like.
fn is_navigation(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html")),
    }
}

fn send(file: &File, headers: &HeaderMap) -> Response {
    let caching = if file.hashed {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let (encoding, content) = choose(file, headers);
    // One tag for all encodings would be wrong (RFC 9110, 8.8.3.3).
    let etag = match encoding {
        Some(encoding) => format!("{}-{encoding}\"", file.etag.trim_end_matches('"')),
        None => file.etag.to_owned(),
    };
    let fresh = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let common = [
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
        (
            header::ETAG,
            HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
        ),
    ];
    if fresh {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type))];
    let mut response = (common, media_type, content).into_response();
    if let Some(encoding) = encoding {
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// The shortest form that the client takes (RFC 9110, 12.5.3).
fn choose(file: &File, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let takes = |coding: &str| {
        headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|item| {
                let (name, weight) = item.split_once(';').unwrap_or((item, ""));
                let refused = weight
                    .trim()
                    .strip_prefix("q=")
                    .is_some_and(|q| q.trim().trim_end_matches(['0', '.']).is_empty());
                name.trim().eq_ignore_ascii_case(coding) && !refused
            })
    };
    if !file.brotli.is_empty() && takes("br") {
        (Some("br"), file.brotli)
    } else if !file.gzip.is_empty() && takes("gzip") {
        (Some("gzip"), file.gzip)
    } else {
        (None, file.plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File {
        path: "assets/app-1234abcd.js",
        media_type: "text/javascript",
        etag: "\"1\"",
        hashed: true,
        plain: b"plain",
        gzip: b"gz",
        brotli: b"b",
    };

    fn chosen(accept: &'static str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
        choose(&FILE, &headers).0
    }

    #[test]
    fn the_shortest_form_that_is_wanted() {
        assert_eq!(chosen("gzip, deflate, br"), Some("br"));
        assert_eq!(chosen("gzip, br;q=0"), Some("gzip"));
        assert_eq!(chosen("br;q=0.000, GZIP;q=0.5"), Some("gzip"));
        assert_eq!(chosen("identity"), None);
        assert_eq!(choose(&FILE, &HeaderMap::new()).1, b"plain");
    }

    #[test]
    fn a_cached_file_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        let first = send(&FILE, &headers);
        assert_eq!(first.status(), StatusCode::OK);
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(send(&FILE, &headers).status(), StatusCode::NOT_MODIFIED);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(send(&FILE, &headers).status(), StatusCode::OK);
    }
}
