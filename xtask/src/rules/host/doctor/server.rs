//! What a server says of itself, and what follows for the next deploy, rollback and reboot.

use super::Finding;
use super::facts::{Facts, Files};
use crate::rules::config::{Config, NginxOwner, Reach};
use crate::rules::host::observed::Observed;
use crate::rules::host::preflight;
use crate::rules::public_site::PublicSite;
use crate::rules::release::ReleaseId;

/// What was asked of a server.
pub struct Server<'a> {
    pub observed: &'a Observed,
    pub facts: &'a Facts,
    /// Seconds since 1970 by the clock of this machine, before it was asked and after.
    pub asked: (i64, i64),
    /// Why the site does not answer on the server as it should.
    pub site: Result<(), String>,
    pub public: Option<&'a PublicSite>,
    /// What `status` has to say.
    pub problems: &'a [String],
}

/// Seconds by which two clocks may differ: certificates, tokens and the order of releases go by them.
const CLOCK: i64 = 5;
/// Days before its end at which somebody should have renewed a certificate.
const CERTIFICATE_DAYS: i64 = 14;
/// Sessions of one connection that a deploy uses at once (OpenSSH allows 10 where nothing is set).
const SESSIONS: u32 = 4;

pub fn server(config: &Config, server: &Server) -> Vec<Finding> {
    let mut findings = vec![versions(server.facts)];
    findings.extend(nginx_keeps_connections(config, server.facts));
    findings.extend(clock(server));
    findings.extend(sshd(config, server.facts));
    findings.extend(ready(config, server));
    findings.extend(ended(server.observed));
    findings.push(site(config, server));
    findings.push(neighbours(server.facts));
    findings.extend(room(config, server.observed));
    findings.extend(reboot(config, server));
    findings.push(rollback(config, server));
    findings.extend(logs(server.facts));
    findings.extend(public(config, server));
    findings
}

fn versions(facts: &Facts) -> Finding {
    let names = ["system", "docker", "nginx"].into_iter().filter_map(|name| {
        let version = facts.versions.get(name)?;
        Some(if name == "system" { version.clone() } else { format!("{name} {version}") })
    });
    Finding::good("server", names.collect::<Vec<String>>().join(", "))
}

/// From 1.29.7 on nginx keeps connections to upstreams where nothing is set (nginx, CHANGES).
fn nginx_keeps_connections(config: &Config, facts: &Facts) -> Option<Finding> {
    let version = facts.versions.get("nginx")?;
    let number = version.split(|letter: char| !letter.is_ascii_digit() && letter != '.').next().unwrap_or_default();
    let numbers: Vec<u32> = number.split('.').map_while(|part| part.parse().ok()).collect();
    (config.environment.nginx.owner == NginxOwner::System && numbers >= vec![1, 29, 7]).then(|| {
        Finding::look(
            "nginx",
            format!(
                "nginx {version} keeps connections to the app open, so a drain that counts them takes all of its time"
            ),
            "add `keepalive 0;` to the upstreams, or `proxy_set_header Connection close;` to the locations",
        )
    })
}

fn clock(server: &Server) -> Option<Finding> {
    let (time, (before, after)) = (server.facts.time?, server.asked);
    let apart = if time < before { time - before } else { (time - after).max(0) };
    Some(match apart.abs() <= CLOCK {
        true => Finding::good("clock", "as here"),
        false => Finding::bad(
            "clock",
            format!("{} s {} this machine's", apart.abs(), if apart > 0 { "ahead of" } else { "behind" }),
            "certificates, tokens and the order of releases go by it",
            "on the server: timedatectl set-ntp true",
        ),
    })
}

fn sshd(config: &Config, facts: &Facts) -> Option<Finding> {
    if !matches!(config.environment.reach, Reach::Ssh(_)) {
        return None;
    }
    let sessions = facts.sshd.get("MaxSessions")?;
    let few = sessions.parse::<u32>().is_ok_and(|sessions| sessions < SESSIONS);
    few.then(|| {
        Finding::bad(
            "sshd",
            format!("MaxSessions is {sessions}"),
            format!("a deploy uses up to {SESSIONS} sessions of one connection"),
            format!("set `MaxSessions {SESSIONS}` or more in /etc/ssh/sshd_config, then: systemctl reload ssh"),
        )
    })
}

/// What keeps a deploy from beginning, as the deploy itself would say it.
fn ready(config: &Config, server: &Server) -> Vec<Finding> {
    let mut told: Vec<String> = match preflight::host(config, server.observed, Vec::new()) {
        Ok(_) => Vec::new(),
        Err(error) => format!("{error:#}").split("\n- ").skip(1).map(str::to_owned).collect(),
    };
    // Where docker does not answer, the deploy says it too.
    let same = |problem: &&String| server.observed.docker_problem.is_some() && problem.starts_with("docker does not");
    told.extend(server.problems.iter().filter(|problem| !same(problem)).cloned());
    told.extend(preflight::bypasses(server.observed));
    let mut once: Vec<String> = Vec::new();
    for problem in told {
        // The same may be told in fewer words.
        if !once.iter().any(|known| known.starts_with(&problem)) {
            once.push(problem);
        }
    }
    once.into_iter().map(|problem| Finding::problem("ready", problem)).collect()
}

/// Accessories that ended well, and that docker does not start again: it may be that their work is done.
fn ended(observed: &Observed) -> Vec<Finding> {
    let ended = observed.others.iter().filter(|other| !other.worker && !other.unmanaged && other.exit_code == 0);
    let ended = ended.filter(|other| matches!(other.status.as_str(), "exited" | "created"));
    let told = ended.map(|other| {
        Finding::look(
            "accessories",
            format!("{} ({}) does not run", other.service, other.name),
            "where its work is done, that is well; else give it `restart: unless-stopped` in the compose file, start its container anew, and deploy",
        )
    });
    told.collect()
}

fn site(config: &Config, server: &Server) -> Finding {
    let observed = server.observed;
    let mode = observed.switching.map_or("unknown".to_owned(), |mode| mode.to_string());
    let url = &config.environment.url;
    match (observed.live(), observed.live_release()) {
        (Some(slot), Some(release)) if server.site.is_ok() => {
            Finding::good("site", format!("{url}, {mode} mode, release {release} serves in slot {slot}"))
        }
        // Why, `status` says.
        (_, Some(_)) => Finding::problem("site", format!("{url} does not answer on the server as it should")),
        _ if !observed.known_good_releases().is_empty() => {
            Finding::problem("site", format!("{url}: no release serves, and some have served before"))
        }
        _ => Finding::look(
            "site",
            format!("{url}, {mode} mode, no release of this tool serves yet"),
            format!("cargo xtask deploy --env {}", config.environment.name),
        ),
    }
}

fn neighbours(facts: &Facts) -> Finding {
    let environments = facts.environments.iter().map(|(folder, name)| format!("environment {name} ({folder})"));
    let projects = facts.projects.keys().map(|name| format!("compose project {name}"));
    let all: Vec<String> = environments.chain(projects).collect();
    Finding::good("shares", if all.is_empty() { "the server with nobody".to_owned() } else { all.join(", ") })
}

/// Whether a second version fits beside the live one.
fn room(config: &Config, observed: &Observed) -> Vec<Finding> {
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    // One that is not there: the next.
    let problems = ReleaseId::parse("99991231-235959-0000000").map(|next| preflight::capacity(config, observed, &next));
    let problems = problems.unwrap_or_default();
    if problems.is_empty() {
        let memory = observed.capacity.memory_free.map_or("unknown".to_owned(), gigabytes);
        let used: u64 = observed.capacity.memory_used.values().sum();
        let used = if used == 0 {
            String::new()
        } else {
            format!("; the containers of this environment use {}", gigabytes(used))
        };
        let text = format!(
            "a second version fits: {} of disk and {memory} of memory are free{used}",
            gigabytes(observed.disk_free)
        );
        return vec![Finding::good("room", text)];
    }
    problems.into_iter().map(|problem| Finding::problem("room", problem)).collect()
}

/// What comes back by itself after the machine has started anew.
fn reboot(config: &Config, server: &Server) -> Vec<Finding> {
    let facts = server.facts;
    let mut findings = Vec::new();
    let is_private = matches!(config.environment.nginx.owner, NginxOwner::Private(_));
    for (unit, word) in facts.starts.iter().filter(|(unit, _)| !is_private || *unit != "nginx") {
        // Other words are of an engine or an nginx that is started in another way.
        if matches!(word.as_str(), "disabled" | "masked") {
            let remedy = format!("on the server: systemctl enable {unit}");
            findings.push(Finding::bad(
                "reboot",
                format!("{unit} does not start with the machine ({word})"),
                "the site would stay away after a reboot",
                remedy,
            ));
        }
    }
    let Some(containers) = &facts.containers else {
        findings.push(Finding::problem("reboot", "docker does not say which containers it would start again"));
        return findings;
    };
    let stays = |policy: &str| matches!(policy, "always" | "unless-stopped");
    let away: Vec<&str> = containers
        .iter()
        .filter(|one| one.status == "running" && !stays(&one.restart))
        .map(|one| one.name.as_str())
        .collect();
    if !away.is_empty() {
        findings.push(Finding::bad(
            "reboot",
            format!("docker would not start these again: {}", away.join(", ")),
            "they run now, and would be away after a reboot",
            "give the services `restart: unless-stopped` in the compose file, and deploy; of an accessory, start the container anew",
        ));
    }
    if findings.is_empty() {
        let running = containers.iter().filter(|one| one.status == "running").count();
        let unknown = if facts.starts.is_empty() {
            "; whether docker and nginx start is not known, as systemd does not run"
        } else {
            ""
        };
        let private = if is_private { "; the nginx of the tool's own starts with the next deploy" } else { "" };
        findings
            .push(Finding::good("reboot", format!("docker starts all {running} containers again{unknown}{private}")));
    }
    findings
}

/// The commit that a release was made of.
fn revision(release: &ReleaseId) -> &str {
    release.as_str().split('-').nth(2).unwrap_or_default()
}

/// What a rollback would find.
fn rollback(config: &Config, server: &Server) -> Finding {
    let observed = server.observed;
    if observed.docker_problem.is_some() {
        return Finding::look("rollback", "not known while docker does not answer", "start docker, and ask again");
    }
    let live = observed.live_release();
    let good = observed.known_good_releases();
    let Some(before) = good.iter().map(|release| &release.id).find(|id| Some(*id) != live) else {
        return Finding::look(
            "rollback",
            "there is no release to go back to yet",
            format!("the second good deploy leaves one: cargo xtask deploy --env {}", config.environment.name),
        );
    };
    let why = "the next failure would have to be mended by a deploy of its old commit, which takes longer";
    let deploy = format!("deploy the commit {} again, or a newer one twice", revision(before));
    let settings = observed.release(before).is_some_and(|release| release.settings.is_some());
    let files = match &server.facts.rollback {
        Some(Files::Whole | Files::Late) => None,
        Some(Files::Gone) => Some("its files are not on the server any more".to_owned()),
        Some(Files::Changed(paths)) => Some(format!("these files are no longer as they were shipped: {paths}")),
        None => Some("nobody can say whether its files are as they were shipped".to_owned()),
    };
    match (files, observed.has_images(before), settings) {
        (Some(files), _, _) => Finding::bad("rollback", format!("release {before}: {files}"), why, deploy),
        (None, _, false) => Finding::bad(
            "rollback",
            format!("the settings of release {before} were written by another version of this tool"),
            why,
            deploy,
        ),
        (None, false, true) => Finding::look(
            "rollback",
            format!(
                "images of release {before} are not on the server any more, so a rollback builds or pulls them first"
            ),
            "leave images of releases where they are: `docker image prune --all` and what runs it from time to time remove them",
        ),
        (None, true, true) if server.facts.rollback == Some(Files::Late) => Finding::look(
            "rollback",
            format!(
                "the files of release {before} could not be read within 20 s, so whether they are as they were shipped is not known"
            ),
            "a rollback looks before it touches anything",
        ),
        (None, true, true) => Finding::good("rollback", format!("release {before} has its images, files and settings")),
    }
}

/// A log that grows without end fills the disk.
fn logs(facts: &Facts) -> Option<Finding> {
    let endless = |driver: &str, size: &str| driver == "json-file" && size.is_empty();
    let names: Vec<&str> = facts
        .containers
        .iter()
        .flatten()
        .filter(|one| endless(&one.log_driver, &one.log_size))
        .map(|one| one.name.as_str())
        .collect();
    let text = match names.as_slice() {
        [] => return None,
        [name] => format!("docker keeps all that {name} has ever printed"),
        several => format!("docker keeps all that {} containers have ever printed", several.len()),
    };
    Some(Finding::look(
        "logs",
        text,
        "in /etc/docker/daemon.json: { \"log-driver\": \"local\" }, which keeps 100 MB of each (new containers have it from the next start of docker on)",
    ))
}

/// The site as its users reach it.
fn public(config: &Config, server: &Server) -> Vec<Finding> {
    let Some(public) = server.public else {
        return vec![Finding::good("outside", "not asked, as `public = false` says")];
    };
    let mut findings = vec![match &public.problem {
        None => Finding::good("outside", public.describe()),
        Some(_) => Finding::look(
            "outside",
            public.describe(),
            "look at DNS, the certificate, and what stands in front of the server; or set `public = false`",
        ),
    }];
    if config.environment.url.tls {
        let renews = !server.facts.renewals.is_empty();
        match public.certificate_days {
            Some(days) if days < CERTIFICATE_DAYS => findings.push(Finding::bad(
                "certificate",
                format!("valid for {days} more days"),
                "browsers and apps refuse the site from then on",
                "on the server: certbot renew, and look why nothing has renewed it",
            )),
            Some(days) if !renews => findings.push(Finding::look(
                "certificate",
                format!("valid for {days} more days, and nothing that this tool knows renews it"),
                "on the server: systemctl enable --now certbot.timer",
            )),
            Some(days) => findings.push(Finding::good(
                "certificate",
                format!("valid for {days} more days; {} renews it", server.facts.renewals.join(", ")),
            )),
            None => {}
        }
    }
    findings
}
