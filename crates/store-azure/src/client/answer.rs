//! Error answers in words, and which of them may go better another time.
//!
//! Source: "Blob service error codes", "Common REST API error codes" of the REST reference.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode, header};
use time::OffsetDateTime;

use super::{
    retry::{Failure, parse_retry_after},
    xml,
};
use crate::{credential::Credential, error::AzureError};

/// Signatures are refused when the clocks are further apart ("x-ms-date ... 15 minutes"); we speak up earlier.
const SKEW_MINUTES: i64 = 5;

/// How far the service's clock is ahead of ours, in seconds, by the `Date` header of an answer.
#[must_use]
pub fn clock_skew(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let theirs = OffsetDateTime::from(httpdate::parse_http_date(date).ok()?);
    Some((theirs - OffsetDateTime::now_utc()).whole_seconds())
}

/// What an error answer means.
pub(super) fn failure(
    object: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    credential: &Credential,
) -> Failure {
    let code = headers
        .get("x-ms-error-code")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .or_else(|| xml::error_code(body))
        .filter(|code| code.len() < 100 && code.bytes().all(|b| b.is_ascii_alphanumeric()))
        .unwrap_or_default();
    match status.as_u16() {
        429 | 500.. => overload(object, status, &code, headers),
        401 | 403 => denied(object, status, &code, headers, credential),
        404 => Failure::refused(AzureError::NotFound {
            object: object.to_owned(),
            remedy: match code.as_str() {
                "ContainerNotFound" => "its container does not exist: check the container's name or create it",
                "BlobNotFound" => "check its name, or create it",
                "ResourceNotFound" => "check the names of container and blob",
                _ => "check the endpoint and the names of container and blob",
            }
            .to_owned(),
        }),
        400 if code == "Md5Mismatch" => Failure {
            retry: true,
            ..Failure::refused(AzureError::corrupt(
                object,
                "data arrived at the service with another MD5 than they were sent with",
            ))
        },
        400 if code == "AuthenticationFailed" || code == "InvalidAuthenticationInfo" => {
            denied(object, status, &code, headers, credential)
        }
        408 => Failure::lost(AzureError::unreachable(
            object,
            "the service waited too long for the request",
        )),
        _ => Failure::refused(conflict(object, status, code)),
    }
}

fn overload(object: &str, status: StatusCode, code: &str, headers: &HeaderMap) -> Failure {
    let busy = status == StatusCode::TOO_MANY_REQUESTS || code == "ServerBusy";
    let retry_after = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| parse_retry_after(value, SystemTime::now()));
    let detail = if busy {
        format!(
            "the service is too busy ({}), or the disk's limit of requests or bytes per second is reached",
            status.as_u16()
        )
    } else {
        format!("the service failed ({} {code})", status.as_u16())
    };
    Failure {
        retry: !matches!(
            status,
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED
        ),
        // A busy service refuses before it begins. Any other failure, or a proxy's, may come after the deed.
        unknown: !busy,
        throttled: busy || status == StatusCode::SERVICE_UNAVAILABLE,
        silent: !busy,
        retry_after,
        ..Failure::refused(AzureError::unreachable(object, detail))
    }
}

fn denied(object: &str, status: StatusCode, code: &str, headers: &HeaderMap, credential: &Credential) -> Failure {
    let skew = clock_skew(headers)
        .map(|seconds| seconds / 60)
        .filter(|minutes| minutes.abs() >= SKEW_MINUTES);
    let expired = match credential {
        Credential::Sas(sas) => sas.trouble(OffsetDateTime::now_utc()),
        _ => None,
    };
    let detail = match (code, credential) {
        ("AccountIsDisabled", _) => "the storage account is disabled; look at the subscription".to_owned(),
        ("KeyBasedAuthenticationNotPermitted", _) => {
            "the storage account forbids account keys; use Microsoft Entra, or allow \"storage account key access\"".to_owned()
        }
        ("AuthorizationProtocolMismatch", _) => "the shared access signature is for https only".to_owned(),
        ("AuthorizationSourceIPMismatch", _) => "the shared access signature is for other network addresses".to_owned(),
        ("AuthorizationResourceTypeMismatch" | "AuthorizationServiceMismatch", _) => {
            "the shared access signature is for other services or resource types; it needs Blob, Container and Object".to_owned()
        }
        ("AuthorizationPermissionMismatch" | "InsufficientAccountPermissions", Credential::Bearer(_)) => {
            "the identity lacks a role; assign \"Storage Blob Data Contributor\" on the container".to_owned()
        }
        ("AuthorizationPermissionMismatch" | "InsufficientAccountPermissions", _) => {
            "the shared access signature lacks a right; it needs read, add, create, write, delete and list (racwdl)".to_owned()
        }
        (_, _) if expired.is_some() => expired.clone().unwrap_or_default(),
        (_, _) if skew.is_some() => {
            let minutes = skew.unwrap_or_default();
            let side = if minutes > 0 { "behind" } else { "ahead of" };
            format!("this device's clock is {} minutes {side} the service's; set it (NTP)", minutes.abs())
        }
        (_, Credential::SharedKey(_)) => "the account key is wrong or was renewed; copy it again from \"Access keys\"".to_owned(),
        (_, Credential::Sas(_)) => {
            "the shared access signature is not accepted: it was copied badly, is for something else, or its key was renewed"
                .to_owned()
        }
        (_, Credential::Bearer(_)) => "the access token is not accepted".to_owned(),
    };
    // Azure says so for networks that are kept out, Azurite for signatures that do not match.
    let firewall = code == "AuthorizationFailure" && expired.is_none() && skew.is_none();
    let detail = if firewall {
        format!("{detail}; or the storage account's firewall keeps this network out (see \"Networking\")")
    } else {
        detail
    };
    let detail = if code.is_empty() {
        detail
    } else {
        format!("{detail} ({code})")
    };
    Failure {
        // A token that was just refused is forgotten by now; the next attempt brings a new one.
        retry: false,
        ..Failure::refused(AzureError::denied(object, detail))
    }
    .with_new_token(status, credential)
}

impl Failure {
    fn with_new_token(self, status: StatusCode, credential: &Credential) -> Self {
        let stale = status == StatusCode::UNAUTHORIZED && matches!(credential, Credential::Bearer(_));
        Self {
            retry: self.retry || stale,
            ..self
        }
    }
}

fn conflict(object: &str, status: StatusCode, code: String) -> AzureError {
    let object = object.to_owned();
    let detail = match code.as_str() {
        "BlobAlreadyExists" | "ContainerAlreadyExists" => return AzureError::AlreadyExists { object },
        "LeaseAlreadyPresent" | "LeaseIdMissing" | "LeaseIsBreakingAndCannotBeAcquired" => {
            return AzureError::Leased {
                object,
                detail: String::new(),
            };
        }
        // Ours may have run out without anybody else having had the blob: renewing it tells.
        "LeaseNotPresentWithBlobOperation" | "LeaseLost" => return AzureError::LeaseExpired { object },
        "LeaseIdMismatchWithLeaseOperation"
        | "LeaseIdMismatchWithBlobOperation"
        | "LeaseNotPresentWithLeaseOperation"
        | "LeaseIsBrokenAndCannotBeRenewed"
        | "LeaseIsBreakingAndCannotBeChanged" => return AzureError::LeaseLost { object, detail: code },
        "SequenceNumberConditionNotMet" => return AzureError::SequenceNumber { object },
        "ConditionNotMet" | "TargetConditionNotMet" => return AzureError::Changed { object },
        "InvalidBlobType" => "is not a page blob; only page blobs can be disks",
        "SnapshotsPresent" => "has snapshots; delete them first or together with it",
        "PendingCopyOperation" => "is being copied onto; wait for the copy to end",
        "InfiniteLeaseDurationRequired" => "can be copied onto only under a lease that never runs out",
        "NoPendingCopyOperation" => "is not being copied onto",
        "ContainerBeingDeleted" => "its container is just being deleted; try again in a minute",
        "BlobImmutableDueToPolicy" => "is protected by an immutability policy; remove it in the portal",
        "BlobArchived" => "is in the archive tier; rehydrate it in the portal",
        "InvalidPageRange" | "InvalidRange" => "the range lies outside of it: was it made smaller meanwhile?",
        "FeatureVersionMismatch" | "OperationNotAllowedOnHierarchicalNamespace" | "UnsupportedBlobType" => {
            "this kind of account has no page blobs; use a general-purpose v2 account (Standard) or Premium page blobs, \
             without a hierarchical namespace"
        }
        "InvalidQueryParameterValue" | "InvalidResourceName" | "InvalidUri" | "OutOfRangeInput" => {
            "the name or a value is not allowed"
        }
        "InvalidHeaderValue" => "the service refuses a value that was sent",
        "" => "the service refuses the request",
        _ => "the service refuses the request; look its error code up",
    };
    let detail = if code.is_empty() {
        format!("{detail} ({status})")
    } else {
        format!("{detail} ({code})")
    };
    AzureError::Conflict { object, code, detail }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Secret,
        credential::{Sas, SharedKey},
    };

    fn key() -> Credential {
        Credential::SharedKey(Arc::new(SharedKey::new("abc", &Secret::new("YQ==")).unwrap()))
    }

    fn answer(status: u16, code: &str, headers: &[(&'static str, String)], credential: &Credential) -> Failure {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(*name, value.parse().unwrap());
        }
        let body = format!("\u{feff}<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
        failure(
            "blob tv",
            StatusCode::from_u16(status).unwrap(),
            &all,
            body.as_bytes(),
            credential,
        )
    }

    #[test]
    fn a_wrong_clock_is_told_in_minutes() {
        let date = httpdate::fmt_http_date(SystemTime::now() + std::time::Duration::from_secs(61 * 60));
        let text = answer(403, "AuthenticationFailed", &[("date", date)], &key())
            .error
            .to_string();
        assert!(text.contains("clock is 6") && text.contains("behind"), "{text}");
        let date = httpdate::fmt_http_date(SystemTime::now());
        let text = answer(403, "AuthenticationFailed", &[("date", date)], &key())
            .error
            .to_string();
        assert!(text.contains("key is wrong"), "{text}");
    }

    #[test]
    fn an_expired_signature_is_told_with_its_date() {
        let sas = Sas::parse("sv=2020-02-10&sp=r&se=2020-01-01&sr=c&sig=planted").unwrap();
        let text = answer(403, "AuthenticationFailed", &[], &Credential::Sas(Arc::new(sas)))
            .error
            .to_string();
        assert!(
            text.contains("expired on 2020-01-01") && !text.contains("planted"),
            "{text}"
        );
    }

    #[test]
    fn leases_and_conditions_have_types() {
        let error = |status, code: &str| answer(status, code, &[], &key()).error;
        assert!(matches!(error(409, "LeaseAlreadyPresent"), AzureError::Leased { .. }));
        assert!(matches!(
            error(412, "LeaseIdMismatchWithBlobOperation"),
            AzureError::LeaseLost { .. }
        ));
        assert!(matches!(
            error(412, "SequenceNumberConditionNotMet"),
            AzureError::SequenceNumber { .. }
        ));
        assert!(matches!(error(404, "ContainerNotFound"), AzureError::NotFound { .. }));
        assert!(error(409, "InvalidBlobType").to_string().contains("page blob"));
    }

    #[test]
    fn only_a_busy_service_surely_did_nothing() {
        let busy = answer(503, "ServerBusy", &[("retry-after", "3".to_owned())], &key());
        assert!(busy.retry && busy.throttled && !busy.unknown);
        assert_eq!(busy.retry_after.unwrap().as_secs(), 3);
        let failed = answer(500, "OperationTimedOut", &[], &key());
        assert!(failed.retry && failed.unknown && !failed.throttled);
        let proxy = answer(503, "", &[], &key());
        assert!(proxy.retry && proxy.unknown);
        assert!(!answer(501, "", &[], &key()).retry);
    }
}
