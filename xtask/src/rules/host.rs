//! What a host said of itself, and what follows: whether a deploy can begin there, whether all agrees.

pub mod doctor;
pub mod observed;
pub mod preflight;
pub mod status;
