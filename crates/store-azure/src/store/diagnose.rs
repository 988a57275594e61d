//! Checks of a store from the network up to the rights, changing nothing that matters.

use std::time::Duration;

use block::store::{Finding, Store};
use time::OffsetDateTime;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use uuid::Uuid;

use super::AzureStore;
use crate::{
    Credential, Right,
    device::{describe_owner, detect},
    error::AzureError,
    service::{Blob, LeaseState, PageWrite},
};

/// How long name resolution and connecting may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A sequence number no blob of ours reaches: a write on condition of it never happens.
const IMPOSSIBLE: u64 = i64::MAX as u64;

pub(super) async fn diagnose(store: &AzureStore, image: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !reach(store, &mut findings).await {
        return findings;
    }
    if !container(store, &mut findings).await {
        return findings;
    }
    findings.push(right("list blobs", store.container.probe_list().await));
    if let Ok(probe) = store
        .container
        .blob(&format!("cloud-stick-probe-{}", Uuid::new_v4()), None)
    {
        // Deleting what does not exist needs the right and changes nothing.
        let deleted = match probe.delete(false, None).await {
            Err(AzureError::NotFound { .. }) => Ok(()),
            other => other,
        };
        findings.push(right("delete blobs", deleted));
    }
    if let Some(image) = image {
        match store.container.blob(image, None) {
            Ok(blob) => blob_findings(store, &blob, &mut findings).await,
            Err(error) => findings.push(Finding::bad("blob", error.to_string(), "correct the name of the disk")),
        }
    }
    findings.push(Finding::good(
        "limits",
        "a standard page blob serves up to 500 requests/s and 60 MiB/s; premium page blobs by their tier",
    ));
    findings
}

/// What does not need a container.
pub(super) async fn account(store: &AzureStore) -> Vec<Finding> {
    let mut findings = Vec::new();
    reach(store, &mut findings).await;
    findings
}

/// Whether the service answers; then what the signature says of itself is checked too.
async fn reach(store: &AzureStore, findings: &mut Vec<Finding>) -> bool {
    let answers = network(store, findings).await && clock(store, findings).await;
    if answers {
        signature(store, findings);
    }
    answers
}

async fn network(store: &AzureStore, findings: &mut Vec<Finding>) -> bool {
    let (host, port) = store.client().endpoint().address();
    let addresses = match timeout(PATIENCE, lookup_host((host.as_str(), port))).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    if addresses.is_empty() {
        findings.push(Finding::bad(
            "name",
            format!("the name {host} cannot be resolved"),
            "check the account's name, the network cable or Wi-Fi, and the name server",
        ));
        return false;
    }
    findings.push(Finding::good(
        "name",
        match addresses.len() {
            1 => format!("{host} has an address"),
            several => format!("{host} has {several} addresses"),
        },
    ));
    match timeout(PATIENCE, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(_)) => {
            findings.push(Finding::good("connection", format!("{host} answers on port {port}")));
            true
        }
        Ok(Err(error)) => {
            let remedy = "check the network, and firewalls on the way";
            findings.push(Finding::bad(
                "connection",
                format!("{host} port {port}: {error}"),
                remedy,
            ));
            false
        }
        Err(_) => {
            let remedy = "check the network, and firewalls on the way";
            findings.push(Finding::bad(
                "connection",
                format!("{host} port {port} does not answer"),
                remedy,
            ));
            false
        }
    }
}

/// An unsigned request: whatever the answer, TLS worked and it has a date.
async fn clock(store: &AzureStore, findings: &mut Vec<Finding>) -> bool {
    match store.client().skew().await {
        Err(error) => {
            findings.push(Finding::bad(
                "TLS and HTTP",
                error.to_string(),
                "check endpoint, ca_file and this device's clock",
            ));
            false
        }
        Ok(skew) => {
            findings.push(Finding::good("TLS and HTTP", "the service answers"));
            findings.push(match skew {
                None => Finding::warning(
                    "clock",
                    "the service did not tell its time",
                    "check this device's clock",
                ),
                Some(seconds) if seconds.abs() > 300 => Finding::bad(
                    "clock",
                    format!("this device's clock is {} minutes off", seconds.abs() / 60),
                    "set it, by NTP best; signed requests are refused when it is 15 minutes off",
                ),
                Some(seconds) => Finding::good("clock", format!("{seconds} s from the service's")),
            });
            true
        }
    }
}

fn signature(store: &AzureStore, findings: &mut Vec<Finding>) {
    let Credential::Sas(sas) = store.client().credential() else {
        return;
    };
    let now = OffsetDateTime::now_utc();
    let check = "shared access signature";
    let renew = "create a new one in the portal and enter it";
    findings.push(match (sas.trouble(now), sas.expires_soon(now), sas.expiry()) {
        (Some(trouble), _, _) => Finding::bad(check, trouble, renew),
        (_, Some(soon), _) => Finding::warning(check, soon, renew),
        (_, _, Some(expiry)) => Finding::good(check, format!("valid until {}", expiry.date())),
        (_, _, None) => Finding::good(check, "its end is set by a stored access policy of the container"),
    });
    let missing = sas.missing(&Right::ALL);
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|right| right.as_str()).collect();
        findings.push(Finding::warning(
            check,
            format!("it lacks {}", names.join(", ")),
            "create one with read, add, create, write, delete and list (racwdl)",
        ));
    }
}

async fn container(store: &AzureStore, findings: &mut Vec<Finding>) -> bool {
    let check = format!("credential ({})", store.client().credential().kind());
    match store.container.exists().await {
        Ok(true) => {
            findings.push(Finding::good(check, "accepted"));
            findings.push(Finding::good("container", format!("{} exists", store.container.name())));
            true
        }
        Ok(false) => {
            findings.push(Finding::good(check, "accepted"));
            findings.push(Finding::bad(
                "container",
                format!("{} does not exist", store.describe()),
                "create it, or correct its name",
            ));
            false
        }
        // Service SAS and blob roles may do everything with blobs and yet not look at the container.
        Err(AzureError::Denied { detail, .. }) if !matches!(store.client().credential(), Credential::SharedKey(_)) => {
            match store.container.probe_list().await {
                Ok(()) => {
                    findings.push(Finding::good(check, "accepted"));
                    true
                }
                Err(AzureError::NotFound { .. }) => {
                    findings.push(Finding::bad(
                        "container",
                        "it does not exist",
                        "create it, or correct its name",
                    ));
                    false
                }
                Err(_) => {
                    findings.push(Finding::warning(check, detail, "check its rights and scope"));
                    true
                }
            }
        }
        Err(error) => {
            findings.push(Finding::bad(
                check,
                error.to_string(),
                "enter a credential that is valid for this account",
            ));
            false
        }
    }
}

async fn blob_findings(store: &AzureStore, blob: &Blob, findings: &mut Vec<Finding>) {
    let properties = match blob.properties().await {
        Ok(properties) => properties,
        Err(error) => {
            findings.push(Finding::bad("blob", error.to_string(), "check its name, or create it"));
            return;
        }
    };
    if let Err(error) = properties.check_page_blob(blob.label()) {
        findings.push(Finding::bad("blob", error.to_string(), "choose a page blob"));
        return;
    }
    findings.push(
        match detect(blob, properties.length, &properties.metadata, store.config.format).await {
            Ok(format) => Finding::good(
                "blob",
                format!(
                    "{} disk of {} bytes",
                    format.as_str(),
                    format.disk_size(properties.length)
                ),
            ),
            Err(error) => Finding::bad("blob", error.to_string(), "convert the image, or set its format"),
        },
    );
    findings.push(match properties.lease {
        LeaseState::Free => Finding::good("owner", "nobody"),
        LeaseState::Leased | LeaseState::Breaking => Finding::warning(
            "owner",
            format!(
                "owned by {}",
                describe_owner(&properties.metadata).unwrap_or_else(|| "somebody unknown".to_owned())
            ),
            "close it there before opening it here, or take it over",
        ),
    });
    if let Some(tier) = &properties.tier {
        findings.push(Finding::good("tier", tier.clone()));
    }
    let read = blob.read_pages(0, 512, false, blob.client().deadline()).await;
    findings.push(right("read the blob", read.map(|_| ())));
    let impossible = PageWrite {
        offset: 0,
        length: 512,
        data: None,
    };
    let written = match blob.write_pages(&impossible, None, IMPOSSIBLE).await {
        // Refused for the condition or the lease, not for a right.
        Err(AzureError::SequenceNumber { .. } | AzureError::Leased { .. } | AzureError::LeaseLost { .. }) => Ok(()),
        other => other,
    };
    findings.push(right("write and lease the blob", written));
}

fn right(what: &str, result: crate::error::Result<()>) -> Finding {
    let check = format!("right to {what}");
    match result {
        Ok(()) => Finding::good(check, "granted"),
        Err(AzureError::Denied { detail, .. }) => Finding::bad(
            check,
            detail,
            "grant \"Storage Blob Data Contributor\", or use a signature with racwdl",
        ),
        Err(error) => Finding::warning(check, error.to_string(), "look at the message"),
    }
}
