//! What was filled into a form, checked field by field, as entries of the two files.

use toml_edit::Value;
use web::api::{Field, FieldKind, FormValue, Problem, ProblemCode, StoreSettings};
use zeroize::Zeroizing;

use super::{Entry, Kind, all_fields, is_secret};

/// What was filled in.
pub(crate) struct Filled<'a> {
    kind: &'static dyn Kind,
    /// Where in the request the values are, as the beginning of a JSON pointer.
    pointer: &'a str,
    fields: Vec<Field>,
    settings: Vec<(String, Option<Value>)>,
    secrets: Vec<(String, Option<Zeroizing<String>>)>,
}

impl<'a> Filled<'a> {
    /// Reads the values of a form. Secrets that are left out are those in `kept`.
    pub(crate) fn read(
        kind: &'static dyn Kind,
        settings: &StoreSettings,
        pointer: &'a str,
        kept: &[String],
        without_place: bool,
    ) -> Result<Self, Problem> {
        let described = kind.describe();
        let Some(way) = described.form.ways.iter().find(|way| way.key == settings.way) else {
            let known: Vec<_> = described.form.ways.iter().map(|way| way.key.as_str()).collect();
            let detail = format!("stores of type \"{}\" cannot be set up that way", described.key);
            return Err(Problem::new(ProblemCode::Invalid, detail).remedy(format!("use one of: {}", known.join(", "))));
        };
        let fields: Vec<Field> = way.fields.iter().chain(&described.form.common).cloned().collect();
        let mut filled = Self {
            kind,
            pointer,
            fields,
            settings: Vec::new(),
            secrets: Vec::new(),
        };
        if settings.values.keys().any(|key| filled.field(key).is_none()) {
            // The key itself may be a secret in the wrong place.
            let detail = format!("a value is for no field of stores of type \"{}\"", described.key);
            return Err(Problem::new(ProblemCode::Invalid, detail).remedy("ask for the form again"));
        }
        for field in filled.fields.clone() {
            let given = settings.values.get(&field.key).filter(|value| !is_blank(value));
            let is_place = described.place_field.as_ref() == Some(&field.key);
            let lacks = given.is_none() && field.required && !(is_place && without_place);
            if lacks && !(is_secret(&field) && kept.contains(&field.key)) {
                return Err(filled.wrong(&field.key, format!("\"{}\" is missing", field.label)));
            }
            filled.take(&field, given)?;
        }
        // What belongs to another way goes.
        for field in all_fields(&described.form) {
            if !is_secret(field) && filled.field(&field.key).is_none() {
                filled.settings.push((field.key.clone(), None));
            }
        }
        kind.check(&mut filled)?;
        Ok(filled)
    }

    fn take(&mut self, field: &Field, value: Option<&FormValue>) -> Result<(), Problem> {
        if is_secret(field) {
            let secret = match value {
                Some(FormValue::Text(text)) => Some(Zeroizing::new(text.expose().to_owned())),
                Some(_) => return Err(self.wrong(&field.key, format!("\"{}\" must be text", field.label))),
                None => None,
            };
            if secret.as_ref().is_some_and(|secret| is_too_long(secret, &field.kind)) {
                return Err(self.wrong(&field.key, format!("\"{}\" is too long", field.label)));
            }
            self.secrets.push((field.key.clone(), secret));
            return Ok(());
        }
        let value = match (value, &field.kind) {
            (None, _) => None,
            (Some(FormValue::Toggle(value)), FieldKind::Toggle) => Some((*value).into()),
            (Some(FormValue::Number(number)), FieldKind::Number { min, max, .. }) => {
                if !(min..=max).contains(&number) {
                    let detail = format!("\"{}\" must be {min} to {max}", field.label);
                    return Err(self.wrong(&field.key, detail));
                }
                i64::try_from(*number).ok().map(Value::from)
            }
            (Some(FormValue::Text(text)), FieldKind::Choice { choices }) => {
                if !choices.iter().any(|choice| choice.key == text.expose()) {
                    return Err(self.wrong(&field.key, format!("\"{}\" is not one of the choices", field.label)));
                }
                Some(text.expose().into())
            }
            (Some(FormValue::Text(text)), FieldKind::Text { .. } | FieldKind::LongText { .. }) => {
                if is_too_long(text.expose(), &field.kind) {
                    return Err(self.wrong(&field.key, format!("\"{}\" is too long", field.label)));
                }
                Some(text.expose().into())
            }
            (Some(_), _) => {
                return Err(self.wrong(&field.key, format!("\"{}\" cannot be that", field.label)));
            }
        };
        self.settings.push((field.key.clone(), value));
        Ok(())
    }

    fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// A problem with the value of a field.
    pub(crate) fn wrong(&self, key: &str, detail: impl Into<String>) -> Problem {
        Problem::new(ProblemCode::Invalid, detail).at(format!("{}/{key}", self.pointer))
    }

    /// The text of a field that is not secret, if it was filled in.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(known, _)| known == key);
        found.and_then(|(_, value)| value.as_ref()?.as_str())
    }

    /// The text of a secret field, if it was filled in.
    pub(super) fn secret(&self, key: &str) -> Option<&str> {
        let found = self.secrets.iter().find(|(known, _)| known == key);
        found.and_then(|(_, secret)| Some(secret.as_ref()?.as_str()))
    }

    /// Fills a field that is not secret.
    pub(super) fn fill(&mut self, key: &str, value: &str) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), Some(value.into())));
    }

    /// Whether a value was filled in.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.settings
            .iter()
            .any(|(known, value)| known == key && value.is_some())
    }

    /// Fills the place with what stands for one.
    pub(crate) fn stand_in(&mut self) {
        if let (Some(field), Some(place)) = (self.kind.describe().place_field, self.kind.stand_in()) {
            self.fill(&field, place);
        }
    }

    /// Fills the place.
    pub(crate) fn set_place(&mut self, place: &str) {
        if let Some(field) = self.kind.describe().place_field {
            self.fill(&field, place);
        }
    }

    /// Looks once more at what was changed since it was read.
    pub(crate) fn check_again(&mut self) -> Result<(), Problem> {
        self.kind.check(self)
    }

    /// As it is to be written.
    pub(crate) fn entry(self) -> Entry {
        Entry {
            kind: self.kind.key(),
            settings: self.settings,
            secrets: self.secrets,
        }
    }
}

fn is_blank(value: &FormValue) -> bool {
    matches!(value, FormValue::Text(text) if text.expose().trim().is_empty())
}

fn is_too_long(text: &str, kind: &FieldKind) -> bool {
    match kind {
        FieldKind::Text { max_length } | FieldKind::Secret { max_length } => {
            text.chars().count() > *max_length as usize || text.contains('\n')
        }
        FieldKind::LongText { max_length, .. } | FieldKind::LongSecret { max_length, .. } => {
            text.chars().count() > *max_length as usize
        }
        FieldKind::Number { .. } | FieldKind::Choice { .. } | FieldKind::Toggle => false,
    }
}
