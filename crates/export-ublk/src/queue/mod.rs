//! One queue: the thread that takes requests from the kernel, runs them on the disk, and answers.

mod copy;
mod mailbox;
mod pool;
mod request;
mod server;
mod trust;

pub(crate) use mailbox::Mailbox;
pub(crate) use server::{Setup, serve};
