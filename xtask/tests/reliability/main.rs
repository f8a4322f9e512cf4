//! What a deploy promises, tried at every place where it can break: real nginx, sshd and containers, under load, to
//! 127.0.0.1 only. Longer than the other tests, and run by `make reliability`.

// Only the tool itself is bound to start processes in one place, and to give errors instead of a panic. The other tests
// use parts of the shared modules that these do not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, dead_code)]

#[path = "../it/load.rs"]
mod load;
#[path = "../it/local_project.rs"]
mod local_project;
#[path = "../it/remote_secrets.rs"]
mod remote_secrets;
#[path = "../it/remote_site.rs"]
mod remote_site;
#[path = "../it/server.rs"]
mod server;

mod crash_matrix;
mod cut;
mod cut_off;
mod hostile;
mod long_run;
mod place;
mod reboot;
mod signals;
