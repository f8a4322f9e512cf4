//! The conductor: the only one who sees both rules and hands.

pub mod candidate;
pub mod doctor;
pub mod dry_run;
pub mod execution;
pub mod init;
pub mod public;
pub mod removal;
pub mod review;
pub mod session;
pub mod setup;
pub mod steps;
