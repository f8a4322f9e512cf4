//! Servers that many stories use, one after the other, each in the state of an ordinary day: the backend serves, and all
//! agree.

use std::sync::Mutex;
use std::time::Instant;

use crate::support::secrets::only_releases_hold_secrets;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

/// Those that no test uses now.
static IDLE: Mutex<Vec<Deployed>> = Mutex::new(Vec::new());

struct Deployed {
    compose: Compose,
    server: Server,
    site: Site,
}

/// Runs a story on a server to which `site` is deployed. It leaves both as it found them, but for the version that serves.
/// A story that fails takes its server with it, so no other one meets what it left.
///
/// With docker-compose v1.29 nginx looks for a flag file, with compose v2 it is reloaded.
pub fn on_a_server(compose: Compose, story: impl FnOnce(&mut Server, &mut Site)) {
    let mut deployed = idle(compose).unwrap_or_else(|| start(compose));
    let begun = Instant::now();
    story(&mut deployed.server, &mut deployed.site);
    println!("the story took {:.1} s", begun.elapsed().as_secs_f64());
    deployed.site.status();
    only_releases_hold_secrets(&deployed.server);
    IDLE.lock().unwrap().push(deployed);
}

fn idle(compose: Compose) -> Option<Deployed> {
    let mut idle = IDLE.lock().unwrap();
    let found = idle.iter().position(|deployed| deployed.compose == compose)?;
    Some(idle.swap_remove(found))
}

fn start(compose: Compose) -> Deployed {
    let server = Server::start(compose);
    let mode = match compose {
        Compose::V1 => "instant",
        Compose::V2 => "reload",
    };
    let site = Site::new(&server, mode);
    site.deploy();
    Deployed { compose, server, site }
}
