//! Disks in the configuration, and how they are served.

use toml_edit::{Item, Table};
use web::api::{DiskChange, Limits, NewDisk, Problem, ProblemCode};

use super::{
    Draft, conflict,
    toml::{array, find, set, table, write_out},
};
use crate::control::problem::not_found;

impl Draft {
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
    use crate::control::configuration::draft::testing::{CARD, draft, new_disk};

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
}
