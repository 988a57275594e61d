//! The board's button: who presses it has the device in the hand.
//!
//! A press opens one claim for five minutes to a device without an owner, for who has no way to read its code. Held, the
//! setup stick is shown instead of the disks, and no longer when it is held once more.

mod input;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Control;
use crate::config::model::ButtonConfig;
use input::{Input, Motion};

/// Pause before a device that is not there is looked for again: its module may load late.
const RETRY: Duration = Duration::from_secs(5);

/// What somebody did with the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gesture {
    /// Down and up again.
    Press,
    /// Down for so long that something else is meant.
    Hold,
}

/// Watches the button, if one is configured, until told to stop.
pub(super) async fn keep(control: Arc<Control>, stop: CancellationToken) {
    let loaded = control.handle.view().loaded.clone();
    let Some(button) = loaded.config.web.as_ref().and_then(|web| web.button.clone()) else {
        return;
    };
    let watch = async {
        let mut last = String::new();
        loop {
            let problem = match open(&button) {
                Ok((path, input)) => {
                    tracing::info!("the button is {}", path.display());
                    last.clear();
                    watch(&control, input, button.hold()).await
                }
                Err(problem) => problem,
            };
            let text = problem.to_string();
            if text != last {
                tracing::warn!("no button, \"{}\": {text}; trying again", button.device);
                last = text;
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    stop.run_until_cancelled(watch).await;
}

fn open(button: &ButtonConfig) -> std::io::Result<(PathBuf, Input)> {
    let path = input::find(&button.device)?;
    let input = Input::open(&path, button.key)?;
    Ok((path, input))
}

/// Does what the button says until its device is gone.
async fn watch(control: &Control, mut input: Input, hold: Duration) -> std::io::Error {
    loop {
        match gesture(&mut input, hold).await {
            Ok(Gesture::Press) => pressed(control),
            Ok(Gesture::Hold) => held(control),
            Err(error) => return error,
        }
    }
}

/// The next gesture. A hold is one as soon as it is long enough: whoever holds the button sees that it was understood.
async fn gesture(input: &mut Input, hold: Duration) -> std::io::Result<Gesture> {
    loop {
        if input.motion().await? != Motion::Down {
            // The end of a hold.
            continue;
        }
        let up = async {
            while input.motion().await? != Motion::Up {}
            Ok(())
        };
        return match tokio::time::timeout(hold, up).await {
            Ok(up) => up.map(|()| Gesture::Press),
            Err(_) => Ok(Gesture::Hold),
        };
    }
}

fn pressed(control: &Control) {
    match control.access.get() {
        Some(access) if !access.is_claimed() => {
            access.press_button();
            tracing::info!("the button was pressed: for five minutes the device can be claimed once without its code");
        }
        Some(_) => tracing::info!("the button was pressed: nothing happens, the device has an owner"),
        None => tracing::warn!("the button was pressed too early: the page is not open yet"),
    }
}

fn held(control: &Control) {
    let mut shown = false;
    control.setup_asked.send_modify(|asked| {
        *asked = !*asked;
        shown = *asked;
    });
    match shown {
        true => tracing::info!("the button was held: the setup stick is asked for"),
        false => tracing::info!("the button was held: the setup stick is not asked for any more"),
    }
}
