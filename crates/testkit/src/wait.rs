//! Waiting for conditions.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A condition that has not come by then never will, also on a machine under load.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` holds.
///
/// # Panics
///
/// With `what`, if it never does.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < patience, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
