//! This machine: the tree that is packaged, the `.env`, the tests.

pub mod dotenv;
pub mod package;
pub mod pytest;
