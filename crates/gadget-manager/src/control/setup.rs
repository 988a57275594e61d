//! A device without an owner: what it tells people who have it in their hands, and what it takes from them.

use std::{fs::OpenOptions, io::Write as _, path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use web::{
    api::{Applied, Problem},
    appliance::Observe as _,
};

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
    let mut told = None;
    loop {
        let code = control.claim_code();
        let addresses = match &code {
            Some(_) => control.addresses(),
            None => Vec::new(),
        };
        if let Some(code) = code
            && told.as_ref() != Some(&(code.clone(), addresses.clone()))
        {
            let (console, text) = (web.console.clone(), words(&code, &addresses));
            let written = tokio::task::spawn_blocking(move || write(&console, &text)).await;
            if let Ok(Err(error)) = written {
                tracing::debug!("{}: {error}; the claim code is not shown there", web.console.display());
            }
            told = Some((code, addresses));
        }
        let known = control.access.get().is_some();
        let pause = if known { LOOK } else { Duration::from_millis(200) };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

fn words(code: &str, addresses: &[String]) -> String {
    let place = match addresses {
        [] => "Connect it to your network, then open its page on a phone there".to_owned(),
        addresses => format!("On a phone in the same network, open {}", addresses.join(" or ")),
    };
    format!("\r\nCloud Stick: this device has no owner yet.\r\n{place}\r\nand type the code {code}\r\n")
}

/// A terminal is not made if it is missing, and never becomes ours.
fn write(console: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let mut terminal = OpenOptions::new().append(true).custom_flags(flags).open(console)?;
    terminal.write_all(text.as_bytes())
}
