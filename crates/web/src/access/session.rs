//! Sessions of browsers.

use std::time::Duration;

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponseParts, ResponseParts},
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    Peer, Visitor,
    clock::earliest,
    random::{self, Hash, NoRandom},
    record::SessionRecord,
};
use crate::api::Session;

/// The cookie's name with TLS: the prefix makes browsers refuse one that was set without (RFC 6265bis, 4.1.3.2).
const WITH_TLS: &str = "__Host-session";
/// And without.
const WITHOUT_TLS: &str = "session";
/// How many sessions there may be; a new one ends the one that was not used for the longest time.
pub(super) const MOST: usize = 16;
/// How old the time of the last use on disk may become: cards do not like to be written all the time.
const REMEMBER: Duration = Duration::from_secs(3600);
/// A clock that was set back may make a session seem that young; one from further in the future is not believed.
const SLACK: Duration = Duration::from_secs(300);

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Without being used.
    pub idle: Duration,
    /// In any case.
    pub longest: Duration,
}

/// A session cookie on its way out.
pub(crate) struct SessionCookie {
    values: Vec<HeaderValue>,
}

impl SessionCookie {
    fn new(id: &str, tls: bool, lifetime: Lifetime) -> Self {
        let (name, secure) = if tls { (WITH_TLS, "; Secure") } else { (WITHOUT_TLS, "") };
        let seconds = lifetime.longest.as_secs();
        let text = Zeroizing::new(format!(
            "{name}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        ));
        Self {
            values: [sensitive(&text)].into_iter().flatten().chain(stale(tls)).collect(),
        }
    }

    /// Makes browsers forget theirs.
    pub(crate) fn gone() -> Self {
        Self {
            values: stale(true).into_iter().chain([expired(WITH_TLS, "; Secure")]).collect(),
        }
    }
}

/// The cookie from before TLS is of no use any more.
fn stale(tls: bool) -> Option<HeaderValue> {
    tls.then(|| expired(WITHOUT_TLS, ""))
}

fn expired(name: &'static str, secure: &str) -> HeaderValue {
    let text = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl IntoResponseParts for SessionCookie {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        for value in self.values {
            parts.headers_mut().append(header::SET_COOKIE, value);
        }
        Ok(parts)
    }
}

/// The hashes of the session ids that a request brings, the one with TLS first.
pub(super) fn brought(headers: &HeaderMap, peer: Peer) -> Vec<Hash> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut found = [None, None];
    for (name, id) in cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
    {
        match name {
            WITH_TLS if peer.has_tls() => found[0] = Some(id),
            WITHOUT_TLS => found[1] = Some(id),
            _ => {}
        }
    }
    found
        .into_iter()
        .flatten()
        .map(|id| random::hash("session", id))
        .collect()
}

/// A new session.
pub(super) fn begin(
    visitor: Visitor,
    now: OffsetDateTime,
    lifetime: Lifetime,
) -> Result<(SessionRecord, SessionCookie), NoRandom> {
    let id = random::text()?;
    let peer = visitor.peer;
    let record = SessionRecord {
        hash: random::hash("session", &id),
        created: now,
        used: now,
        tls: peer.has_tls(),
        address: peer.address(),
        browser: visitor.browser,
        system: visitor.system,
        unknown: serde_json::Map::new(),
    };
    Ok((record, SessionCookie::new(&id, peer.has_tls(), lifetime)))
}

/// What has to come back as `x-csrf-token`. Made from what is kept, which opens nothing by itself.
pub(super) fn csrf_token(hash: &Hash) -> String {
    random::encode(&random::hash("csrf", &random::encode(hash)))
}

impl SessionRecord {
    /// When it ends unless it is used before.
    fn expires(&self, lifetime: Lifetime) -> OffsetDateTime {
        (self.used + lifetime.idle).min(self.created + lifetime.longest)
    }

    /// Whether it began before somebody set the clock, and somebody has set it since: its times say nothing then.
    fn is_undated(&self, now: OffsetDateTime) -> bool {
        self.created < earliest() && earliest() <= now
    }

    /// Lets it begin now if it is not known when it did.
    pub(super) fn date(&mut self, now: OffsetDateTime) {
        if self.is_undated(now) {
            (self.created, self.used) = (now, now);
        }
    }

    /// Whether it is over for good.
    pub(super) fn has_ended(&self, now: OffsetDateTime, lifetime: Lifetime) -> bool {
        self.expires(lifetime) <= now && !self.is_undated(now)
    }

    /// Whether it may be used. A clock that was set back by more than a little makes it wait until the time is right
    /// again, unless no clock was right when it began.
    pub(super) fn is_valid(&self, now: OffsetDateTime, lifetime: Lifetime) -> bool {
        let has_begun = self.created <= now + SLACK || self.created < earliest();
        has_begun && !self.has_ended(now, lifetime)
    }

    /// Whether its use should be noted.
    pub(super) fn is_to_be_noted(&self, now: OffsetDateTime) -> bool {
        now >= self.used + REMEMBER
    }

    /// Notes its use. Notes may overtake each other on their way to the card.
    pub(super) fn note(&mut self, now: OffsetDateTime) {
        self.used = self.used.max(now);
    }

    /// As the page sees it.
    pub(super) fn seen(&self, lifetime: Lifetime) -> Session {
        Session {
            csrf_token: csrf_token(&self.hash),
            expires: self.expires(lifetime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Lifetime = Lifetime {
        idle: Duration::from_secs(1000),
        longest: Duration::from_secs(5000),
    };

    #[test]
    fn sessions_end_unused_and_at_last() {
        let start = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let after = |seconds| start + Duration::from_secs(seconds);
        let (mut session, _) = begin(Visitor::new(Peer::LOCAL, &HeaderMap::new()), start, LIFETIME).unwrap();
        assert!(session.is_valid(after(999), LIFETIME));
        assert!(!session.is_valid(after(1000), LIFETIME));
        session.note(after(4500));
        session.note(after(900));
        assert_eq!(session.used, after(4500));
        assert!(session.is_valid(after(4999), LIFETIME));
        assert!(!session.is_valid(after(5000), LIFETIME));
        assert!(session.is_valid(start - SLACK, LIFETIME));
        assert!(
            !session.is_valid(start - SLACK - Duration::from_secs(1), LIFETIME),
            "the clock is wrong"
        );
    }

    #[test]
    fn cookies_of_either_name_are_read() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; session=one"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-session=two"));
        let plain = Peer::of([127, 0, 0, 1].into());
        assert_eq!(brought(&headers, plain), [random::hash("session", "one")]);
        assert_eq!(brought(&headers, plain.with_tls())[0], random::hash("session", "two"));
    }
}
