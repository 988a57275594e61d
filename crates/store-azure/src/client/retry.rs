//! Whether, and when, a failed request is sent again.

use std::time::{Duration, SystemTime};

use rand::Rng;
use tokio::time::{Instant, sleep_until};

use crate::error::{AzureError, Result};

/// First back-off; doubled for every further one.
const BASE: Duration = Duration::from_millis(100);
/// Longest back-off.
const CAP: Duration = Duration::from_secs(4);
/// A service that asks for more than this is not believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// One failed attempt, and what is known of its effect.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: AzureError,
    /// Another attempt may go better.
    pub(crate) retry: bool,
    /// The service may have carried it out, or may yet do so.
    pub(crate) unknown: bool,
    /// Nobody answered (as opposed to a refusal).
    pub(crate) silent: bool,
    /// We send too much.
    pub(crate) throttled: bool,
    /// The service named a time.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    /// A refusal that stays one.
    pub(crate) fn refused(error: AzureError) -> Self {
        Self {
            error,
            retry: false,
            unknown: false,
            silent: false,
            throttled: false,
            retry_after: None,
        }
    }

    /// It never reached the service; another attempt only helps against an unreachable one.
    pub(crate) fn unsent(error: AzureError) -> Self {
        let retry = matches!(error, AzureError::Unreachable { .. });
        Self {
            retry,
            ..Self::refused(error)
        }
    }

    /// No connection could be made.
    pub(crate) fn unsent_silent(error: AzureError) -> Self {
        Self {
            silent: true,
            ..Self::unsent(error)
        }
    }

    /// It was sent, and the answer did not come or is of no use: nobody knows what happened.
    pub(crate) fn lost(error: AzureError) -> Self {
        Self {
            retry: true,
            unknown: true,
            silent: true,
            ..Self::refused(error)
        }
    }
}

/// The retries of one request: exponential back-off with full jitter, within a deadline.
#[derive(Debug)]
pub(crate) struct Retry {
    deadline: Instant,
    failures: u32,
    corrupt: u32,
    /// Why the attempt before failed.
    before: Option<AzureError>,
}

impl Retry {
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            failures: 0,
            corrupt: 0,
            before: None,
        }
    }

    /// Waits until the next attempt is due.
    ///
    /// # Errors
    ///
    /// The failure's own error when there will be no next attempt; of an attempt that only the deadline ended, the one of the attempt
    /// before, which knows more.
    pub(crate) async fn after(&mut self, mut failure: Failure) -> Result<()> {
        if !failure.retry {
            return Err(failure.error);
        }
        if matches!(failure.error, AzureError::Corrupt { .. }) {
            self.corrupt += 1;
            if self.corrupt > 1 {
                return Err(failure.error);
            }
        }
        let ceiling = CAP.min(BASE * 2u32.saturating_pow(self.failures.min(10)));
        let jitter = ceiling.mul_f64(rand::rng().random_range(0.0..1.0));
        // Everybody who was told the same time would come back at the same time.
        let pause = failure.retry_after.map_or(jitter, |after| after + jitter.min(BASE));
        let now = Instant::now();
        let next = now + pause;
        if next >= self.deadline {
            if failure.silent && now >= self.deadline {
                failure.error = self.before.take().unwrap_or(failure.error);
            }
            return Err(with_retry_after(failure));
        }
        self.failures += 1;
        self.before = Some(failure.error);
        sleep_until(next).await;
        Ok(())
    }
}

fn with_retry_after(failure: Failure) -> AzureError {
    match failure.error {
        AzureError::Unreachable {
            object,
            detail,
            retry_after,
        } => AzureError::Unreachable {
            object,
            detail,
            retry_after: failure.retry_after.or(retry_after),
        },
        other => other,
    }
}

/// A `Retry-After` header: seconds, or a date (RFC 9110, 10.2.3). Nonsense is `None`.
#[must_use]
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Failure {
        Failure::lost(AzureError::unreachable("blob", "gone"))
    }

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(parse_retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        let date = "Sun, 06 Nov 1994 08:49:47 GMT";
        assert_eq!(parse_retry_after(date, now), Some(Duration::from_secs(10)));
        assert_eq!(
            parse_retry_after(date, now + Duration::from_secs(60)),
            Some(Duration::ZERO)
        );
        assert_eq!(parse_retry_after("soon", now), None);
        assert_eq!(parse_retry_after("99999999", now), Some(LONGEST_RETRY_AFTER));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_at_the_deadline() {
        let start = Instant::now();
        let mut retry = Retry::new(start + Duration::from_secs(15));
        let mut attempts = 0;
        while retry.after(lost()).await.is_ok() {
            attempts += 1;
            assert!(attempts < 1000);
        }
        assert!(attempts >= 5 && start.elapsed() < Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_the_deadline_ended_does_not_hide_the_reason() {
        let said = |error: Result<()>| error.unwrap_err().to_string();
        let certificate = || Failure::unsent_silent(AzureError::unreachable("blob", "a strange certificate"));
        let mut retry = Retry::new(Instant::now() + Duration::from_secs(15));
        retry.after(certificate()).await.unwrap();
        sleep_until(retry.deadline).await;
        assert!(said(retry.after(lost()).await).contains("strange"));
        // One that ended by itself knows best, and so does the only one.
        let mut retry = Retry::new(Instant::now() + Duration::from_millis(100));
        retry.before = Some(AzureError::unreachable("blob", "busy"));
        let wait = Failure {
            retry_after: Some(Duration::from_secs(1)),
            ..certificate()
        };
        assert!(said(retry.after(wait).await).contains("strange"));
        let mut retry = Retry::new(Instant::now());
        assert!(said(retry.after(lost()).await).contains("gone"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_was_named_is_kept_or_passed_on() {
        let start = Instant::now();
        let mut retry = Retry::new(start + Duration::from_secs(15));
        let throttled = |seconds| Failure {
            retry_after: Some(Duration::from_secs(seconds)),
            throttled: true,
            ..lost()
        };
        retry.after(throttled(5)).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(5));
        let error = retry.after(throttled(60)).await.unwrap_err();
        assert!(matches!(error, AzureError::Unreachable { retry_after: Some(after), .. } if after.as_secs() == 60));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_final_and_corruption_is_retried_once() {
        let mut retry = Retry::new(Instant::now() + Duration::from_secs(15));
        assert!(
            retry
                .after(Failure::refused(AzureError::denied("blob", "no")))
                .await
                .is_err()
        );
        let corrupt = || Failure {
            error: AzureError::corrupt("blob", "md5"),
            ..lost()
        };
        assert!(retry.after(corrupt()).await.is_ok());
        assert!(retry.after(corrupt()).await.is_err());
    }
}
