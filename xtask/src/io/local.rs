//! This machine: the tree that is packaged, the `.env` and other secrets, the tests.

pub mod compose_file;
pub mod deploy_key;
pub mod dotenv;
pub mod github;
pub mod image;
pub mod package;
pub mod pytest;
pub mod repository;
pub mod secret_files;
pub mod test_commands;
pub mod tool_source;
