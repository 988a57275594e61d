//! The kinds of stores, as the page asks for them.
//!
//! A kind is a form whose fields are keys of the configuration or, where they are secret, of the file of secrets, and a few
//! questions that can be asked of it. A new kind is a file here and a line in [`KINDS`].

mod azure;
mod file;
mod rbd;
mod values;

use async_trait::async_trait;
use block::store::Finding;
use toml_edit::Value;
use web::api::{Field, Form, Place, Problem, StoreType};
use zeroize::Zeroizing;

pub(super) use values::Filled;

use crate::config::{
    StoreSecrets,
    model::{StoreConfig, StoreKind},
};

/// All of them, in the order in which the page shows them.
pub(super) const KINDS: [&dyn Kind; 3] = [&azure::Azure, &rbd::Rbd, &file::File];

/// A kind of store.
#[async_trait]
pub(super) trait Kind: Send + Sync {
    /// The `type` in the configuration.
    fn key(&self) -> &'static str;

    /// What it is called and what it needs to know.
    fn describe(&self) -> StoreType;

    /// Whether this is one of it.
    fn is(&self, kind: &StoreKind) -> bool;

    /// What is worth being said of what was filled in beyond its fields' types. May change it: what was pasted into one field
    /// may hold another.
    fn check(&self, filled: &mut Filled<'_>) -> Result<(), Problem>;

    /// What stands for the place while none is chosen, so that the rest can be tested.
    fn stand_in(&self) -> Option<&'static str> {
        None
    }

    /// Tests what can be tested without a place, and lists the places there are.
    async fn explore(&self, store: &StoreConfig, secrets: StoreSecrets) -> (Vec<Finding>, Vec<Place>);

    /// Makes the place that the settings name.
    async fn make_place(&self, store: &StoreConfig, secrets: StoreSecrets) -> Result<(), Problem>;

    /// Kind and place in one line.
    fn describe_store(&self, kind: &StoreKind) -> String;
}

/// The kind of a configured store.
pub(super) fn of(kind: &StoreKind) -> &'static dyn Kind {
    let found = KINDS.into_iter().find(|known| known.is(kind));
    // A test sees to it that each has one.
    found.unwrap_or(&file::File)
}

/// The kind of this key.
pub(super) fn by_key(key: &str) -> Option<&'static dyn Kind> {
    KINDS.into_iter().find(|kind| kind.key() == key)
}

/// A store as it is to be written into the two files.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its `type`.
    pub kind: &'static str,
    /// Keys of the configuration; nothing removes a key.
    pub settings: Vec<(String, Option<Value>)>,
    /// The keys of its secrets; nothing keeps what is there. All others go.
    pub secrets: Vec<(String, Option<Zeroizing<String>>)>,
}

/// Whether the value of a field is never shown again.
pub(super) fn is_secret(field: &Field) -> bool {
    use web::api::FieldKind;
    matches!(field.kind, FieldKind::Secret { .. } | FieldKind::LongSecret { .. })
}

/// All fields of a form, each once.
pub(super) fn all_fields(form: &Form) -> Vec<&Field> {
    let mut all: Vec<&Field> = Vec::new();
    for field in form.ways.iter().flat_map(|way| &way.fields).chain(&form.common) {
        if !all.iter().any(|known| known.key == field.key) {
            all.push(field);
        }
    }
    all
}

/// Short words for the forms.
mod words {
    use web::api::{Field, FieldKind};

    pub(super) fn text(key: &str, label: &str, max_length: u32) -> Field {
        Field {
            key: key.to_owned(),
            label: label.to_owned(),
            help: None,
            kind: FieldKind::Text { max_length },
            required: true,
            advanced: false,
            default: None,
            example: None,
        }
    }

    pub(super) fn secret(key: &str, label: &str, max_length: u32) -> Field {
        Field {
            kind: FieldKind::Secret { max_length },
            ..text(key, label, max_length)
        }
    }

    pub(super) fn toggle(key: &str, label: &str) -> Field {
        Field {
            kind: FieldKind::Toggle,
            ..optional(text(key, label, 0))
        }
    }

    pub(super) fn number(key: &str, label: &str, min: u64, max: u64) -> Field {
        Field {
            kind: FieldKind::Number { min, max, unit: None },
            ..optional(text(key, label, 0))
        }
    }

    pub(super) fn optional(field: Field) -> Field {
        Field {
            required: false,
            ..field
        }
    }

    pub(super) fn advanced(field: Field) -> Field {
        Field {
            advanced: true,
            ..optional(field)
        }
    }

    pub(super) fn help(help: &str, field: Field) -> Field {
        Field {
            help: Some(help.to_owned()),
            ..field
        }
    }

    pub(super) fn example(example: &str, field: Field) -> Field {
        Field {
            example: Some(example.to_owned()),
            ..field
        }
    }

    pub(super) fn default(default: &str, field: Field) -> Field {
        Field {
            default: Some(default.to_owned()),
            ..field
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_as_the_page_expects_them() {
        for kind in KINDS {
            let described = kind.describe();
            assert_eq!(described.key, kind.key());
            assert_eq!(described.place_label.is_some(), described.place_field.is_some());
            assert!(!described.form.ways.is_empty());
            for way in &described.form.ways {
                let mut keys: Vec<_> = way
                    .fields
                    .iter()
                    .chain(&described.form.common)
                    .map(|field| &field.key)
                    .collect();
                let all = keys.len();
                keys.sort();
                keys.dedup();
                assert_eq!(keys.len(), all, "{}: way {}: a key is there twice", kind.key(), way.key);
                if let Some(place) = &described.place_field {
                    assert!(keys.contains(&place), "{}: way {}: no place", kind.key(), way.key);
                }
            }
        }
    }

    /// A form that asks for a key which the files do not have would make configurations that cannot be read.
    #[test]
    fn every_field_is_a_key_of_the_files() {
        for kind in KINDS {
            for field in all_fields(&kind.describe().form) {
                let known = if is_secret(field) {
                    crate::config::Secrets::parse(&format!("[store.x]\n{} = \"y\"\n", field.key)).is_ok()
                } else {
                    let value = match field.kind {
                        web::api::FieldKind::Toggle => "true",
                        web::api::FieldKind::Number { .. } => "20",
                        _ => "\"https://example.org\"",
                    };
                    let text = format!(
                        "[[store]]\nname = \"x\"\ntype = \"{}\"\n{} = {value}\n",
                        kind.key(),
                        field.key
                    );
                    let problems = crate::config::parse(&text).err().unwrap_or_default();
                    !problems.iter().any(|problem| {
                        problem.message.contains("unknown") || problem.message.contains("cannot be used")
                    })
                };
                assert!(known, "{}: {}", kind.key(), field.key);
            }
        }
    }
}
