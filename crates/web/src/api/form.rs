//! Forms: how a store says what it needs to know. The page draws any of them.
//!
//! Texts are keys of the page's catalogue with an English text to fall back on, so that a new store shows up without a
//! change to the page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Secret;

/// What a store needs to know, in one of several ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Form {
    /// The ways to say it; the first is the usual one. Exactly one is filled in.
    pub ways: Vec<Way>,
    /// Fields that belong to every way.
    pub common: Vec<Field>,
}

/// One way to fill in a form, such as "paste a connection string".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Way {
    /// Key of the way.
    pub key: String,
    /// What it is called, in English.
    pub label: String,
    /// Its fields, in their order.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Field {
    /// Key of the value.
    pub key: String,
    /// What it is called, in English.
    pub label: String,
    /// A sentence of help, in English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What may be put in.
    pub kind: FieldKind,
    /// Whether it must be filled in.
    pub required: bool,
    /// Whether only few people need it: the page folds those away.
    pub advanced: bool,
    /// What is there to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// An example of a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// What may be put into a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FieldKind {
    /// One line.
    Text {
        /// Longest text, in characters.
        max_length: u32,
    },
    /// Several lines, pasted or from a file that the browser reads.
    LongText {
        /// Longest text, in characters.
        max_length: u32,
        /// Extensions of files to offer, such as `.conf`.
        accept: Vec<String>,
    },
    /// One line that is never shown again.
    Secret {
        /// Longest text, in characters.
        max_length: u32,
    },
    /// Several secret lines, pasted or from a file.
    LongSecret {
        /// Longest text, in characters.
        max_length: u32,
        /// Extensions of files to offer, such as `.keyring`.
        accept: Vec<String>,
    },
    /// A whole number.
    Number {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// Unit, such as `bytes`.
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
    },
    /// One of a few.
    Choice {
        /// What there is to choose from.
        choices: Vec<Choice>,
    },
    /// Yes or no.
    Toggle,
}

/// One of a few.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Choice {
    /// The value.
    pub key: String,
    /// What it is called, in English.
    pub label: String,
}

/// What was filled in: values by the keys of their fields. A secret field that is left out keeps its stored secret.
pub type FormValues = BTreeMap<String, FormValue>;

/// A value of a field. Every text is treated as a secret until its field is known not to be one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FormValue {
    /// Yes or no.
    Toggle(bool),
    /// A whole number.
    Number(u64),
    /// Anything else.
    Text(Secret),
}
