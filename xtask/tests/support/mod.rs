//! What tests, the reliability suite and the benchmarks share: servers, sites and projects to deploy, and load on them.

pub mod adoption;
pub mod clients;
pub mod load;
pub mod ports;
pub mod project;
pub mod registry;
pub mod rust_source;
pub mod secrets;
pub mod server;
pub mod shared_server;
pub mod site;
#[cfg(any(feature = "reliability", feature = "bench"))]
pub mod slow_link;
pub mod source_files;
pub mod team;
pub mod two_webs;
