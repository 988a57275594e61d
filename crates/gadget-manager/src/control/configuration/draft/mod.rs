//! A configuration that is being changed: its text with all its comments, and the operations that the page needs.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};
use web::api::{DiskChange, IdentityChange, Limits, LunSettings, NewDisk, Problem, ProblemCode};
use zeroize::Zeroizing;

use super::files::Texts;
use crate::control::{kinds::Entry, problem::not_found};

/// `FSG_MAX_LUNS` is 16; hosts and the project's promise end at 8.
const MAX_LUNS: usize = 8;
/// What belongs to this installation and not to what it serves: nobody changes it from afar, and a back-up of another
/// device does not bring it along.
const LOCAL_KEYS: [&str; 4] = ["state_dir", "run_dir", "secrets", "web"];

/// A configuration that is being changed.
pub(crate) struct Draft {
    config: DocumentMut,
    secrets: DocumentMut,
}

#[allow(dead_code, reason = "for the setup stick")]
fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::Invalid, detail)
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::Conflict, detail)
}

impl Draft {
    /// Reads what there is.
    pub(super) fn parse(texts: &Texts) -> Result<Self, Problem> {
        Ok(Self {
            config: document(&texts.config, "the configuration")?,
            secrets: document(&texts.secrets, "the file of secrets")?,
        })
    }

    /// The secrets alone, without the settings: for a store that is to be tested.
    pub(crate) fn only_secrets(texts: &Texts) -> Result<Self, Problem> {
        Ok(Self {
            config: DocumentMut::new(),
            secrets: document(&texts.secrets, "the file of secrets")?,
        })
    }

    /// What it has become.
    pub(in crate::control) fn texts(&self) -> Texts {
        let secrets = Zeroizing::new(self.secrets.to_string());
        let is_empty = self.secrets.as_table().is_empty() || secrets.trim().is_empty();
        Texts {
            config: self.config.to_string(),
            secrets: if is_empty { Zeroizing::default() } else { secrets },
        }
    }

    /// Takes another text instead. What belongs to this installation stays.
    pub(crate) fn replace_config(&mut self, text: &str) -> Result<(), Problem> {
        let mut new = document(text, "the configuration")?;
        for key in LOCAL_KEYS {
            new.remove(key);
        }
        // Plain keys have to come before the first table: behind those that are there, or at the very beginning.
        let mut head = Table::new();
        for key in LOCAL_KEYS {
            if let Some(item) = self.config.remove(key) {
                head.insert(key, item);
            }
        }
        for (key, item) in std::mem::take(new.as_table_mut()) {
            head.insert(&key, item);
        }
        let mut text = DocumentMut::new();
        for (key, mut item) in head {
            forget_positions(&mut item);
            text.insert(&key, item);
        }
        self.config = text;
        normalise(&mut self.config);
        self.forget_orphans();
        Ok(())
    }

    /// Refuses a foreign text that would change what belongs to this installation.
    #[allow(dead_code, reason = "for the setup stick")]
    pub(crate) fn check_foreign(text: &str) -> Result<(), Problem> {
        let document = document(text, "the configuration")?;
        match LOCAL_KEYS.iter().find(|key| document.contains_key(key)) {
            Some(key) => Err(invalid(format!("`{key}` cannot be set this way")).remedy("remove it from the file")),
            None => Ok(()),
        }
    }

    /// Adds secrets to those there are; of a store that has some already, these count.
    pub(crate) fn merge_secrets(&mut self, text: &str) -> Result<(), Problem> {
        let new = document(text, "the file of secrets")?;
        let Some(stores) = new.get("store").and_then(Item::as_table) else {
            return Ok(());
        };
        for (name, table) in stores.iter() {
            secret_stores(&mut self.secrets).insert(name, table.clone());
        }
        self.forget_orphans();
        Ok(())
    }

    /// Removes the secrets of stores that are not there any more.
    fn forget_orphans(&mut self) {
        let names: Vec<String> = self.names("store");
        secret_stores(&mut self.secrets).retain(|name, _| names.iter().any(|known| known == name));
    }

    /// Leaves nothing but what belongs to this installation.
    pub(super) fn clear(&mut self) {
        self.config.retain(|key, _| LOCAL_KEYS.contains(&key));
        self.secrets = DocumentMut::new();
    }

    /// Gives the device a name.
    pub(crate) fn set_name(&mut self, name: &str) {
        set(self.config.as_table_mut(), "name", name);
    }

    /// Whether there is a store of that name.
    pub(crate) fn has_store(&self, name: &str) -> bool {
        self.names("store").iter().any(|known| known == name)
    }

    /// Puts the settings of a store in, new or not. Keys that no form knows stay as somebody wrote them.
    pub(crate) fn put_store(&mut self, name: &str, entry: Entry) {
        let stores = array(&mut self.config, "store");
        let index = find(stores, name);
        let same_kind = |table: &Table| table.get("type").and_then(Item::as_str) == Some(entry.kind);
        let mut table = match index.and_then(|index| stores.get(index)) {
            Some(table) if same_kind(table) => table.clone(),
            _ => Table::new(),
        };
        set(&mut table, "name", name);
        set(&mut table, "type", entry.kind);
        for (key, value) in entry.settings {
            match value {
                Some(value) => set(&mut table, &key, value),
                None => {
                    table.remove(&key);
                }
            }
        }
        put(stores, index, table);
        let secrets = secret_stores(&mut self.secrets);
        let before = secrets.remove(name);
        let mut table = Table::new();
        for (key, secret) in entry.secrets {
            match (secret, before.as_ref().and_then(|before| before.get(&key))) {
                (Some(secret), _) => set(&mut table, &key, secret.as_str()),
                (None, Some(kept)) => {
                    table.insert(&key, kept.clone());
                }
                (None, None) => {}
            }
        }
        if !table.is_empty() {
            secrets.insert(name, Item::Table(table));
        }
    }

    /// The keys of a store's secrets, in the file.
    pub(crate) fn secrets_of(&self, name: &str) -> Vec<String> {
        let table = self.secrets.get("store").and_then(|stores| stores.get(name));
        let table = table.and_then(Item::as_table_like);
        table.map_or(Vec::new(), |table| {
            table.iter().map(|(key, _)| key.to_owned()).collect()
        })
    }

    /// Forgets a store that no disk lives in, with its secrets.
    pub(crate) fn remove_store(&mut self, name: &str) -> Result<(), Problem> {
        let lives = |disk: &&Table| disk.get("store").and_then(Item::as_str) == Some(name);
        if let Some(disk) = array(&mut self.config, "disk").iter().find(lives) {
            let disk = disk.get("name").and_then(Item::as_str).unwrap_or_default();
            return Err(conflict(format!("disk \"{disk}\" lives in store \"{name}\""))
                .remedy("remove the disk first; its image stays")
                .about(name));
        }
        let stores = array(&mut self.config, "store");
        let index = find(stores, name).ok_or_else(|| not_found("store", name))?;
        stores.remove(index);
        secret_stores(&mut self.secrets).remove(name);
        Ok(())
    }

    /// Serves another image.
    pub(crate) fn add_disk(&mut self, disk: &NewDisk) -> Result<(), Problem> {
        if !self.has_store(&disk.store) {
            return Err(not_found("store", &disk.store).at("/store"));
        }
        let disks = array(&mut self.config, "disk");
        if find(disks, &disk.name).is_some() {
            return Err(Problem::new(
                ProblemCode::AlreadyExists,
                format!("there is a disk \"{}\" already", disk.name),
            )
            .remedy("choose another name")
            .about(&disk.name)
            .at("/name"));
        }
        let mut table = Table::new();
        set(&mut table, "name", disk.name.as_str());
        set(&mut table, "store", disk.store.as_str());
        set(&mut table, "image", disk.image.as_str());
        if disk.read_only {
            set(&mut table, "read_only", true);
        }
        disks.push(table);
        if disk.insert {
            self.insert_disk(&disk.name)
        } else {
            Ok(())
        }
    }

    /// Puts a disk into the first empty LUN, or into a new one.
    fn insert_disk(&mut self, disk: &str) -> Result<(), Problem> {
        let luns = self.luns();
        let empty = luns.iter_mut().find(|lun| !lun.contains_key("disk"));
        if let Some(lun) = empty {
            set(lun, "disk", disk);
            return Ok(());
        }
        if luns.len() >= MAX_LUNS {
            return Err(
                conflict(format!("the stick has {MAX_LUNS} units already, and none is empty"))
                    .remedy("take a disk out first"),
            );
        }
        let mut lun = Table::new();
        set(&mut lun, "disk", disk);
        luns.push(lun);
        Ok(())
    }

    /// Changes how a disk is served.
    pub(crate) fn change_disk(&mut self, name: &str, change: &DiskChange) -> Result<(), Problem> {
        let disks = array(&mut self.config, "disk");
        let index = find(disks, name);
        let disk = index
            .and_then(|index| disks.get_mut(index))
            .ok_or_else(|| not_found("disk", name))?;
        match change.read_only {
            Some(true) => set(disk, "read_only", true),
            Some(false) => {
                disk.remove("read_only");
            }
            None => {}
        }
        if let Some(image) = &change.image {
            if disk.contains_key("path") {
                return Err(conflict(format!("disk \"{name}\" is a file or device of this machine"))
                    .remedy("add another disk instead")
                    .at("/image"));
            }
            set(disk, "image", image.as_str());
        }
        if let Some(limits) = &change.limits {
            set_limits(disk, limits);
        }
        Ok(())
    }

    /// Serves a disk no longer: takes it out of LUNs and servers.
    pub(crate) fn remove_disk(&mut self, name: &str) -> Result<(), Problem> {
        let disks = array(&mut self.config, "disk");
        let index = find(disks, name).ok_or_else(|| not_found("disk", name))?;
        disks.remove(index);
        if self.config.contains_key("gadget") {
            for lun in self.luns().iter_mut() {
                if lun.get("disk").and_then(Item::as_str) == Some(name) {
                    lun.remove("disk");
                    // Only what can be taken out can be empty.
                    lun.remove("removable");
                }
            }
        }
        let servers = array(&mut self.config, "nbd");
        for server in servers.iter_mut() {
            if let Some(disks) = server.get_mut("disks").and_then(Item::as_array_mut) {
                disks.retain(|disk| disk.as_str() != Some(name));
            }
        }
        let without = |server: &Table| {
            let disks = server.get("disks").and_then(Item::as_array);
            disks.is_some_and(toml_edit::Array::is_empty)
        };
        servers.retain(|server| !without(server));
        Ok(())
    }

    /// Changes how the stick introduces itself.
    pub(crate) fn set_identity(&mut self, change: &IdentityChange) {
        let gadget = self.gadget();
        let numbers = [
            ("vendor_id", change.vendor_id),
            ("product_id", change.product_id),
            ("max_power_ma", change.max_power_ma),
        ];
        for (key, number) in numbers {
            if let Some(number) = number {
                set(gadget, key, i64::from(number));
            }
        }
        for (key, text) in [("manufacturer", &change.manufacturer), ("product", &change.product)] {
            if let Some(text) = text {
                set(gadget, key, text.as_str());
            }
        }
        match change.serial.as_deref() {
            Some("") => {
                gadget.remove("serial");
            }
            Some(serial) => set(gadget, "serial", serial),
            None => {}
        }
    }

    /// Says what is in which LUN. What else is known of the LUN of a disk goes with it.
    pub(crate) fn set_luns(&mut self, luns: &[LunSettings]) {
        let old = std::mem::take(self.luns());
        let known = |disk: &str| {
            let mut found = old
                .iter()
                .filter(|lun| lun.get("disk").and_then(Item::as_str) == Some(disk));
            found.next().cloned()
        };
        for settings in luns {
            let mut lun = settings.disk.as_deref().and_then(known).unwrap_or_default();
            match &settings.disk {
                Some(disk) => set(&mut lun, "disk", disk.as_str()),
                None => {
                    lun.remove("disk");
                }
            }
            for (key, value, usual) in [
                ("read_only", settings.read_only, false),
                ("cdrom", settings.cdrom, false),
                ("removable", settings.removable, true),
            ] {
                if value == usual {
                    lun.remove(key);
                } else {
                    set(&mut lun, key, value);
                }
            }
            lun.set_position(None);
            self.luns().push(lun);
        }
    }

    fn gadget(&mut self) -> &mut Table {
        table(self.config.as_table_mut(), "gadget")
    }

    fn luns(&mut self) -> &mut ArrayOfTables {
        array(self.gadget(), "lun")
    }

    fn names(&self, key: &str) -> Vec<String> {
        let tables = self.config.get(key).and_then(Item::as_array_of_tables);
        let names = tables
            .into_iter()
            .flatten()
            .filter_map(|table| table.get("name")?.as_str());
        names.map(str::to_owned).collect()
    }
}

/// Reads a text. Errors of the reader quote what they found, which may be a secret: only the place is told.
fn document(text: &str, what: &str) -> Result<DocumentMut, Problem> {
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
fn normalise(document: &mut DocumentMut) {
    for key in ["store", "disk", "nbd"] {
        write_out(document.as_table_mut(), key);
    }
    write_out(document.as_table_mut(), "gadget");
    if let Some(gadget) = document.get_mut("gadget").and_then(Item::as_table_mut) {
        write_out(gadget, "lun");
    }
}

fn write_out(table: &mut Table, key: &str) {
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
fn forget_positions(item: &mut Item) {
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
fn array<'a>(table: &'a mut Table, key: &str) -> &'a mut ArrayOfTables {
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
fn table<'a>(table: &'a mut Table, key: &str) -> &'a mut Table {
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
fn secret_stores(secrets: &mut DocumentMut) -> &mut Table {
    write_out(secrets.as_table_mut(), "store");
    let stores = table(secrets.as_table_mut(), "store");
    stores.set_implicit(true);
    stores
}

fn find(tables: &ArrayOfTables, name: &str) -> Option<usize> {
    tables
        .iter()
        .position(|table| table.get("name").and_then(Item::as_str) == Some(name))
}

fn put(tables: &mut ArrayOfTables, index: Option<usize>, table: Table) {
    match index.and_then(|index| tables.get_mut(index)) {
        Some(place) => *place = table,
        None => tables.push(table),
    }
}

/// Sets a value; a comment behind the one before stays.
fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    if let Some(before) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = before.decor().clone();
    }
    table.insert(key, Item::Value(value));
}

fn set_limits(disk: &mut Table, limits: &Limits) {
    let all = [
        ("read_bytes", limits.read_bytes),
        ("write_bytes", limits.write_bytes),
        ("read_requests", u64::from(limits.read_requests)),
        ("write_requests", u64::from(limits.write_requests)),
    ];
    if all.iter().all(|(_, limit)| *limit == 0) {
        disk.remove("limit");
        return;
    }
    write_out(disk, "limit");
    let table = table(disk, "limit");
    for (key, limit) in all {
        match i64::try_from(limit) {
            Ok(0) => {
                table.remove(key);
            }
            Ok(limit) => set(table, key, limit),
            // No disk is that fast.
            Err(_) => {
                table.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(config: &str, secrets: &str) -> Draft {
        Draft::parse(&Texts {
            config: config.to_owned(),
            secrets: Zeroizing::new(secrets.to_owned()),
        })
        .unwrap()
    }

    fn azure(key: Option<&str>) -> Entry {
        Entry {
            kind: "azure",
            settings: vec![
                ("container".to_owned(), Some("sticks".into())),
                ("account".to_owned(), None),
            ],
            secrets: vec![("account_key".to_owned(), key.map(|key| Zeroizing::new(key.to_owned())))],
        }
    }

    fn new_disk(name: &str, insert: bool) -> NewDisk {
        NewDisk {
            name: name.to_owned(),
            store: "card".to_owned(),
            image: name.to_owned(),
            read_only: false,
            insert,
        }
    }

    const CARD: &str = "# mine\n[[store]]  # here\nname = \"card\"\ntype = \"file\"\nfolder = \"/data\" # big\n";

    #[test]
    fn comments_and_unknown_keys_stay() {
        let mut draft = draft(CARD, "");
        draft.set_name("films");
        draft.put_store(
            "card",
            Entry {
                kind: "file",
                settings: vec![("folder".to_owned(), Some("/more".into()))],
                secrets: Vec::new(),
            },
        );
        let text = draft.texts().config;
        assert!(
            text.contains("# mine") && text.contains("# here") && text.contains("folder = \"/more\" # big"),
            "{text}"
        );
        assert!(crate::config::parse(&text).unwrap().name.get_ref() == "films", "{text}");
    }

    #[test]
    fn secrets_stay_with_their_way_and_go_with_their_store() {
        let mut draft = draft(CARD, "");
        draft.put_store("my.cloud", azure(Some("one")));
        assert!(
            draft.texts().secrets.contains("[store.\"my.cloud\"]"),
            "{}",
            *draft.texts().secrets
        );
        assert!(!draft.texts().config.contains("one"));
        draft.put_store("my.cloud", azure(None));
        assert!(draft.texts().secrets.contains("account_key = \"one\""));
        let mut other_way = azure(None);
        other_way.secrets = vec![("sas".to_owned(), Some(Zeroizing::new("two".to_owned())))];
        draft.put_store("my.cloud", other_way);
        assert_eq!(draft.secrets_of("my.cloud"), ["sas"]);
        assert!(!draft.texts().secrets.contains("one"));
        draft.remove_store("my.cloud").unwrap();
        assert!(draft.texts().secrets.is_empty(), "{}", *draft.texts().secrets);
    }

    #[test]
    fn disks_are_put_in_and_taken_out_everywhere() {
        let mut draft = draft(CARD, "");
        draft.add_disk(&new_disk("films", true)).unwrap();
        draft.add_disk(&new_disk("music", true)).unwrap();
        assert_eq!(
            draft.add_disk(&new_disk("music", false)).unwrap_err().code,
            ProblemCode::AlreadyExists
        );
        let config = crate::config::parse(&draft.texts().config).unwrap();
        assert_eq!(config.gadget.unwrap().luns.len(), 2);
        draft.remove_disk("films").unwrap();
        let config = crate::config::parse(&draft.texts().config).unwrap();
        let luns = config.gadget.unwrap().luns;
        assert!(luns.len() == 2 && luns[0].disk.is_none() && luns[1].disk.is_some());
        draft.add_disk(&new_disk("films", true)).unwrap();
        assert_eq!(
            crate::config::parse(&draft.texts().config)
                .unwrap()
                .gadget
                .unwrap()
                .luns
                .len(),
            2
        );
        assert_eq!(draft.remove_store("card").unwrap_err().code, ProblemCode::Conflict);
    }

    #[test]
    fn a_server_without_disks_goes_with_the_last_one() {
        let server = "[[nbd]]\nlisten = \"127.0.0.1:1\"\ndisks = [\"films\", \"music\"]\n";
        let mut draft = draft(&format!("{CARD}{server}"), "");
        draft.add_disk(&new_disk("films", false)).unwrap();
        draft.add_disk(&new_disk("music", false)).unwrap();
        draft.remove_disk("films").unwrap();
        assert_eq!(
            crate::config::parse(&draft.texts().config).unwrap().nbd[0].disks.len(),
            1
        );
        draft.remove_disk("music").unwrap();
        assert!(crate::config::parse(&draft.texts().config).unwrap().nbd.is_empty());
    }

    #[test]
    fn inline_forms_can_be_changed_too() {
        let text =
            "store = [{name = \"card\", type = \"file\", folder = \"/d\"}]\ngadget = {product = \"X\", lun = [{}]}\n";
        let mut draft = draft(text, "store = {a = {sas = \"x\"}}\n");
        draft.add_disk(&new_disk("films", true)).unwrap();
        draft.set_identity(&IdentityChange {
            product: Some("Film Stick".to_owned()),
            serial: Some(String::new()),
            ..IdentityChange::default()
        });
        let config = crate::config::parse(&draft.texts().config).unwrap();
        let gadget = config.gadget.unwrap();
        assert_eq!((gadget.product.as_str(), gadget.luns.len()), ("Film Stick", 1));
        assert_eq!(draft.secrets_of("a"), ["sas"]);
    }

    #[test]
    fn luns_keep_what_the_page_does_not_know() {
        let mut draft = draft(CARD, "");
        draft.add_disk(&new_disk("films", true)).unwrap();
        draft
            .luns()
            .get_mut(0)
            .unwrap()
            .insert("no_fua", toml_edit::value(true));
        let lun = |disk: Option<&str>| LunSettings {
            disk: disk.map(str::to_owned),
            read_only: true,
            cdrom: false,
            removable: true,
        };
        draft.set_luns(&[lun(None), lun(Some("films"))]);
        let luns = crate::config::parse(&draft.texts().config)
            .unwrap()
            .gadget
            .unwrap()
            .luns;
        assert!(luns.len() == 2 && luns[0].disk.is_none() && luns[1].no_fua && luns[1].read_only);
    }

    #[test]
    fn limits_come_and_go() {
        let mut draft = draft(CARD, "");
        draft.add_disk(&new_disk("films", false)).unwrap();
        let limits = Limits {
            write_bytes: 1 << 20,
            ..Limits::default()
        };
        let change = |limits| DiskChange {
            limits: Some(limits),
            ..DiskChange::default()
        };
        draft.change_disk("films", &change(limits)).unwrap();
        let config = crate::config::parse(&draft.texts().config).unwrap();
        assert_eq!(config.disks[0].limit.write_bytes.unwrap().0, 1 << 20);
        draft.change_disk("films", &change(Limits::default())).unwrap();
        assert!(!draft.texts().config.contains("limit"));
    }

    #[test]
    fn what_belongs_to_the_installation_stays() {
        let mut draft = draft(&format!("state_dir = \"/s\"\n[web]\nannounce = false\n{CARD}"), "");
        draft.put_store("cloud", azure(Some("one")));
        let foreign = "state_dir = \"/evil\"\nname = \"other\"\n[[store]]\nname = \"cloud\"\ntype = \"azure\"\ncontainer = \"c1c\"\n[web]\nhttp = []\n";
        draft.replace_config(foreign).unwrap();
        let text = draft.texts().config;
        let config = crate::config::parse(&text).unwrap();
        assert_eq!(config.state_dir.to_str(), Some("/s"), "{text}");
        assert!(
            config.web.is_some_and(|web| !web.announce && web.http.is_none()),
            "{text}"
        );
        assert_eq!((config.name.get_ref().as_str(), config.stores.len()), ("other", 1));
        assert_eq!(draft.secrets_of("cloud"), ["account_key"], "the store is the same");
        assert!(Draft::check_foreign("run_dir = \"/x\"\n").is_err());
        draft.clear();
        let config = crate::config::parse(&draft.texts().config).unwrap();
        assert!(config.stores.is_empty() && config.web.is_some() && draft.texts().secrets.is_empty());
    }

    #[test]
    fn errors_do_not_quote_the_text() {
        let texts = Texts {
            config: String::new(),
            secrets: Zeroizing::new("[store.x]\nkey = planted-secret\n".to_owned()),
        };
        let problem = Draft::parse(&texts).err().unwrap();
        assert!(
            problem.detail.contains("line 2") && !format!("{problem:?}").contains("planted"),
            "{problem:?}"
        );
    }
}
