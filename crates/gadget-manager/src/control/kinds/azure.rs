//! Page blobs in Azure.

use async_trait::async_trait;
use block::store::Finding;
use store_azure::AzureStore;
use url::Url;
use web::api::{Form, Place, Problem, StoreType, Way};

use super::{Filled, Kind, words};
use crate::{
    config::{
        StoreSecrets,
        model::{StoreConfig, StoreKind},
    },
    control::problem,
    stack,
};

/// Page blobs in Azure.
pub(super) struct Azure;

/// The longest connection string or signature that there should be, in characters.
const LONG: u32 = 2048;

fn account() -> web::api::Field {
    words::example("mystorage", words::text("account", "Account", 24))
}

fn ways() -> Vec<Way> {
    let way = |key: &str, label: &str, fields| Way {
        key: key.to_owned(),
        label: label.to_owned(),
        fields,
    };
    let string = words::help(
        "In the portal: storage account, access keys.",
        words::example(
            "DefaultEndpointsProtocol=https;AccountName=…",
            words::secret("connection_string", "Connection string", LONG),
        ),
    );
    let key = words::help(
        "One of the account's two keys.",
        words::secret("account_key", "Key", 128),
    );
    let sas = words::help(
        "A shared access signature with read, add, create, write, delete and list.",
        words::secret("sas", "SAS token or URL", LONG),
    );
    let of_url = words::help("Not needed with a whole URL.", words::optional(account()));
    vec![
        way("connection_string", "Connection string", vec![string]),
        way("account_key", "Account and key", vec![account(), key]),
        way("sas", "Shared access signature (SAS)", vec![sas, of_url]),
        way(
            "client_secret",
            "Microsoft Entra application",
            vec![
                account(),
                words::text("tenant", "Directory (tenant) ID", 64),
                words::text("client_id", "Application (client) ID", 64),
                words::secret("client_secret", "Client secret", 256),
            ],
        ),
    ]
}

#[async_trait]
impl Kind for Azure {
    fn key(&self) -> &'static str {
        "azure"
    }

    fn describe(&self) -> StoreType {
        let container = words::example("sticks", words::text("container", "Container", 63));
        let endpoint = words::help("Only for private endpoints.", words::text("endpoint", "Endpoint", 255));
        let http = words::help(
            "Everything, also the key, can be read on the way.",
            words::toggle("allow_http", "Allow connections without TLS"),
        );
        let connections = words::default("16", words::number("concurrency", "Requests at once", 1, 256));
        StoreType {
            key: self.key().to_owned(),
            label: "Azure page blobs".to_owned(),
            about: "A storage account at Microsoft Azure.".to_owned(),
            form: Form {
                ways: ways(),
                common: vec![
                    container,
                    words::advanced(endpoint),
                    words::advanced(http),
                    words::advanced(connections),
                ],
            },
            place_label: Some("Container".to_owned()),
            place_field: Some("container".to_owned()),
            formats: vec!["raw".to_owned(), "vhd".to_owned()],
            snapshots: true,
            unavailable: None,
        }
    }

    fn is(&self, kind: &StoreKind) -> bool {
        matches!(kind, StoreKind::Azure(_))
    }

    fn check(&self, filled: &mut Filled<'_>) -> Result<(), Problem> {
        if let Some((endpoint, container)) = filled.secret("sas").and_then(url_of_signature) {
            if !filled.has("account") && !filled.has("endpoint") {
                filled.fill("endpoint", &endpoint);
            }
            if let Some(container) = container.filter(|_| !filled.has("container")) {
                filled.fill("container", &container);
            }
        }
        if let Some(endpoint) = filled.text("endpoint") {
            let plain = Url::parse(endpoint).ok().is_some_and(|url| {
                matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.password().is_none()
            });
            if !plain {
                return Err(filled
                    .wrong("endpoint", "this is not the address of a blob service")
                    .remedy("write it like https://mystorage.blob.core.windows.net"));
            }
        }
        match filled.text("container").map(store_azure::check_container) {
            Some(Err(error)) => Err(filled.wrong("container", error.to_string())),
            _ => Ok(()),
        }
    }

    fn stand_in(&self) -> Option<&'static str> {
        Some("cloud-stick")
    }

    async fn explore(&self, store: &StoreConfig, secrets: StoreSecrets) -> (Vec<Finding>, Vec<Place>) {
        let account = match open(store, secrets) {
            Ok(account) => account,
            Err(problem) => {
                let remedy = problem.remedy.unwrap_or_else(|| "correct the settings".to_owned());
                return (vec![Finding::bad("settings", problem.detail, remedy)], Vec::new());
            }
        };
        let mut findings = account.diagnose_account().await;
        if findings
            .iter()
            .any(|finding| finding.verdict == block::store::Verdict::Bad)
        {
            return (findings, Vec::new());
        }
        let (credential, places) = match account.client().containers().await {
            Ok(names) => (
                Finding::good("credential", format!("accepted; {} containers", names.len())),
                names.into_iter().map(|name| Place { name }).collect(),
            ),
            // A signature for one container may do everything in it, and list none. A wrong key may nothing at all.
            Err(error @ store_azure::AzureError::Denied { .. }) if account.is_limited() => (
                Finding::warning(
                    "containers",
                    error.to_string(),
                    "type the name of the container that this is for",
                ),
                Vec::new(),
            ),
            Err(error) => (
                Finding::bad(
                    "credential",
                    error.to_string(),
                    "check the key or signature, and the account's name",
                ),
                Vec::new(),
            ),
        };
        findings.push(credential);
        (findings, places)
    }

    async fn make_place(&self, store: &StoreConfig, secrets: StoreSecrets) -> Result<(), Problem> {
        let store = open(store, secrets)?;
        let made = store.container().create().await;
        made.map(drop)
            .map_err(|error| problem::of_store(&error.into_store(store.container().name())))
    }

    fn describe_store(&self, kind: &StoreKind) -> String {
        let StoreKind::Azure(azure) = kind else {
            return String::new();
        };
        let place = match (&azure.account, &azure.endpoint) {
            (Some(account), _) => format!(" of account {account}"),
            (None, Some(endpoint)) => format!(" at {}", endpoint.host_str().unwrap_or_default()),
            (None, None) => String::new(),
        };
        format!("Azure container {}{place}", azure.container)
    }
}

fn open(store: &StoreConfig, secrets: StoreSecrets) -> Result<AzureStore, Problem> {
    let StoreKind::Azure(azure) = &store.kind else {
        return Err(problem::internal("this is no store in Azure"));
    };
    let secret = stack::azure_secret(&store.name, secrets).map_err(|error| problem::of_store(&error))?;
    AzureStore::new((**azure).clone(), &secret).map_err(|error| problem::of_store(&error))
}

/// The endpoint and the container of a signature that was pasted as a whole URL.
fn url_of_signature(text: &str) -> Option<(String, Option<String>)> {
    let url = Url::parse(text.trim()).ok()?;
    if !matches!(url.scheme(), "https" | "http") {
        return None;
    }
    let host = url.host_str()?;
    let mut parts = url.path_segments()?.filter(|part| !part.is_empty());
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut endpoint = format!("{}://{host}{port}", url.scheme());
    // By an address, the account is the first part of the path ("Blob service REST API", emulator's form).
    if host.parse::<std::net::IpAddr>().is_ok() {
        endpoint = format!("{endpoint}/{}", parts.next()?);
    }
    Some((endpoint, parts.next().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_url_says_where() {
        let url = |text| url_of_signature(text);
        assert_eq!(
            url("https://tv.blob.core.windows.net/sticks?sv=2022&sig=x"),
            Some(("https://tv.blob.core.windows.net".to_owned(), Some("sticks".to_owned())))
        );
        assert_eq!(
            url("https://tv.blob.core.windows.net/?sv=2022"),
            Some(("https://tv.blob.core.windows.net".to_owned(), None))
        );
        assert_eq!(
            url("http://127.0.0.1:10000/devstoreaccount1/sticks?sv=2022"),
            Some((
                "http://127.0.0.1:10000/devstoreaccount1".to_owned(),
                Some("sticks".to_owned())
            ))
        );
        assert_eq!(url("sv=2022&sig=x"), None);
    }
}
