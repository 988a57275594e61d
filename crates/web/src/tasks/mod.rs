//! Running and ended tasks.

mod registry;
mod work;

pub(crate) use registry::{Change, Tasks};
pub(crate) use work::{Reporter, Work};
