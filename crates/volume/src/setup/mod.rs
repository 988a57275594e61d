//! The pages of the setup stick.
