//! What a host told us, as plain data. Reading is here, asking is in `scripts/inspect.sh`, deciding is in `plan`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::config::{Config, NginxOwner, Switching};
use crate::nginx;
use crate::release::{LABEL_PROJECT, LABEL_RELEASE, LABEL_SLOT, ReleaseId, Slot, slot_project};

/// The state of a host at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The slot nginx itself says it obeys.
    pub answered: Option<Slot>,
    /// The slot that nginx's files name: what it would obey after a reload.
    pub filed: Option<Slot>,
    pub switching: Option<Switching>,
    pub site_file_found: bool,
    pub nginx_running: bool,
    /// Why this user cannot make nginx reload: sudo's or nginx's own words.
    pub nginx_problem: Option<String>,
    /// `docker compose` or `docker-compose`.
    pub compose: Option<String>,
    /// Why docker does not answer.
    pub docker_problem: Option<String>,
    pub containers: Vec<Container>,
    /// Containers of others that publish a slot's port on the host.
    pub foreign: Vec<(Slot, String)>,
    pub releases: Vec<StoredRelease>,
    /// Releases whose files a container of any kind has mounted.
    pub mounted: BTreeSet<ReleaseId>,
    /// `repository:tag` of the project's images.
    pub images: BTreeSet<String>,
    /// Slots on whose port somebody listens.
    pub listening: BTreeSet<Slot>,
    /// Bytes free where the releases are.
    pub disk_free: u64,
    /// The last line of the record.
    pub last_record: Option<String>,
}

/// A container that runs, or ran, in a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub slot: Slot,
    /// `None`: started by something else than this tool (the compose file itself, before the first deploy).
    pub release: Option<ReleaseId>,
    /// Docker's word: `running`, `exited`, `restarting`, …
    pub status: String,
    /// Docker's word: `healthy`, `starting`, `unhealthy`; empty without a health check.
    pub health: String,
    pub restarts: u32,
    /// RFC 3339.
    pub started_at: String,
}

impl Container {
    pub fn running(&self) -> bool {
        self.status == "running"
    }

    /// Whether it runs, or will again by itself: Docker restarts one that crashes over and over.
    pub fn active(&self) -> bool {
        matches!(self.status.as_str(), "running" | "restarting" | "paused")
    }
}

/// A release that is complete on the host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredRelease {
    pub id: ReleaseId,
    /// sha256 of its `.env`, hexadecimal.
    pub env_sum: String,
    /// Seconds since 1970 when it last became the one that serves; `None`: it never served well.
    pub served_at: Option<u64>,
}

impl Observed {
    /// The slot that routes: what nginx answers, and where it does not run, what it will obey when it starts.
    pub fn live(&self) -> Option<Slot> {
        self.answered.or(self.filed)
    }

    /// What is in a slot: the container that runs, before one that is stopped.
    pub fn occupant(&self, slot: Slot) -> Option<&Container> {
        let of_slot = || self.containers.iter().filter(move |container| container.slot == slot);
        of_slot().find(|container| container.running()).or_else(|| of_slot().next())
    }

    /// The release that serves.
    pub fn live_release(&self) -> Option<&ReleaseId> {
        self.occupant(self.live()?).filter(|container| container.running())?.release.as_ref()
    }

    /// Why traffic cannot be moved where that takes a reload.
    pub fn reload_problem(&self) -> Option<String> {
        let problem = self.nginx_problem.as_ref().filter(|_| self.switching == Some(Switching::Reload))?;
        Some(match problem.contains("[emerg]") {
            true => format!("nginx refuses its configuration as it is now, so it cannot be reloaded: {problem}"),
            false => format!(
                "this user may not run `sudo nginx -t` and `sudo nginx -s reload` without a password; `cargo xtask setup` \
                 prints the rules ({problem})"
            ),
        })
    }

    pub fn release(&self, id: &ReleaseId) -> Option<&StoredRelease> {
        self.releases.iter().find(|release| release.id == *id)
    }

    /// Releases that have served well, the latest first.
    pub fn good_releases(&self) -> Vec<&StoredRelease> {
        let mut good: Vec<&StoredRelease> =
            self.releases.iter().filter(|release| release.served_at.is_some()).collect();
        good.sort_by_key(|release| std::cmp::Reverse((release.served_at, release.id.clone())));
        good
    }
}

/// Reads what `inspect.sh` printed.
///
/// # Errors
/// When the text is cut short or a line is not what the script prints: never guessed around.
pub fn parse(text: &str, config: &Config) -> Result<Observed> {
    if text.lines().next_back() != Some("end") {
        bail!("the host's report is cut short");
    }
    let mut observed = Observed::default();
    let mut upstream = String::new();
    let mut flag = false;
    // docker prints an empty line for a container that has gone since it was listed.
    for line in text.lines().filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let read = || format!("reading the host's report, line {line:?}");
        match fields[..] {
            ["live", answer] => observed.answered = Slot::from_name(answer),
            ["flag", _] => flag = true,
            ["upstream", text] => upstream = lines(text),
            ["site", text] => {
                observed.site_file_found = !text.is_empty();
                observed.switching = nginx::switching_of_site(&lines(text), &config.environment.nginx.upstream);
            }
            ["nginx", _] => observed.nginx_running = true,
            ["nginx-problem", problem] => observed.nginx_problem = Some(problem.to_owned()),
            ["compose", tool] => observed.compose = Some(tool.to_owned()).filter(|tool| !tool.is_empty()),
            ["docker-problem", problem] => observed.docker_problem = Some(problem.trim().to_owned()),
            ["container", ..] => read_container(&fields, config, &mut observed).with_context(read)?,
            ["image", name] => drop(observed.images.insert(name.to_owned())),
            ["release", id, env_sum, served_at] => observed.releases.extend(read_release(id, env_sum, served_at)),
            ["listening", port] => {
                let slots = Slot::BOTH.into_iter().filter(|slot| config.slots.port(*slot).to_string() == port);
                observed.listening.extend(slots);
            }
            ["disk-free", bytes] => observed.disk_free = bytes.parse().with_context(read)?,
            ["last-record", record] => observed.last_record = Some(record.to_owned()).filter(|text| !text.is_empty()),
            ["end"] | ["docker", _] => {}
            _ => bail!("{}", read()),
        }
    }
    if let NginxOwner::Private(switching) = config.environment.nginx.owner {
        observed.switching = Some(switching);
        observed.site_file_found = true;
    }
    observed.filed = match observed.switching {
        Some(Switching::Instant) if flag => Some(Slot::Green),
        Some(Switching::Instant) => Some(Slot::Blue),
        Some(Switching::Reload) => nginx::slot_in_upstream(&upstream, &config.environment.nginx.upstream, config.slots),
        None => None,
    };
    Ok(observed)
}

/// A file's text travels as one field: its line ends as carriage returns, its tabs as spaces.
fn lines(text: &str) -> String {
    text.replace('\r', "\n")
}

/// A folder that is not named like a release was not made by us and is left alone.
fn read_release(id: &str, env_sum: &str, served_at: &str) -> Option<StoredRelease> {
    let id = ReleaseId::parse(id).ok()?;
    Some(StoredRelease { id, env_sum: env_sum.to_owned(), served_at: served_at.parse().ok() })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default)]
    host_port: String,
}

fn read_container(fields: &[&str], config: &Config, observed: &mut Observed) -> Result<()> {
    let [_, id, name, status, health, restarts, started_at, labels, ports, mounts] = fields[..] else {
        bail!("a container with {} fields", fields.len());
    };
    let labels: Option<BTreeMap<String, String>> = serde_json::from_str(labels).context("its labels")?;
    let labels = labels.unwrap_or_default();
    let label = |name: &str| labels.get(name).map(String::as_str);
    let mounts: Option<Vec<Mount>> = serde_json::from_str(mounts).context("its mounts")?;
    let releases = format!("{}/releases/", config.environment.folder);
    let mounted = mounts.iter().flatten().filter_map(|mount| mount.source.strip_prefix(&releases));
    let project = config.project.name.as_str();
    let ours = label(LABEL_PROJECT) == Some(project);
    let compose_project = label("com.docker.compose.project");
    let one_off = label("com.docker.compose.oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let slot = label(LABEL_SLOT).and_then(Slot::from_name);
    let of_slot = slot.filter(|slot| ours && !one_off && compose_project == Some(&slot_project(project, *slot)));
    if !ours || status == "running" {
        let ids = mounted.filter_map(|path| ReleaseId::parse(path.split('/').next().unwrap_or_default()).ok());
        observed.mounted.extend(ids);
    }
    let ports: Option<BTreeMap<String, Option<Vec<Binding>>>> = serde_json::from_str(ports).context("its ports")?;
    let ports = ports.unwrap_or_default();
    let publishes = |slot: Slot| {
        let port = config.slots.port(slot).to_string();
        ports.values().flatten().flatten().any(|binding| binding.host_port == port)
    };
    let before_us =
        compose_project == Some(project) && label("com.docker.compose.service") == Some(&config.project.web);
    let published = Slot::BOTH.into_iter().find(|slot| publishes(*slot));
    let (slot, release) = match (of_slot, published) {
        (Some(slot), _) => (slot, label(LABEL_RELEASE).and_then(|id| ReleaseId::parse(id).ok())),
        (None, Some(slot)) if before_us && !one_off => (slot, None),
        (None, Some(slot)) if status == "running" => {
            observed.foreign.push((slot, name.trim_start_matches('/').to_owned()));
            return Ok(());
        }
        _ => return Ok(()),
    };
    observed.containers.push(Container {
        id: id.to_owned(),
        name: name.trim_start_matches('/').to_owned(),
        slot,
        release,
        status: status.to_owned(),
        health: health.to_owned(),
        restarts: restarts.parse().context("its restart count")?,
        started_at: started_at.to_owned(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy_toml;
    use std::path::Path;

    const TOML: &str = r#"
        [project]
        name = "shop"
        app = "app"
        web = "web"
        [environments.prod]
        ssh = true
        folder = "/srv/shop"
        url = "https://shop.example"
        nginx = {}
    "#;

    fn config() -> Config {
        deploy_toml::load(TOML, Path::new("/repo/deploy.toml"), "prod", &BTreeMap::new()).unwrap()
    }

    fn read(lines: &[&str]) -> Observed {
        parse(&format!("{}\nend\n", lines.join("\n")), &config()).unwrap()
    }

    fn container(name: &str, status: &str, labels: &str, ports: &str, mounts: &str) -> String {
        format!(
            "container\tid-{name}\t/{name}\t{status}\thealthy\t0\t2026-01-31T17:45:02Z\t{labels}\t{ports}\t{mounts}"
        )
    }

    const OURS: &str = r#"{"deploy.project":"shop","deploy.slot":"green","deploy.release":"20260131-174502-1a2b3c4","com.docker.compose.project":"shop-green","com.docker.compose.oneoff":"False"}"#;
    const ON_8001: &str = r#"{"8000/tcp":[{"HostIp":"127.0.0.1","HostPort":"8001"}]}"#;

    #[test]
    fn nginx_is_believed_before_its_file() {
        let site = "site\tserver {\r  location / { proxy_pass http://shop_backend; }\r}";
        let upstream = "upstream\tupstream shop_backend {\r  server 127.0.0.1:8000;\r}";
        let running = read(&["live\tgreen", upstream, site, "nginx\trunning"]);
        assert_eq!((running.answered, running.filed), (Some(Slot::Green), Some(Slot::Blue)));
        assert_eq!((running.switching, running.live()), (Some(Switching::Reload), Some(Slot::Green)));
        let stopped = read(&["live\t", upstream, site]);
        assert_eq!((stopped.nginx_running, stopped.live()), (false, Some(Slot::Blue)));
        let instant = read(&["live\t", "flag\tgreen", "site\tlocation / { proxy_pass http://$shop_backend; }"]);
        assert_eq!((instant.switching, instant.live()), (Some(Switching::Instant), Some(Slot::Green)));
    }

    #[test]
    fn a_slot_is_read_from_its_containers_labels() {
        let slot = container("shop-green", "running", OURS, ON_8001, "[]");
        let hook = container("hook", "running", &OURS.replace("False", "True"), "{}", "[]");
        let observed = read(&["live\tgreen", &slot, &hook]);
        assert_eq!(observed.containers.len(), 1, "a hook's container was taken for a slot's");
        assert_eq!(observed.live_release().map(ReleaseId::as_str), Some("20260131-174502-1a2b3c4"));
    }

    #[test]
    fn a_container_of_before_the_first_deploy_is_told_from_a_strangers() {
        let before = r#"{"com.docker.compose.project":"shop","com.docker.compose.service":"web"}"#;
        let observed = read(&[&container("shop_web_1", "running", before, ON_8001, "null")]);
        assert_eq!(observed.occupant(Slot::Green).map(|c| c.release.clone()), Some(None));
        let observed = read(&[&container("other", "running", "null", ON_8001, "null")]);
        assert_eq!((observed.containers.len(), observed.foreign), (0, vec![(Slot::Green, "other".to_owned())]));
    }

    #[test]
    fn a_release_whose_file_an_accessory_has_mounted_is_known() {
        let mounts =
            r#"[{"Source":"/srv/shop/releases/20260131-174502-1a2b3c4/prometheus.yml"},{"Source":"/etc/hosts"}]"#;
        let observed = read(&[&container("prometheus", "exited", "{}", "{}", mounts)]);
        assert_eq!(observed.mounted.iter().map(ReleaseId::as_str).collect::<Vec<_>>(), ["20260131-174502-1a2b3c4"]);
    }

    #[test]
    fn releases_that_served_come_latest_first_and_other_folders_are_left_alone() {
        let observed = read(&[
            "release\t20260131-174502-1a2b3c4\tsum\t100",
            "release\t20260131-174503-1a2b3c4\tsum\t",
            "release\t20260131-174504-1a2b3c4\tsum\t50",
            "release\t2026-notes\tsum\t1",
        ]);
        let good: Vec<&str> = observed.good_releases().into_iter().map(|release| release.id.as_str()).collect();
        assert_eq!(good, ["20260131-174502-1a2b3c4", "20260131-174504-1a2b3c4"]);
        assert_eq!(observed.releases.len(), 3);
    }

    #[test]
    fn a_report_that_is_cut_short_or_garbled_is_refused() {
        assert!(parse("live\tgreen\n", &config()).is_err());
        assert!(parse("live\tgreen\nwhat is this\nend\n", &config()).is_err());
        assert!(parse("container\tx\nend\n", &config()).is_err());
        assert!(parse("disk-free\tmuch\nend\n", &config()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_report_makes_it_panic(text in "([a-z-]{0,10}\t[^\n]{0,40}\n){0,6}") {
            drop(parse(&format!("{text}end\n"), &config()));
        }
    }
}
