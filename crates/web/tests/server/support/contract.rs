//! Holds every exchange of the tests to the OpenAPI document: no undocumented status, no body that its schema does not allow.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::Answer;

/// The document.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&web::openapi::json()).unwrap());
    &DOCUMENT
}

/// Panics if the document does not allow this answer.
pub(super) fn check(method: &str, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap_or(target);
    let Some((template, item)) = find(path) else {
        assert!(answer.status != 500, "{method} {path}: {answer:?}");
        return;
    };
    let Some(operation) = item.get(method.to_lowercase()) else {
        return;
    };
    let place = format!("{method} {template}: {}", answer.status);
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{place} is not documented: {answer:?}");
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        assert!(
            answer.body.is_empty(),
            "{place} is documented without a body: {answer:?}"
        );
        return;
    };
    let media_type = answer.header("content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default();
    let Some(form) = content.get(essence) else {
        panic!("{place}: the content type {media_type} is not documented");
    };
    if essence.ends_with("json") {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        if let Err(error) = validator(&form["schema"]).validate(&body) {
            panic!("{place}: {error} at {}: {body}", error.instance_path());
        }
    }
}

fn find(path: &str) -> Option<(&'static String, &'static Value)> {
    let paths = document()["paths"].as_object()?;
    let fits = |template: &str| {
        let (mut parts, mut names) = (path.split('/'), template.split('/'));
        loop {
            match (parts.next(), names.next()) {
                (None, None) => return true,
                (Some(part), Some(name)) if part == name || name.starts_with('{') && !part.is_empty() => {}
                _ => return false,
            }
        }
    };
    paths.iter().find(|(template, _)| fits(template))
}

/// Checks a value against a schema of the document.
pub(super) fn validator(schema: &Value) -> Arc<Validator> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let make = || {
        let mut whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": document()["components"],
        });
        let whole_map = whole.as_object_mut().unwrap();
        whole_map.extend(schema.as_object().unwrap().clone());
        Arc::new(jsonschema::validator_for(&whole).unwrap())
    };
    known.entry(schema.to_string()).or_insert_with(make).clone()
}

/// Panics if an event of a stream is not as documented.
pub(super) fn check_event(event: &Value) {
    let schema = json!({"$ref": "#/components/schemas/Event"});
    if let Err(error) = validator(&schema).validate(event) {
        panic!(
            "an event is not as documented: {error} at {}: {event}",
            error.instance_path()
        );
    };
}
