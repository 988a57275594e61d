//! Reading and changing TOML without losing what somebody wrote around it.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};
use web::api::Problem;

use super::conflict;

/// Reads a text. Errors of the reader quote what they found, which may be a secret: only the place is told.
pub(super) fn document(text: &str, what: &str) -> Result<DocumentMut, Problem> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let line = error.span().map_or(String::new(), |span| {
            let before = text.get(..span.start).unwrap_or_default();
            format!(", line {}", before.matches('\n').count() + 1)
        });
        conflict(format!("{what} is not valid TOML{line}")).remedy("correct it in the file first")
    })?;
    normalise(&mut document);
    Ok(document)
}

/// Writes inline tables and arrays of them out, so that there is one form to change.
pub(super) fn normalise(document: &mut DocumentMut) {
    for key in ["store", "disk", "nbd"] {
        write_out(document.as_table_mut(), key);
    }
    write_out(document.as_table_mut(), "gadget");
    if let Some(gadget) = document.get_mut("gadget").and_then(Item::as_table_mut) {
        write_out(gadget, "lun");
    }
    write_out(document.as_table_mut(), "wifi");
    if let Some(wifi) = document.get_mut("wifi").and_then(Item::as_table_mut) {
        write_out(wifi, "network");
    }
}

pub(super) fn write_out(table: &mut Table, key: &str) {
    let Some(item) = table.get_mut(key) else { return };
    *item = match std::mem::take(item) {
        Item::Value(Value::InlineTable(inline)) => Item::Table(inline.into_table()),
        Item::Value(Value::Array(values)) => {
            match Item::Value(Value::Array(values)).into_array_of_tables() {
                Ok(tables) => Item::ArrayOfTables(tables),
                // Nothing that can be used: the check of the configuration says so.
                Err(item) => item,
            }
        }
        other => other,
    };
}

/// Tables of another document are printed where they were in that one.
pub(super) fn forget_positions(item: &mut Item) {
    match item {
        Item::Table(table) => {
            table.set_position(None);
            for (_, item) in table.iter_mut() {
                forget_positions(item);
            }
        }
        Item::ArrayOfTables(tables) => {
            for table in tables.iter_mut() {
                table.set_position(None);
                for (_, item) in table.iter_mut() {
                    forget_positions(item);
                }
            }
        }
        Item::None | Item::Value(_) => {}
    }
}

/// The tables `[[key]]`, made if there are none.
pub(super) fn array<'a>(table: &'a mut Table, key: &str) -> &'a mut ArrayOfTables {
    if !table.get(key).is_some_and(Item::is_array_of_tables) {
        table.insert(key, Item::ArrayOfTables(ArrayOfTables::new()));
    }
    match table.get_mut(key) {
        Some(Item::ArrayOfTables(tables)) => tables,
        // It was put there a line ago.
        _ => unreachable!("an array of tables"),
    }
}

/// The table `[key]`, made if there is none.
pub(super) fn table<'a>(table: &'a mut Table, key: &str) -> &'a mut Table {
    if !table.get(key).is_some_and(Item::is_table) {
        table.insert(key, Item::Table(Table::new()));
    }
    match table.get_mut(key) {
        Some(Item::Table(table)) => table,
        // It was put there a line ago.
        _ => unreachable!("a table"),
    }
}

/// The tables `[store.NAME]` of the secrets.
pub(super) fn secret_stores(secrets: &mut DocumentMut) -> &mut Table {
    write_out(secrets.as_table_mut(), "store");
    let stores = table(secrets.as_table_mut(), "store");
    stores.set_implicit(true);
    stores
}

pub(super) fn find(tables: &ArrayOfTables, name: &str) -> Option<usize> {
    tables
        .iter()
        .position(|table| table.get("name").and_then(Item::as_str) == Some(name))
}

pub(super) fn put(tables: &mut ArrayOfTables, index: Option<usize>, table: Table) {
    match index.and_then(|index| tables.get_mut(index)) {
        Some(place) => *place = table,
        None => tables.push(table),
    }
}

/// Sets a value; a comment behind the one before stays.
pub(super) fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    if let Some(before) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = before.decor().clone();
    }
    table.insert(key, Item::Value(value));
}
