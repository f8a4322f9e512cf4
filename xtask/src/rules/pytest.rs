//! Which tests pytest runs.

pub mod selection;
