//! All words of the pages, in all their languages.

/// The words of one language. `{}` in a text is a name, code or address that the page puts in.
pub(super) struct Words {
    /// For `lang=`.
    pub(super) code: &'static str,
    /// The language in its own words.
    pub(super) name: &'static str,
    pub(super) heading: &'static str,
    pub(super) heading_claimed: &'static str,
    pub(super) open_claimed: &'static str,
    pub(super) join: &'static str,
    pub(super) key: &'static str,
    pub(super) open: &'static str,
    pub(super) same_network: &'static str,
    pub(super) no_network: &'static str,
    pub(super) enter: &'static str,
    pub(super) drop_heading: &'static str,
    pub(super) drop: &'static str,
    pub(super) drop_not: &'static str,
    pub(super) report_heading: &'static str,
    pub(super) log: &'static str,
    pub(super) version: &'static str,
}

pub(super) const ENGLISH: Words = Words {
    code: "en",
    name: "English",
    heading: "Set up this device with your phone",
    heading_claimed: "This device is set up",
    open_claimed: "Its page is at one of these addresses:",
    join: "Join the Wi-Fi network {}.",
    key: "Its key is {}.",
    open: "Open one of these addresses in a browser:",
    same_network: "The phone must be in the same network as the device. The camera can read the square code.",
    no_network: "The device has no network yet. Plug in a network cable and unplug and replug the stick to see its address here.",
    enter: "Enter this code: {}",
    drop_heading: "Without a network",
    drop: "Copy gadget-manager.toml, and secrets.toml or ceph.conf and a keyring where they are needed, onto this stick and \
           eject it. The device checks them and uses them; nothing is executed. Then the stick comes back with report.txt.",
    drop_not: "Files that are copied onto this stick are not used: this device is set up on its page.",
    report_heading: "What became of the files you copied",
    log: "The last start failed; last-log.txt says more.",
    version: "Version {}",
};

pub(super) const GERMAN: Words = Words {
    code: "de",
    name: "Deutsch",
    heading: "Dieses Gerät mit dem Telefon einrichten",
    heading_claimed: "Dieses Gerät ist eingerichtet",
    open_claimed: "Seine Seite hat eine dieser Adressen:",
    join: "Mit dem WLAN {} verbinden.",
    key: "Der Schlüssel ist {}.",
    open: "Eine dieser Adressen im Browser öffnen:",
    same_network: "Das Telefon muss im selben Netz sein wie das Gerät. Die Kamera liest den quadratischen Code.",
    no_network: "Das Gerät hat noch kein Netz. Ein Netzwerkkabel anschließen und den Stick neu einstecken, dann steht hier seine \
                 Adresse.",
    enter: "Diesen Code eingeben: {}",
    drop_heading: "Ohne Netz",
    drop: "gadget-manager.toml und, wo sie gebraucht werden, secrets.toml oder ceph.conf und einen Keyring auf diesen Stick \
           kopieren und ihn auswerfen. Das Gerät prüft und benutzt sie; ausgeführt wird nichts. Dann kommt der Stick mit \
           report.txt wieder.",
    drop_not: "Dateien, die auf diesen Stick kopiert werden, benutzt das Gerät nicht: Eingerichtet wird es auf seiner Seite.",
    report_heading: "Was aus den kopierten Dateien wurde",
    log: "Der letzte Start ist fehlgeschlagen; mehr steht in last-log.txt.",
    version: "Version {}",
};

impl Words {
    /// Heading and the line before the addresses, for a device that waits for its owner or has one.
    pub(super) fn for_state(&self, is_claimed: bool) -> (&'static str, &'static str) {
        if is_claimed {
            (self.heading_claimed, self.open_claimed)
        } else {
            (self.heading, self.open)
        }
    }
}

/// All languages.
pub(super) const ALL: [&Words; 2] = [&ENGLISH, &GERMAN];
