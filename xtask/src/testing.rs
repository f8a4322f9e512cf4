//! What tests of several modules share: fixtures and generated input.

pub mod fixtures;
pub mod generated_input;
mod long_input;
