//! The script that prepares a server: folders, ports, the site, the upstream file, the sudo rules. Pure: it is printed, read by
//! a person, and run by root on the server. What it does is `scripts/setup.sh`; here it is told for which environment.

use crate::rules::config::{Config, Slots, SwitchMode};
use crate::rules::nginx::routes::{self, Choices};
use crate::rules::nginx::{self, Upstream};
use crate::rules::script::text::plain;
use crate::rules::script::{self, quote};
use crate::rules::shared_constants;

/// A bash script for root, that can be run again. `user` is who deploys.
///
/// The site file is written only where none is: a site has certificates and rules of its own.
pub fn script(config: &Config, user: &str, switching: SwitchMode) -> String {
    let environment = &config.environment;
    let values: String = values(config, user, switching)
        .into_iter()
        .map(|(name, value)| format!("{name}={}\n", quote(&value)))
        .collect();
    let texts = [
        ("upstream_text", upstream_text(config, switching)),
        (
            "include_text",
            nginx::switch_include(&config.environment.nginx.upstream, further(config), &script::look_ups(config)),
        ),
        ("static_text", script::static_locations(config, switching)),
        ("site_text", site(config, switching)),
    ];
    let texts: String =
        texts.iter().map(|(name, text)| format!("{name}() {{\n  cat <<'FILE'\n{text}FILE\n}}\n")).collect();
    format!(
        "#!/usr/bin/env bash\n\
         # Prepares this server for `cargo xtask deploy --env {}`, {switching} mode. Run as root; can be run again.\n\
         set -euo pipefail\nexport PATH=\"$PATH:/usr/local/sbin:/usr/sbin:/sbin\"\numask 022\n{}{}{values}\n{texts}\n{}",
        environment.name,
        shared_constants::TEXT,
        plain!("plain_request.sh"),
        plain!("setup.sh"),
    )
}

fn values(config: &Config, user: &str, switching: SwitchMode) -> Vec<(&'static str, String)> {
    let (nginx, url) = (&config.environment.nginx, &config.environment.url);
    let yes = |given: bool| if given { "yes" } else { "no" }.to_owned();
    let needed = needed_in_site(config, switching);
    vec![
        ("name", config.project.name.clone()),
        ("folder", config.environment.folder.clone()),
        ("user", user.to_owned()),
        ("mode", switching.to_string()),
        ("upstream", nginx.upstream.clone()),
        ("upstream_file", nginx.upstream_file.clone()),
        ("site_file", nginx.site_file.clone()),
        ("include_file", include_file(config)),
        ("static_file", nginx::static_include_file(&config.project.name)),
        ("static_paths", config.static_files.keys().cloned().collect::<Vec<String>>().join(" ")),
        ("variables", nginx::variables_of(&nginx.upstream)),
        ("request_log", script::request_log(config)),
        ("log_for_all", nginx::LOG_FOR_ALL.to_owned()),
        ("log_in_site", nginx::LOG_IN_SITE.to_owned()),
        ("sudo_file", sudo_file(config)),
        ("live_host", nginx::live_host(&config.project.name)),
        ("needed", needed.word),
        ("needed_lines", needed.lines.join(" ")),
        ("more_upstreams", further(config).collect::<Vec<&str>>().join(" ")),
        ("more_given", more_given(config)),
        ("more_ports", config.more_webs.iter().map(|web| web.port.to_string()).collect::<Vec<String>>().join(" ")),
        ("web", config.project.web.clone()),
        ("more_services", config.more_webs.iter().map(|web| web.service.as_str()).collect::<Vec<&str>>().join(" ")),
        ("slots_given", yes(config.fixed.slots)),
        ("blue", config.slots.blue.to_string()),
        ("green", config.slots.green.to_string()),
        ("live_given", yes(config.fixed.live_port)),
        ("live_port", nginx.live_port.to_string()),
        ("listen_ipv6", LISTEN_IPV6.to_owned()),
        ("site_scheme", if url.tls { "https" } else { "http" }.to_owned()),
        ("site_host", url.host.clone()),
        ("site_port", url.port.to_string()),
        ("site_path", format!("{}{}", url.path, config.health.path)),
    ]
}

/// What a site needs that a person has written.
pub struct Needed {
    /// Where this is not in it, the lines are.
    pub word: String,
    pub lines: Vec<String>,
}

/// What leads a site to the live slot.
pub fn needed_in_site(config: &Config, switching: SwitchMode) -> Needed {
    let upstream = &config.environment.nginx.upstream;
    let pass = nginx::proxy_lines(upstream, switching).lines().next().unwrap_or_default().trim().to_owned();
    let dollar = if switching == SwitchMode::Instant { "$" } else { "" };
    let include = (switching == SwitchMode::Instant).then(|| format!("include {};", include_file(config)));
    Needed { word: format!("proxy_pass http://{dollar}{upstream}"), lines: include.into_iter().chain([pass]).collect() }
}

/// The upstreams of further web services.
fn further(config: &Config) -> impl Iterator<Item = &str> {
    config.more_webs.iter().map(|web| web.upstream.as_str())
}

/// Of each further web service the ports that are given, as `BLUE:GREEN`, or `-`.
fn more_given(config: &Config) -> String {
    let given = config.more_webs.iter().map(|web| match web.fixed {
        true => format!("{}:{}", web.slots.blue, web.slots.green),
        false => "-".to_owned(),
    });
    given.collect::<Vec<String>>().join(" ")
}

/// Ports that stand for those that are found on the server, and no others'.
const MARKED: [(u16, &str); 3] = [(1, "@BLUE@"), (2, "@GREEN@"), (3, "@LIVE@")];

/// nginx's file with marks in the places of ports, and in reload mode of the live slot. Those of further web services have their number.
fn upstream_text(config: &Config, switching: SwitchMode) -> String {
    let [(blue, _), (green, _), (live_port, _)] = MARKED;
    let mut more_webs = config.more_webs.clone();
    let mut marked: Vec<(u16, String)> = MARKED.iter().map(|(port, mark)| (*port, (*mark).to_owned())).collect();
    for (web, number) in more_webs.iter_mut().zip(1_u16..) {
        web.slots = Slots { blue: 10 * number, green: 10 * number + 1 };
        marked.extend([(web.slots.blue, format!("@BLUE{number}@")), (web.slots.green, format!("@GREEN{number}@"))]);
    }
    let slots = Slots { blue, green };
    let upstream = Upstream { slots, live_port, more_webs: &more_webs, ..script::upstream_of(config) };
    let text = match switching {
        SwitchMode::Instant => upstream.instant(&script::look_ups(config)),
        SwitchMode::Reload => upstream.reload_marked("@SLOT@", |number, _| match number {
            0 => "@PORT@".to_owned(),
            number => format!("@PORT{number}@"),
        }),
    };
    marked
        .iter()
        .fold(text, |text, (port, mark)| text.replace(&format!("127.0.0.1:{port};"), &format!("127.0.0.1:{mark};")))
}

/// The line that a site has too where the server has IPv6.
const LISTEN_IPV6: &str = "    listen [::]:80;";

/// The text of a site without what depends on the server.
pub(in crate::rules) fn without_ipv6(site: &str) -> String {
    site.replace(&format!("{LISTEN_IPV6}\n"), "")
}

/// Where sudo has the rule that lets the deploying user reload nginx.
pub fn sudo_file(config: &Config) -> String {
    format!("/etc/sudoers.d/{}-deploy", config.project.name)
}

fn include_file(config: &Config) -> String {
    nginx::switch_include_file(&config.project.name)
}

pub(in crate::rules) fn site(config: &Config, switching: SwitchMode) -> String {
    let environment = &config.environment;
    // `map` stands at the level of all sites, so its variable carries the environment's name.
    let variable = format!("{}_upgrade", config.project.name.replace('-', "_"));
    let mut choices = Choices::new(&config.environment.nginx.upstream, switching);
    let locations = nginx::locations(&routes::of_webs(config), &mut choices);
    let locations = locations.replace("$connection_upgrade", &format!("${variable}"));
    let mut include = match switching {
        SwitchMode::Reload => String::new(),
        SwitchMode::Instant => format!("    include {};\n", include_file(config)),
    };
    if !config.static_files.is_empty() {
        include.push_str(&format!("    include {};\n", nginx::static_include_file(&config.project.name)));
    }
    format!(
        "{map}\nserver {{\n    listen 80;\n    server_name {name};\n    client_max_body_size 100m;\n{include}{locations}}}\n",
        map = nginx::upgrade_map(&variable),
        name = environment.url.host,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::config;

    #[test]
    fn the_script_is_what_was_reviewed() {
        let config = config();
        insta::assert_snapshot!("setup_instant", script(&config, "deploy", SwitchMode::Instant));
        insta::assert_snapshot!("setup_reload", script(&config, "deploy", SwitchMode::Reload));
    }

    #[test]
    fn two_environments_share_no_file() {
        let prod = config();
        let mut staging = prod.clone();
        staging.project.name = "shop-staging".to_owned();
        for file in [include_file, sudo_file] {
            assert_ne!(file(&prod), file(&staging));
        }
    }
}
