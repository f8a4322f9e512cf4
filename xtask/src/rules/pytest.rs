//! Which tests pytest runs, and what its report says.

pub mod junit;
pub mod selection;
