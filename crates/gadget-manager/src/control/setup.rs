//! A device without an owner: what it tells people who have it in their hands, and what it takes from them.

use std::{fs::OpenOptions, io::Write as _, path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use web::{
    api::{Applied, Problem},
    appliance::Observe as _,
};
use wifi::Mode;
use zeroize::Zeroizing;

use super::{Control, configuration::Draft};

/// How often the addresses are looked at while nobody owns the device: they may come late.
const LOOK: Duration = Duration::from_secs(10);

impl Control {
    /// The code that claims the device while it has no owner. Not for the log.
    pub(crate) fn claim_code(&self) -> Option<String> {
        self.access.get()?.claim_code()
    }

    /// Addresses of the page, best first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.live().borrow().network.urls.clone()
    }

    /// Name and key of the network that the device makes, as long as that is the way to it. Not for the log.
    pub(crate) fn own_network(&self) -> Option<(String, Zeroizing<String>)> {
        let radio = self.radio.get()?;
        // While it tries another network, it is away for a moment only.
        let is_way = !matches!(radio.status().mode, Mode::Absent | Mode::Resting | Mode::Joined);
        let own = radio.own().filter(|_| is_way)?;
        Some((own.ssid.to_string(), Zeroizing::new(own.key.expose().to_owned())))
    }

    /// Puts a configuration in force that somebody dropped on the setup stick: parsed as strictly as the file itself. It
    /// replaces all that is not of this installation (`state_dir`, `run_dir`, `secrets`, `[web]`); of secrets it brings those
    /// of its stores, as a text of the file of secrets.
    ///
    /// # Errors
    ///
    /// What is wrong with it. Nothing has changed then.
    pub(crate) async fn apply_dropped_configuration(
        &self,
        text: &str,
        secrets: Option<&str>,
    ) -> Result<Applied, Problem> {
        Draft::check_foreign(text)?;
        let (text, secrets) = (text.to_owned(), secrets.map(str::to_owned));
        let edit = move |draft: &mut Draft| {
            draft.replace_config(&text)?;
            match &secrets {
                Some(secrets) => draft.merge_secrets(secrets),
                None => Ok(()),
            }
        };
        self.keeper.change("taken from the setup stick", edit).await
    }
}

/// Writes addresses and claim code to the console as long as the device has no owner. The console is no log: what is written
/// there is seen by who has a cable to the board, and kept by nobody.
pub(super) async fn tell(control: Arc<Control>, stop: CancellationToken) {
    let Some(web) = control.handle.view().loaded.config.web.clone() else {
        return;
    };
    if web.console.as_os_str().is_empty() {
        return;
    }
    let mut told = Zeroizing::new(String::new());
    loop {
        let text = control.words();
        if let Some(text) = text.filter(|text| *text != told) {
            let (console, line) = (web.console.clone(), text.clone());
            let written = tokio::task::spawn_blocking(move || write(&console, &line)).await;
            if let Ok(Err(error)) = written {
                tracing::debug!("{}: {error}; nothing is shown there", web.console.display());
            }
            told = text;
        }
        let known = control.access.get().is_some();
        let pause = if known { LOOK } else { Duration::from_millis(200) };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

impl Control {
    /// What who has a cable to the board should know now.
    fn words(&self) -> Option<Zeroizing<String>> {
        if let Some(code) = self.claim_code() {
            return Some(words(&code, &self.addresses(), self.own_network()));
        }
        // With an owner, only where it went: who joined it to a Wi-Fi network has lost sight of it.
        let ssid = self.radio.get()?.status().ssid?;
        let address = self.addresses().first()?.clone();
        let text = format!("\r\nCloud Stick: in the Wi-Fi network {ssid}; its page is {address}\r\n");
        Some(Zeroizing::new(text))
    }
}

fn words(code: &str, addresses: &[String], own: Option<(String, Zeroizing<String>)>) -> Zeroizing<String> {
    let place = match addresses {
        [] => "Connect it to your network, then open its page on a phone there".to_owned(),
        addresses => format!("On a phone in the same network, open {}", addresses.join(" or ")),
    };
    let own = own.map(|(name, key)| {
        Zeroizing::new(format!(
            "Without a network, join the phone to the device's own, {name}, key {}\r\n",
            *key
        ))
    });
    let own = own.as_ref().map_or("", |own| own.as_str());
    Zeroizing::new(format!(
        "\r\nCloud Stick: this device has no owner yet.\r\n{own}{place}\r\nand type the code {code}\r\n"
    ))
}

/// A terminal is not made if it is missing, and never becomes ours.
fn write(console: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let mut terminal = OpenOptions::new().append(true).custom_flags(flags).open(console)?;
    terminal.write_all(text.as_bytes())
}
