//! Images in a Ceph pool.

use async_trait::async_trait;
use block::store::{Finding, Store as _, Verdict};
use store_rbd::{
    RbdStore,
    conf::{CephConf, ConfError},
};
use web::api::{Field, FieldKind, Form, Place, Problem, ProblemCode, StoreType, Way};

use super::{Filled, Kind, words};
use crate::{
    config::{
        StoreSecrets,
        model::{StoreConfig, StoreKind},
    },
    control::problem,
};

/// Images in a Ceph pool.
pub(super) struct Rbd;

/// The longest ceph.conf and keyring that there should be, in characters.
const LONG: u32 = 64 << 10;

fn ways() -> Vec<Way> {
    let way = |key: &str, label: &str, fields| Way {
        key: key.to_owned(),
        label: label.to_owned(),
        fields,
    };
    let conf = words::help(
        "As `ceph config generate-minimal-conf` prints it.",
        Field {
            kind: FieldKind::LongText {
                max_length: LONG,
                accept: vec![".conf".to_owned()],
            },
            ..words::text("conf", "ceph.conf", LONG)
        },
    );
    let keyring = words::help(
        "As `ceph auth get client.NAME` prints it.",
        Field {
            kind: FieldKind::LongSecret {
                max_length: LONG,
                accept: vec![".keyring".to_owned(), ".txt".to_owned()],
            },
            ..words::text("keyring", "Keyring", LONG)
        },
    );
    let monitors = words::help(
        "Addresses of the monitors, with commas between them.",
        words::example("10.0.0.1, mon-b.lan:3300", words::text("monitors", "Monitors", 1024)),
    );
    vec![
        way("conf", "ceph.conf and keyring", vec![conf, keyring]),
        way(
            "monitors",
            "Addresses, user and key",
            vec![
                monitors,
                words::example("stick", words::text("user", "User, without client.", 128)),
                words::help("As `ceph auth get-key` prints it.", words::secret("key", "Key", 256)),
            ],
        ),
    ]
}

#[async_trait]
impl Kind for Rbd {
    fn key(&self) -> &'static str {
        "rbd"
    }

    fn describe(&self) -> StoreType {
        let namespace = words::help(
            "Where the user has rights in a namespace only.",
            words::text("namespace", "Namespace", 128),
        );
        let data_pool = words::help(
            "For the data of new images, for instance an erasure-coded one.",
            words::text("data_pool", "Pool for data", 128),
        );
        let requests = words::default("64", words::number("concurrency", "Requests at once", 1, 256));
        StoreType {
            key: self.key().to_owned(),
            label: "Ceph".to_owned(),
            about: "A pool of RBD images in a Ceph cluster.".to_owned(),
            form: Form {
                ways: ways(),
                common: vec![
                    words::example("sticks", words::text("pool", "Pool", 128)),
                    words::advanced(namespace),
                    words::advanced(data_pool),
                    words::advanced(requests),
                ],
            },
            place_label: Some("Pool".to_owned()),
            place_field: Some("pool".to_owned()),
            formats: vec!["raw".to_owned()],
            snapshots: true,
            unavailable: store_rbd::unavailable().map(|detail| Problem::new(ProblemCode::Unsupported, detail)),
        }
    }

    fn is(&self, kind: &StoreKind) -> bool {
        matches!(kind, StoreKind::Rbd(_))
    }

    fn check(&self, filled: &mut Filled<'_>) -> Result<(), Problem> {
        if let Some(Err(error)) = filled.text("conf").map(CephConf::parse_shown) {
            let remedy = match error {
                ConfError::Secret(_) => {
                    "take that line out, and paste it into the field \"Keyring\" under a line [client.NAME]"
                }
                _ => "paste the whole file",
            };
            return Err(filled.wrong("conf", error.to_string()).remedy(remedy));
        }
        if let Some(Err(error)) = filled.secret("keyring").map(store_rbd::Keyring::parse) {
            return Err(filled
                .wrong("keyring", error.to_string())
                .remedy("paste what `ceph auth get client.NAME` prints"));
        }
        Ok(())
    }

    fn stand_in(&self) -> Option<&'static str> {
        Some("rbd")
    }

    async fn explore(&self, store: &StoreConfig, secrets: StoreSecrets) -> (Vec<Finding>, Vec<Place>) {
        let cluster = match open(store, secrets) {
            Ok(cluster) => cluster,
            Err(problem) => {
                let remedy = problem.remedy.unwrap_or_else(|| "correct the settings".to_owned());
                return (vec![Finding::bad("settings", problem.detail, remedy)], Vec::new());
            }
        };
        match cluster.pools().await {
            Ok(names) => (
                vec![Finding::good("cluster", format!("reached; {} pools", names.len()))],
                names.into_iter().map(|name| Place { name }).collect(),
            ),
            Err(error) => {
                let mut findings = cluster.diagnose(None).await;
                if !findings.iter().any(|finding| finding.verdict == Verdict::Bad) {
                    findings.push(Finding::bad("pools", error.to_string(), "check the user's rights"));
                }
                (findings, Vec::new())
            }
        }
    }

    async fn make_place(&self, store: &StoreConfig, _: StoreSecrets) -> Result<(), Problem> {
        let StoreKind::Rbd(rbd) = &store.kind else {
            return Err(problem::internal("this is no store in a Ceph cluster"));
        };
        let (pool, detail) = (&rbd.pool, "pools are made by the cluster's administrator");
        Err(Problem::new(ProblemCode::Unsupported, detail)
            .remedy(format!("there: ceph osd pool create {pool} && rbd pool init {pool}")))
    }

    fn describe_store(&self, kind: &StoreKind) -> String {
        match kind {
            StoreKind::Rbd(rbd) => match &rbd.namespace {
                Some(namespace) => format!("Ceph pool {}/{namespace}", rbd.pool),
                None => format!("Ceph pool {}", rbd.pool),
            },
            _ => String::new(),
        }
    }
}

fn open(store: &StoreConfig, secrets: StoreSecrets) -> Result<RbdStore, Problem> {
    let StoreKind::Rbd(rbd) = &store.kind else {
        return Err(problem::internal("this is no store in a Ceph cluster"));
    };
    RbdStore::new((**rbd).clone(), secrets.rbd().as_ref()).map_err(|error| problem::of_store(&error))
}
