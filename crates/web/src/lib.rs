//! The page for the phone and the API behind it.
//!
//! - [`api`]: what goes over the wire, as types. The OpenAPI document is made from them.
//! - [`appliance`]: what this crate asks of the device it controls. The binary implements it.
//! - [`access`]: who may do what: the claim, the password, sessions, tokens.
//! - [`server`]: listeners and everything that is true of all requests; [`Server`](server::Server) is the way in.
//! - [`tls`]: the certificate that the device makes for itself.
//! - `mdns`: the name in the home network.
//! - `routes`: the operations; `tasks`, `events`: what takes longer and what changes; `page`: the embedded page.
//!
//! This crate knows HTTP, sessions and tasks; it knows nothing of configuration files, USB or clouds.

pub mod access;
pub mod api;
mod app;
pub mod appliance;
mod events;
mod mdns;
pub mod openapi;
mod page;
mod routes;
pub mod server;
mod tasks;
pub mod tls;
