//! The stick in the configuration: how it introduces itself, and what is in which LUN.

use toml_edit::{ArrayOfTables, Item, Table};
use web::api::{IdentityChange, LunSettings, Problem};

use super::{
    Draft, conflict,
    toml::{array, set, table},
};

/// `FSG_MAX_LUNS` is 16; hosts and the project's promise end at 8.
const MAX_LUNS: usize = 8;

impl Draft {
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

    /// Puts a disk into the first empty LUN, or into a new one.
    pub(super) fn insert_disk(&mut self, disk: &str) -> Result<(), Problem> {
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

    pub(super) fn gadget(&mut self) -> &mut Table {
        table(self.config.as_table_mut(), "gadget")
    }

    pub(super) fn luns(&mut self) -> &mut ArrayOfTables {
        array(self.gadget(), "lun")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::configuration::draft::testing::{CARD, draft, new_disk};

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
}
