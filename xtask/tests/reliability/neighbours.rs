//! Three environments on one server, each killed at stages of a deploy and of a rollback while the other two are under load.

use crate::remote_neighbours::{AS_SHORT_AS_CAN_BE, Settings, Story};
use crate::support::server::Compose;

/// Every stage that a deploy over SSH has. The last one comes once there are more releases than are kept.
const STAGES: [&str; 16] = [
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
    "Mark the release as known good",
    "Drain slot",
    "Stop slot",
    "Prune old releases",
];

const THOSE_THAT_CHANGE_WHAT_RUNS: [&str; 4] = ["Boot ", "Switch traffic", "Replace the workers", "Drain slot"];

/// Stages of a rollback that are not those of a deploy, or change what serves.
const OF_A_ROLLBACK: [&str; 5] =
    ["Render the stored compose files", "Boot ", "Switch traffic", "Watch the new version", "Stop slot"];

#[test]
fn compose_v2_with_staging_reloading() {
    let modes = ["instant", "reload", "instant"];
    Story { compose: Compose::V2, modes, settings: AS_SHORT_AS_CAN_BE, deploys: &STAGES, rollbacks: &[] }.run();
}

#[test]
fn compose_v1_with_all_reloading() {
    let modes = ["reload", "reload", "reload"];
    Story { compose: Compose::V1, modes, settings: AS_SHORT_AS_CAN_BE, deploys: &STAGES, rollbacks: &OF_A_ROLLBACK }
        .run();
}

/// Where nothing reloads, clients that keep their connection feel nothing either.
#[test]
fn compose_v1_without_a_reload_and_with_settings_of_their_own() {
    let settings = Settings {
        staging: "name = \"trial\"\nslots = { blue = 8300, green = 8301 }\nnginx = { live_port = 8302 }\n",
        name_of_staging: "trial",
        shop: "slots = { blue = 8400, green = 8401 }\nnginx = { upstream = \"of_the_shop\" }\n",
    };
    let modes = ["instant", "instant", "instant"];
    Story { compose: Compose::V1, modes, settings, deploys: &THOSE_THAT_CHANGE_WHAT_RUNS, rollbacks: &OF_A_ROLLBACK }
        .run();
}
