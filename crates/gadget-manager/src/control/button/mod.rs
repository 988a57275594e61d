//! The board's button: who presses it has the device in the hand.
//!
//! | | without an owner | with an owner |
//! |---|---|---|
//! | pressed | one claim is open for five minutes, for who has no way to read the code | media go out, or in again |
//! | held | the setup stick is shown instead of the disks; held once more, the disks | the same |
//! | held very long | factory reset | the same |
//!
//! Until a press is carried out, the button counts for nothing: what an impatient hand does meanwhile is no order.

mod input;
mod press;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Control;
use crate::config::model::ButtonConfig;
use input::{Input, Motion};

/// Pause before a device that is not there is looked for again: its module may load late.
const RETRY: Duration = Duration::from_secs(5);

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
                    watch(&control, input, &button).await
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

/// Does what the button says until its device is gone. A hold is one as soon as it is long enough: whoever holds the button sees that
/// it was understood.
async fn watch(control: &Control, mut input: Input, button: &ButtonConfig) -> std::io::Error {
    loop {
        let done: std::io::Result<()> = async {
            until(&mut input, Motion::Down).await?;
            let down = Instant::now();
            if let Ok(up) = timeout_at(down + button.hold(), until(&mut input, Motion::Up)).await {
                up?;
                return input.ignore_during(press::pressed(control)).await;
            }
            held(control);
            if let Some(reset) = button.reset() {
                if let Ok(up) = timeout_at(down + reset, until(&mut input, Motion::Up)).await {
                    return up;
                }
                tracing::warn!("the button was held very long: the device is reset to the state of the factory");
                // What it asked for on the way.
                control.setup_asked.send_replace(false);
                control.reset_asked.notify_one();
            }
            until(&mut input, Motion::Up).await
        }
        .await;
        if let Err(error) = done {
            return error;
        }
    }
}

/// Returns when the key does this.
async fn until(input: &mut Input, wanted: Motion) -> std::io::Result<()> {
    while input.motion().await? != wanted {}
    Ok(())
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
