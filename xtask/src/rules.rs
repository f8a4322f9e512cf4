//! Rules: what follows from what is known. Pure: no process, no file, no network, no clock; what varies enters as an argument.

pub mod canary;
pub mod certificate;
pub mod config;
pub mod engine;
pub mod failure;
pub mod health;
pub mod host;
pub mod init;
pub mod maintenance;
pub mod nginx;
pub mod plan;
pub mod preview;
pub mod public_site;
pub mod pytest;
pub mod release;
pub mod removal;
pub mod report;
pub mod script;
pub mod secret;
pub mod setup;
pub mod shared_constants;
pub mod test_summary;
pub mod utc;
