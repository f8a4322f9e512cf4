//! Three environments on one server, each killed at every stage of a deploy while the other two are under load.

use crate::remote_neighbours::story;
use crate::server::Compose;

/// Every stage that a deploy over SSH has.
const STAGES: [&str; 13] = [
    "Package release",
    "Ship release",
    "Render the compose files",
    "Build the images",
    "Start the accessories",
    "Hook before boot",
    "Boot ",
    "Waiting for health check",
    "Switch traffic",
    "Verify through nginx",
    "Watch the new version",
    "Replace the workers",
    "Mark the release as good",
];

#[test]
fn compose_v2_with_staging_reloading() {
    story(Compose::V2, ["instant", "reload", "instant"], &STAGES);
}

#[test]
fn compose_v1_with_all_reloading() {
    story(Compose::V1, ["reload", "reload", "reload"], &STAGES);
}
