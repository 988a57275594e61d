//! The page for the phone and the API behind it.
//!
//! - [`api`]: what goes over the wire, as types. The OpenAPI document is made from them.
//! - [`appliance`]: what this crate asks of the device it controls. The binary implements it.
//!
//! This crate knows HTTP, sessions and tasks; it knows nothing of configuration files, USB or clouds.

pub mod api;
pub mod appliance;
