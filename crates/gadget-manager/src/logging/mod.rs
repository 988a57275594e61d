//! The log: lines on standard error, for people or as JSON, and the last of them in memory.

mod recent;

use anyhow::{Context, Result};
use tracing_subscriber::{Registry, filter::Targets, layer::SubscriberExt, reload, util::SubscriberInitExt};

pub(crate) use recent::Recent;

use crate::config::model::LogFormat;

/// A started log, whose level can be changed.
pub(crate) struct Logging {
    filter: reload::Handle<Targets, Registry>,
    fixed: bool,
    recent: Recent,
}

/// Libraries whose every request would be logged at `debug` are kept at `info` unless named in the filter.
const QUIET: &str = "hyper=info,hyper_util=info,rustls=info,reqwest=info";

/// A level, and other ones for what comes from parts of the program. `EnvFilter` would look into spans too, of which there are
/// none here, and brings an engine for regular expressions.
fn filter(level: &str) -> Result<Targets> {
    let directives: Vec<_> = QUIET
        .split(',')
        .chain(level.split(','))
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    directives
        .join(",")
        .parse()
        .with_context(|| format!("\"{level}\" is no log level; use error, warn, info, debug, trace or a filter"))
}

/// Whether a level can be used.
pub(crate) fn check(level: &str) -> Result<()> {
    filter(level).map(|_| ())
}

/// Starts the log of this process. A `fixed` level was given on the command line and outlives reloads.
///
/// # Errors
///
/// A level that does not parse, or a log that was started before.
pub(crate) fn start(level: &str, format: LogFormat, fixed: bool) -> Result<Logging> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let recent = Recent::default();
    let registry = tracing_subscriber::registry().with(filter).with(recent.clone());
    let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
    match format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(color)
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr))
            .try_init(),
    }
    .context("the log is started already")?;
    Ok(Logging {
        filter: handle,
        fixed,
        recent,
    })
}

impl Logging {
    /// The last lines.
    pub(crate) fn recent(&self) -> Recent {
        self.recent.clone()
    }

    /// Changes what is logged from now on.
    pub(crate) fn set_level(&self, level: &str) -> Result<()> {
        if self.fixed {
            return Ok(());
        }
        self.filter.reload(filter(level)?).context("the log has ended")
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_is_for_all_but_the_libraries() {
        let filter = filter("debug").unwrap();
        assert!(filter.would_enable("gadget_manager::daemon", &Level::DEBUG));
        assert!(!filter.would_enable("gadget_manager::daemon", &Level::TRACE));
        assert!(!filter.would_enable("hyper::proto", &Level::DEBUG));
        assert!(filter.would_enable("rustls::client", &Level::INFO));
    }

    #[test]
    fn parts_have_levels_of_their_own() {
        let filter = filter("warn, store_azure=debug, hyper=trace").unwrap();
        assert!(filter.would_enable("store_azure::client", &Level::DEBUG));
        assert!(filter.would_enable("hyper::proto", &Level::TRACE));
        assert!(!filter.would_enable("web::server", &Level::INFO));
        assert!(filter.would_enable("web::server", &Level::WARN));
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for wrong in ["store_azure=loud", "info,web=debug=trace"] {
            assert!(check(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }
}
