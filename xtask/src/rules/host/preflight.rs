//! What is in the way on a host, told before anything is touched: each with its cause, its place and its remedy. Pure.

use std::collections::BTreeSet;

use crate::rules::config::{Config, NginxOwner, SwitchMode, Web, env_file};
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::nginx;
use crate::rules::release::{ReleaseId, Slot, image};

mod identity;
mod site;

/// Bytes for a release's archive, its files, and what compose, the hooks and the record write beside them.
const RELEASE: u64 = 100_000_000;

/// Tried with 4.3: compose v1 builds through its socket; checks of health and starts after a reboot are left to systemd.
pub const PODMAN: &str = "`docker` on this host is Podman, which this tool does not support: Podman leaves health checks and the \
    start after a reboot to units of systemd. Install docker's engine (rootless docker is supported too), or let DOCKER_HOST of \
    this user name the socket of one";

/// # Errors
/// [`Kind::Preflight`] with everything that is in the way, at once; `more` is what the caller knows of.
pub fn host(config: &Config, observed: &Observed, more: Vec<String>) -> Result<SwitchMode, anyhow::Error> {
    let nginx = &config.environment.nginx;
    let mut problems = Vec::new();
    if observed.podman {
        problems.push(PODMAN.to_owned());
    } else if let Some(problem) = &observed.docker_problem {
        problems.push(format!(
            "docker does not answer ({problem}); start the daemon (`sudo systemctl start docker`), and let this user run \
             docker (`docker` group)"
        ));
    } else if observed.compose.is_none() {
        problems.push("neither `docker compose` nor `docker-compose` is installed on the host".to_owned());
    }
    if nginx.owner == NginxOwner::System && !observed.nginx_running {
        problems.push("nginx does not run on the host; start it: `sudo systemctl start nginx`".to_owned());
    }
    if config.environment.url.tls && !observed.curl {
        let url = &config.environment.url;
        problems
            .push(format!("curl is not on the host, and asks {url} there; install it: `sudo apt-get install curl`"));
    }
    problems.extend(identity::problems(config, observed));
    problems.extend(standing_problems(config, observed));
    if observed.switching.is_none() {
        let site = &nginx.site_file;
        let upstream = &nginx.upstream;
        problems.push(match observed.site_file_found {
            true => format!("{site} has neither `proxy_pass http://{upstream}` nor `proxy_pass http://${upstream}`"),
            false => format!("{site} is not there or not readable; `cargo xtask setup` prints how to make it"),
        });
    }
    problems.extend(static_files(config, observed));
    problems.extend(further_webs(config, observed));
    problems.extend(free_port(config, observed));
    problems.extend(site::problem(config, observed));
    problems.extend(more);
    match (observed.switching, problems.is_empty()) {
        (Some(switching), true) => Ok(switching),
        _ => {
            Err(Kind::Preflight
                .error(format!("this host is not ready, nothing was touched:\n- {}", problems.join("\n- "))))
        }
    }
}

/// Where further web services cannot move with the first one.
fn further_webs(config: &Config, observed: &Observed) -> Vec<String> {
    let system = config.environment.nginx.owner == NginxOwner::System;
    let set_up = "run the script that `cargo xtask setup` prints";
    let known = observed.ports.as_ref().map(|ports| &ports.further);
    let has = |upstream: &&String| config.more_webs.iter().any(|web| web.upstream == **upstream);
    let in_another_mode = |upstream: &str| observed.site_file_found && !observed.routed.contains(upstream);
    let lacking = observed.routed.iter().filter(|upstream| !has(upstream)).filter(|_| system);
    let mut problems: Vec<String> = lacking
        .map(|upstream| {
            format!("the site passes requests to {upstream}, and the release has no web service for it: nobody would answer them")
        })
        .collect();
    if system {
        problems.extend(observed.without_switch.iter().map(|variable| {
            format!(
                "a server block of {} passes requests to ${variable} and does not include what sets it, so nginx would answer them with an \
                 error: let that block have the line `include {};` too",
                config.environment.nginx.site_file,
                nginx::switch_include_file(&config.project.name)
            )
        }));
    }
    for web in &config.more_webs {
        let unknown = known.is_some_and(|known| !known.contains_key(&web.upstream));
        problems.extend(not_taken_over(web, observed));
        if system && unknown {
            problems.push(format!("nginx does not know the slots of `{}` yet; {set_up}", web.service));
        } else if system && in_another_mode(&web.upstream) {
            problems.push(format!(
                "{} passes nothing to `{}`, or not in the way in which the first web service is switched: let a `location` have \
                 `proxy_pass http://{}{}`",
                config.environment.nginx.site_file,
                web.service,
                if observed.switching == Some(SwitchMode::Instant) { "$" } else { "" },
                web.upstream
            ));
        }
        let (to, port) = (observed.free_slot(), web.slots.port(observed.free_slot()));
        if observed.listening_ports.contains(&port) && !observed.further_may_listen(to, &web.service) {
            problems.push(format!(
                "port {port} of `{}` in the free slot {to} is taken by another process; find it with `ss -ltnp 'sport = :{port}'`, stop it, \
                 or give the slot another port (`slots` in [web.{}])",
                web.service, web.service
            ));
        }
    }
    problems
}

/// A further web service that compose, or this tool as an accessory, has started and that would run on beside the slots.
fn not_taken_over(web: &Web, observed: &Observed) -> Option<String> {
    // A worker is ended as one that the release has no more.
    let other = observed
        .others
        .iter()
        .find(|other| other.service == web.service && other.status == "running" && !other.worker)?;
    Some(match other.ports.first() {
        Some(port) => format!(
            "`{}` runs in the container {} on port {port}, and that is the port of none of its slots, so it would run on beside them: set the \
             port of the slot that is live to {port} (`slots` in [web.{}]), and run the script of `cargo xtask setup` again",
            web.service, other.name, web.service
        ),
        None => format!(
            "`{}` runs in the container {}, which publishes no port that nginx could lead to, and it would run on beside the slots: stop it, \
             once nobody needs it (docker stop {})",
            web.service, other.name, other.name
        ),
    })
}

/// What a release expects nginx to serve, and it would pass to the app, which may not.
fn static_files(config: &Config, observed: &Observed) -> Option<String> {
    if config.environment.nginx.owner != NginxOwner::System || !observed.site_file_found {
        return None;
    }
    let missing: Vec<&str> =
        config.static_files.keys().filter(|path| !observed.static_paths.contains(*path)).map(String::as_str).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "nginx does not serve {} of [static] for this site: run the script that `cargo xtask setup` prints, and let the server block in {} \
             have the line `include {};`",
            missing.join(", "),
            config.environment.nginx.site_file,
            nginx::static_include_file(&config.project.name)
        )
    })
}

/// Why the version that serves now could not be gone back to once another one serves.
pub fn way_back(observed: &Observed) -> Option<String> {
    let live = observed.live_release()?;
    let stored = observed.release(live);
    let why = match stored {
        None => "its files are not on the host any more",
        Some(release) if release.settings.is_none() => "its settings were written by another version of this tool",
        Some(_) if !observed.has_images(live) => {
            "not all of its images are on the host; a rollback would have to build or pull them first"
        }
        Some(_) => return None,
    };
    Some(format!("a rollback to release {live}, which serves now, would not be ready after this deploy: {why}"))
}

/// Variables that the version that serves has, and the `.env` of the next one does not set.
pub fn lost_variables(observed: &Observed, names: &BTreeSet<String>) -> Option<String> {
    let serves = observed.release(observed.live_release()?)?;
    let before = env_file::read(serves.env.expose()).unwrap_or_default();
    let lost: BTreeSet<String> = before.into_iter().map(|one| one.name).filter(|name| !names.contains(name)).collect();
    (!lost.is_empty()).then(|| {
        format!(
            "the release that serves has variables in its `.env` that this one's does not set: {}",
            lost.into_iter().collect::<Vec<String>>().join(", ")
        )
    })
}

/// Where what is on the host is not this environment's.
pub fn whose(config: &Config, observed: &Observed) -> Vec<String> {
    identity::problems(config, observed)
}

/// What keeps traffic from being moved, now and until somebody mends it.
pub fn standing_problems(config: &Config, observed: &Observed) -> Vec<String> {
    let nginx = [reload(config, observed), lookups(config, observed)].into_iter().flatten();
    nginx.chain(unwritable_folders(observed)).collect()
}

/// Why nginx could not be reloaded, where the mode needs that.
fn reload(config: &Config, observed: &Observed) -> Option<String> {
    let problem = observed.nginx_problem.as_ref().filter(|_| observed.switching == Some(SwitchMode::Reload))?;
    let nginx = &config.environment.nginx;
    if next_deploy_rewrites_it(config, observed, problem) {
        return None;
    }
    let refused = "nginx refuses its configuration as it is now, so it cannot be reloaded";
    Some(if problem.contains(&format!("duplicate upstream \"{}\"", nginx.upstream)) {
        format!(
            "{refused}: it reads {file} twice. Remove the line that includes it from {site}, because nginx reads \
             conf.d/*.conf by itself ({problem})",
            file = nginx.upstream_file,
            site = nginx.site_file,
        )
    } else if problem.contains("[emerg]") {
        format!("{refused}; fix what it names until `sudo nginx -t` accepts it: {problem}")
    } else {
        format!(
            "this user may not run `sudo nginx -t` and `sudo nginx -s reload` without a password; `cargo xtask setup` \
             prints the rules ({problem})"
        )
    })
}

/// What nginx refuses is the upstream file, which somebody has spoiled or removed, while nginx itself says what it obeys: a
/// deploy begins by rewriting that file.
fn next_deploy_rewrites_it(config: &Config, observed: &Observed, problem: &str) -> bool {
    let nginx = &config.environment.nginx;
    let of_the_file = problem.contains(&nginx.upstream_file)
        || problem.contains(&format!("host not found in upstream \"{}\"", nginx.upstream));
    let twice = problem.contains("duplicate upstream");
    of_the_file && !twice && observed.running_slot.is_some() && observed.running_slot != observed.configured_slot
}

/// nginx would remember whether the flag is there, and go on sending requests to a slot that has been stopped: on nginx
/// 1.22 a flag that has gone counts as there until `open_file_cache_valid` is over, and with `open_file_cache off;` in the
/// server block, whatever all sites have, it is looked up each time.
fn lookups(config: &Config, observed: &Observed) -> Option<String> {
    let line = observed.file_cache.as_ref().filter(|_| !observed.lookups_uncached)?;
    (observed.switching == Some(SwitchMode::Instant) && config.environment.nginx.owner == NginxOwner::System).then(
        || {
            format!(
                "nginx remembers file lookups ({line}), so it would see the flag of the instant mode too late; add \
             `open_file_cache off;` to the server block of {site}, where the slot is chosen, and reload nginx. The \
             include that `cargo xtask setup` prints has that line",
                site = config.environment.nginx.site_file,
            )
        },
    )
}

/// Who goes past the switch goes to a port that is stopped after it. A way back is not held up by that.
pub fn bypasses(observed: &Observed) -> Option<String> {
    let lines = &observed.bypasses;
    (!lines.is_empty()).then(|| {
        format!(
            "nginx leads to a slot's port past the switch, and after a deploy nothing may listen there; let these lines pass \
             to the upstream that the site uses:\n    {}",
            lines.join("\n    ")
        )
    })
}

/// Where a file that is to be replaced or made cannot be.
fn unwritable_folders(observed: &Observed) -> Vec<String> {
    let upstream = observed.unwritable_upstream.as_ref().filter(|_| observed.switching == Some(SwitchMode::Reload));
    let mut places: Vec<&String> = observed.unwritable.iter().chain(upstream).collect();
    places.sort();
    places.dedup();
    let user = &observed.user;
    let told = places.into_iter().map(|place| {
        format!(
            "{place} is not writable for {user}, and a deploy makes and renames files there; let it belong to {user}, or \
             run the script that `cargo xtask setup` prints as root"
        )
    });
    told.collect()
}

fn free_port(config: &Config, observed: &Observed) -> Option<String> {
    let to = observed.free_slot();
    let port = config.slots.port(to);
    if let Some(foreign) = observed.foreign.iter().find(|foreign| foreign.slot == to) {
        return Some(format!(
            "port {} of the free slot {to} is published by the container {}, which does not belong to this environment; give that container another \
             port, or this slot (`slots` in deploy.toml)",
            foreign.port, foreign.container
        ));
    }
    observed.port_taken_by_other(to).then(|| {
        format!(
            "port {port} of the free slot {to} is taken by another process; find it with `ss -ltnp 'sport = :{port}'`, \
             stop it, or give the slot another port (`slots` in deploy.toml)"
        )
    })
}

/// Whether a second version fits beside the live one: in memory and, until it is built, on disk. The live version is the
/// measure of the one that comes.
pub fn capacity(config: &Config, observed: &Observed, release: &ReleaseId) -> Vec<String> {
    let mut problems = Vec::new();
    let (project, capacity) = (&config.project, &observed.capacity);
    let size_of = |web: &str, release: &ReleaseId| observed.images.get(&image(&project.name, web, release)).copied();
    // Of those that are not there yet, what the live version's take.
    let sizes = observed.live_release().into_iter().flat_map(|live| {
        let missing = config.webs().filter(|web| size_of(web, release).is_none());
        missing.filter_map(move |web| size_of(web, live))
    });
    let image = sizes.fold(0, u64::saturating_add);
    let together = capacity.docker_disk.as_ref().is_none_or(|(_, place)| *place == capacity.releases_place);
    let needed = if together { RELEASE.saturating_add(image) } else { RELEASE };
    let mut disk = |place: &str, free: u64, needed: u64, what: &str| {
        if free < needed {
            problems.push(format!(
                "the disk at {place} has {} free, and a deploy may take {} there: {what}; free some (`df -h {place}`, \
                 `docker system df`, `docker builder prune`), or keep fewer releases (`keep` in deploy.toml)",
                megabytes(free),
                megabytes(needed)
            ));
        }
    };
    let an_image = format!("{} for an image as large as the live one", megabytes(image));
    let a_release = format!("{} for the release", megabytes(RELEASE));
    let both = format!("{a_release}, {an_image}");
    disk(&capacity.releases_place, observed.disk_free, needed, if together { &both } else { &a_release });
    if let (false, Some((free, place))) = (together, &capacity.docker_disk) {
        disk(place, *free, image, &an_image);
    }
    let used_in = |slot: Slot| {
        let running = observed.active_in(slot).into_iter().filter(|container| container.running());
        running.filter_map(|container| capacity.memory_used.get(&container.id).copied()).reduce(u64::saturating_add)
    };
    let used = observed.live().and_then(used_in);
    // What waits in the free slot goes first.
    let freed = observed.live().and_then(|live| used_in(live.other())).unwrap_or_default();
    if let (Some(used), Some(free)) = (used, capacity.memory_free.map(|free| free.saturating_add(freed))) {
        // A version that comes is rarely smaller than the one that serves.
        let needed = used.saturating_add(used / 10);
        if free < needed {
            problems.push(format!(
                "{} of memory is available, and the live version uses {}: a second one needs about {}. With \
                 less, the kernel would kill one of the two. Stop what else runs there (`docker stats`), let the app run fewer processes, or \
                 add swap. Where the live version leaks, `cargo xtask rollback` skips this check",
                megabytes(free),
                megabytes(used),
                megabytes(needed)
            ));
        }
    }
    problems
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

#[cfg(test)]
mod tests;
