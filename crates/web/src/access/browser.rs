//! What a browser says of itself, as far as its owner knows it again by that.
//!
//! `User-Agent` (RFC 9110, 10.1.5) is foreign text that everybody makes up as they like: only names on a list are taken from it,
//! and nothing depends on them.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use super::Peer;
use crate::{
    api::{Browser, System},
    routes::Failure,
};

/// Looked for in this order: most browsers say that they are others as well.
const BROWSERS: [(&str, Browser); 12] = [
    ("EdgA/", Browser::Edge),
    ("EdgiOS/", Browser::Edge),
    ("Edg/", Browser::Edge),
    ("SamsungBrowser/", Browser::Samsung),
    ("OPR/", Browser::Opera),
    ("FxiOS/", Browser::Firefox),
    ("Firefox/", Browser::Firefox),
    ("CriOS/", Browser::Chrome),
    ("Chromium/", Browser::Chrome),
    ("Chrome/", Browser::Chrome),
    ("Safari/", Browser::Safari),
    ("curl/", Browser::Curl),
];
const SYSTEMS: [(&str, System); 8] = [
    ("Android", System::Android),
    ("iPhone", System::Ios),
    ("iPad", System::Ios),
    ("CrOS", System::ChromeOs),
    ("Windows", System::Windows),
    ("Macintosh", System::MacOs),
    ("Linux", System::Linux),
    ("X11", System::Linux),
];

/// Who opens a session: the other end of the connection, and what it says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    /// The other end.
    pub(crate) peer: Peer,
    pub(super) browser: Option<Browser>,
    pub(super) system: Option<System>,
}

impl Visitor {
    pub(super) fn new(peer: Peer, headers: &HeaderMap) -> Self {
        let text = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let text = text.unwrap_or_default();
        Self {
            peer,
            browser: first(&BROWSERS, text),
            system: first(&SYSTEMS, text),
        }
    }
}

fn first<T: Copy>(known: &[(&str, T)], text: &str) -> Option<T> {
    let found = known.iter().find(|(word, _)| text.contains(word));
    found.map(|(_, meaning)| *meaning)
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let peer = Peer::from_request_parts(parts, state).await?;
        Ok(Self::new(peer, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(agent: &str) -> (Option<Browser>, Option<System>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, agent.parse().unwrap());
        let visitor = Visitor::new(Peer::LOCAL, &headers);
        (visitor.browser, visitor.system)
    }

    #[test]
    fn browsers_are_known_by_what_only_they_say() {
        let android = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)";
        let (chrome, phone) = (Some(Browser::Chrome), Some(System::Android));
        assert_eq!(
            seen(&format!("{android} Chrome/131.0.0.0 Mobile Safari/537.36")),
            (chrome, phone)
        );
        let samsung = format!("{android} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36");
        assert_eq!(seen(&samsung), (Some(Browser::Samsung), phone));
        assert_eq!(
            seen(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
            ),
            (Some(Browser::Safari), Some(System::Ios))
        );
        assert_eq!(
            seen(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0"
            ),
            (Some(Browser::Edge), Some(System::Windows))
        );
        assert_eq!(
            seen("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"),
            (Some(Browser::Firefox), Some(System::Linux))
        );
        assert_eq!(seen("<script>alert(1)</script>"), (None, None));
        assert_eq!(seen(""), (None, None));
    }
}
