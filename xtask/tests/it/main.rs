//! The product as its users see it: the real binary, real nginx, sshd and containers. Everything goes to 127.0.0.1.

// Only the tool itself is bound to start processes in one place, and to give errors instead of a panic.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod canaries;
mod check;
mod doctor;
mod guides;
mod held;
mod init;
mod interruptions;
mod load_itself;
mod local_accessories;
mod local_any_health;
mod local_builds;
mod local_commands;
mod local_compose;
mod local_data;
mod local_deploys;
mod local_failures;
mod local_github;
mod local_health;
mod local_hostile;
mod local_machine;
mod local_pytest;
mod local_registry;
mod local_secret_files;
mod local_test_commands;
mod local_trust;
mod maintenance;
mod projects;
mod remote_access;
mod remote_bare;
mod remote_connection;
mod remote_data;
mod remote_deploy;
mod remote_images;
mod remote_looks;
mod remote_nginx;
mod remote_public;
mod remote_secrets;
mod remote_setup;
mod remote_ship;
mod restarts;
mod several_webs;
mod static_files;
mod tidy;
mod workflow;

/// What the tests, the reliability suite and the benchmarks share.
#[path = "../support/mod.rs"]
mod support;

/// Takes more than an hour.
#[cfg(feature = "reliability")]
#[path = "../reliability/mod.rs"]
mod reliability;

/// Measures, and asserts little.
#[cfg(feature = "bench")]
#[path = "../../../bench/mod.rs"]
mod bench;
