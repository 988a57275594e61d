//! Bundles as `scripts/build-update` makes them, against a system in files: what is installed, what is refused, and what a pulled plug
//! leaves.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod installed;
mod interrupted;
mod refused;
mod support;
