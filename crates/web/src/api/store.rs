//! Stores: where the blocks live.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[cfg(doc)]
use super::Way;
use super::{Finding, Form, FormValue, FormValues, Problem};

/// A kind of store that this device can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoreType {
    /// Key of the kind, such as `azure`.
    pub key: String,
    /// What it is called, in English.
    pub label: String,
    /// A sentence about it, in English.
    pub about: String,
    /// What it needs to know.
    pub form: Form,
    /// What its places are called (container, pool, folder), in English; nothing if it has none to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place_label: Option<String>,
    /// Key of the field that holds the place; there is one if there is `place_label`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place_field: Option<String>,
    /// Container formats its images can have; the first is the default.
    pub formats: Vec<String>,
    /// Whether images have snapshots.
    pub snapshots: bool,
    /// Why it cannot be used on this device, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Problem>,
}

/// A configured store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Store {
    /// What disks call it.
    pub name: String,
    /// Key of its [`StoreType`].
    pub r#type: String,
    /// Kind and place in one line, without secrets.
    pub description: String,
    /// Values of its fields that are not secret.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Keys of the secret fields that are set.
    pub secrets: Vec<String>,
    /// Disks that live in it.
    pub disks: Vec<String>,
}

/// Settings of a store, to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Key of its [`StoreType`].
    pub r#type: String,
    /// Key of the [`Way`] it was filled in.
    pub way: String,
    /// The values.
    #[schema(value_type = BTreeMap<String, FormValue>)]
    pub values: FormValues,
}

/// Settings of a store, to be tested before they are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeRequest {
    /// The settings.
    pub settings: StoreSettings,
    /// The configured store these would replace: its secrets stand in for those left out.
    pub store: Option<String>,
    /// An image whose rights to test as well.
    pub image: Option<String>,
}

/// What a test of settings found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Probe {
    /// Whether images can be opened and written with these settings.
    pub usable: bool,
    /// What was checked.
    pub findings: Vec<Finding>,
    /// Containers, pools or folders to choose from, where they may be listed.
    pub places: Vec<Place>,
}

/// A container, pool or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// Its name.
    pub name: String,
}

/// A place to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlace {
    /// With which to reach the store.
    pub settings: StoreSettings,
    /// Its name.
    pub name: String,
}
