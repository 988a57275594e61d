//! `gadget-manager`: shows a USB host a stick whose blocks live in the cloud.

use std::process::ExitCode;

fn main() -> ExitCode {
    gadget_manager::main()
}
