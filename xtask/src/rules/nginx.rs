//! What the tool tells nginx, and what it reads back.
//!
//! In both switch modes nginx itself answers on a loopback port with the slot it obeys. A file says what nginx will obey after
//! its next reload; only nginx says what it obeys now.

mod files;
mod look_ups;
mod maintenance;
mod reading;
pub mod routes;
pub mod server_setup;

pub use files::{
    NAME_HEADER, Upstream, live_host, locations, path_of_upstream, private_main, private_site, proxy_lines,
    static_include_file, static_locations, switch_include_file, upgrade_map,
};
pub use look_ups::{
    COUNTS, LOG_FOR_ALL, LOG_IN_SITE, LookUps, MAINTENANCE, PREVIEW, PREVIEW_COOKIE, PREVIEW_HEADER, PROBE_HEADER,
    RequestLog, SHARES, switch_include, variables_of,
};
pub use reading::{
    flag_of_upstream, live_port_in, looks_up_uncached, passes_without_switch, slot_in_answer, slot_in_upstream,
    static_paths, switching_of_site,
};
