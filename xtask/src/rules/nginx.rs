//! What nginx reads: the upstream file of both switch modes, the site include, the private nginx; and reading back
//! from such files which mode a site is in and which slot they name.
//!
//! In both modes nginx itself answers on a loopback port with the slot it obeys. A file says what nginx will obey after
//! its next reload; only nginx says what it obeys now.

pub mod setup;

use crate::rules::config::{SiteUrl, Slots, SwitchMode};
use crate::rules::release::Slot;

/// What nginx knows of an environment's slots.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// The environment's name on the host, which nginx gives beside the slot it obeys.
    pub name: &'a str,
    /// What the site passes requests to.
    pub upstream: &'a str,
    pub slots: Slots,
    /// Where nginx says which slot it obeys.
    pub live_port: u16,
}

impl Upstream<'_> {
    /// The reload mode's upstream file: rewritten at each switch.
    ///
    /// There is no `keepalive`: nginx then opens one connection per request to the slot, so that a connection that is open
    /// is a request in flight, which is what a drain waits for.
    pub fn reload(&self, live: Slot) -> String {
        self.reload_marked(live.name(), &self.slots.port(live).to_string())
    }

    /// The same with other words for the live slot and its port.
    pub fn reload_marked(&self, live: &str, port: &str) -> String {
        format!(
            "# Written by `cargo xtask`; the live slot is {live}. Read by nginx at its next reload.\n\
             upstream {upstream} {{\n    server 127.0.0.1:{port};\n}}\n\n# The two slots.\n{both}\n{live_slot_endpoint}",
            upstream = self.upstream,
            both = self.both(),
            live_slot_endpoint = self.live_slot_endpoint(&format!("    return 200 \"{} {live}\\n\";\n", self.name)),
        )
    }

    /// The instant mode's upstream file: never rewritten. `flag` is the file whose presence makes green the live slot.
    pub fn instant(&self, flag: &str) -> String {
        let choice = format!(
            "    open_file_cache off;\n    set $slot blue;\n    if (-f {flag}) {{ set $slot green; }}\n    return 200 \"{} $slot\\n\";\n",
            self.name
        );
        format!(
            "# The two slots. Which one is live is decided by the presence of {flag}.\n{}\n{}",
            self.both(),
            self.live_slot_endpoint(&choice)
        )
    }

    /// An upstream for each slot; they say which ports are the slots'.
    fn both(&self) -> String {
        let slot = |slot: Slot| {
            format!("upstream {}_{slot} {{\n    server 127.0.0.1:{};\n}}\n", self.upstream, self.slots.port(slot))
        };
        Slot::BOTH.map(slot).concat()
    }

    /// nginx's own answer to which slot of which environment it obeys; on the loopback only, under a name of its own, so that
    /// any number of environments share the port.
    fn live_slot_endpoint(&self, answer: &str) -> String {
        format!(
            "# nginx itself says which slot it obeys.\nserver {{\n    listen 127.0.0.1:{};\n    server_name {};\n    access_log off;\n    \
             default_type text/plain;\n{answer}}}\n",
            self.live_port,
            live_host(self.name)
        )
    }
}

/// The name under which nginx is asked which slot of an environment it obeys.
pub fn live_host(name: &str) -> String {
    format!("{name}.deploy")
}

/// The slot in nginx's answer `NAME SLOT`. An answer of another name is none.
pub fn slot_in_answer(answer: &str, name: &str) -> Option<Slot> {
    let (of, slot) = answer.trim().split_once(' ')?;
    (of == name).then(|| Slot::from_name(slot)).flatten()
}

/// The instant mode's include for the site's `server` block.
///
/// Request bodies are not buffered: a buffered upload has chosen its slot but not connected to it yet, so a drain could
/// not see it (ngx_http_proxy_module, `proxy_request_buffering`).
pub fn switch_include(upstream: &str, flag: &str) -> String {
    format!(
        "# The switch: which slot serves is looked up at every request, so moving the traffic needs no reload.\n\
         open_file_cache off;\nset ${upstream} {upstream}_blue;\nif (-f {flag}) {{ set ${upstream} {upstream}_green; }}\n\
         proxy_request_buffering off;\nproxy_http_version 1.1;\n"
    )
}

/// What a site's `location` says to reach the live slot: the target, headers, websockets.
pub fn proxy_lines(upstream: &str, switching: SwitchMode) -> String {
    let target = match switching {
        SwitchMode::Reload => upstream.to_owned(),
        SwitchMode::Instant => format!("${upstream}"),
    };
    format!(
        "        proxy_pass http://{target};\n        proxy_http_version 1.1;\n        proxy_set_header Host $http_host;\n        \
         proxy_set_header X-Real-IP $remote_addr;\n        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n        \
         proxy_set_header X-Forwarded-Proto $scheme;\n        proxy_set_header Upgrade $http_upgrade;\n        \
         proxy_set_header Connection $connection_upgrade;\n        proxy_read_timeout 120s;\n"
    )
}

/// `Connection: upgrade` where the client asked for one, else `close`, so that the application ends each connection and
/// keeps its remains (TIME_WAIT) with itself. Where nginx ends them, docker's proxy of the published port collects them
/// for 60 s each, and at 470 requests a second it has no port left to connect from: 502.
pub fn upgrade_map(variable: &str) -> String {
    format!("map $http_upgrade ${variable} {{\n    default upgrade;\n    '' close;\n}}\n")
}

/// The private nginx's main file; paths are relative to its prefix.
pub fn private_main(upstream_file: &str, site_file: &str) -> String {
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path temp/{kind};\n"))
        .concat();
    format!(
        "# Rendered by cargo xtask; changes are overwritten by the next deploy.\nworker_processes 2;\npid nginx.pid;\n\
         error_log logs/error.log warn;\nevents {{\n    worker_connections 4096;\n}}\nhttp {{\n    access_log off;\n{temp}\n    \
         include {upstream_file};\n    include {site_file};\n}}\n"
    )
}

/// The private nginx's site.
pub fn private_site(upstream: &str, switching: SwitchMode, flag: &str, url: &SiteUrl) -> String {
    let include = match switching {
        SwitchMode::Reload => String::new(),
        SwitchMode::Instant => switch_include(upstream, flag).lines().map(|line| format!("    {line}\n")).collect(),
    };
    format!(
        "{map}\nserver {{\n    listen 127.0.0.1:{port};\n    server_name {host};\n    client_max_body_size 100m;\n{include}\n    \
         location / {{\n{proxy}    }}\n}}\n",
        map = upgrade_map("connection_upgrade"),
        port = url.port,
        host = url.host,
        proxy = proxy_lines(upstream, switching),
    )
}

/// Which mode a site file is in: `proxy_pass` to the upstream, or to the variable that the switch include sets.
pub fn switching_of_site(site: &str, upstream: &str) -> Option<SwitchMode> {
    let passes = |target: &str| {
        directives(site).any(|line| {
            line.strip_prefix("proxy_pass")
                .map(str::trim)
                .is_some_and(|to| to.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        })
    };
    if passes(&format!("http://${upstream}")) {
        Some(SwitchMode::Instant)
    } else if passes(&format!("http://{upstream}")) {
        Some(SwitchMode::Reload)
    } else {
        None
    }
}

/// Whether the text turns nginx's memory of file lookups off. It is inherited where nothing else is said, and with it a
/// flag that came or went would be seen up to a minute later (ngx_http_core_module, `open_file_cache`,
/// `open_file_cache_valid`).
pub fn looks_up_uncached(text: &str) -> bool {
    directives(text).any(|line| line.split_whitespace().eq(["open_file_cache", "off"]))
}

/// The flag that an upstream file of the instant mode looks for.
pub fn flag_of_upstream(text: &str) -> Option<String> {
    let test = directives(text).find_map(|line| line.strip_prefix("if (-f ").map(str::to_owned))?;
    Some(test.trim_end().strip_suffix(')')?.trim().to_owned())
}

/// The slot whose port the upstream file of the reload mode names, also where a person wrote it.
pub fn slot_in_upstream(text: &str, upstream: &str, slots: Slots) -> Option<Slot> {
    let mut inside = false;
    for directive in directives(text) {
        if let Some(name) = directive.strip_prefix("upstream") {
            inside = name.trim() == upstream;
        } else if let (true, Some(server)) = (inside, directive.strip_prefix("server ")) {
            let address = server.split_whitespace().next().unwrap_or_default();
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            return Slot::BOTH.into_iter().find(|slot| port == Some(slots.port(*slot)));
        }
    }
    None
}

/// Each directive, or block head, without comments. No quoting is understood: neither file needs it.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split(['{', '}', ';']))
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: Slots = Slots { blue: 8000, green: 8001 };
    const UPSTREAM: Upstream = Upstream { name: "gifty", upstream: "gifty_backend", slots: SLOTS, live_port: 8002 };

    #[test]
    fn an_answer_of_another_environment_is_none() {
        for answer in ["gifty-staging blue", "gift blue", "blue", "gifty", "gifty red", ""] {
            assert_eq!(slot_in_answer(answer, "gifty"), None, "{answer:?}");
        }
    }

    #[test]
    fn the_upstream_file_says_which_slot_it_names() {
        for slot in Slot::BOTH {
            let file = UPSTREAM.reload(slot);
            assert_eq!(slot_in_upstream(&file, "gifty_backend", SLOTS), Some(slot), "{file}");
            assert_eq!(slot_in_answer(&format!("gifty {slot}\n"), "gifty"), Some(slot));
        }
        assert_eq!(flag_of_upstream(&UPSTREAM.instant("/srv/live/green")).as_deref(), Some("/srv/live/green"));
        assert_eq!(flag_of_upstream(&UPSTREAM.reload(Slot::Blue)), None);
        let by_hand = "upstream other { server 127.0.0.1:8001; }\n# upstream gifty_backend { server x:8001; }\n\
                       upstream gifty_backend { server 127.0.0.1:8000 weight=1; }";
        assert_eq!(slot_in_upstream(by_hand, "gifty_backend", SLOTS), Some(Slot::Blue));
        assert_eq!(slot_in_upstream("", "gifty_backend", SLOTS), None);
        let elsewhere = "upstream gifty_backend { server 10.0.0.1:9000; }";
        assert_eq!(slot_in_upstream(elsewhere, "gifty_backend", SLOTS), None);
    }

    #[test]
    fn the_mode_is_read_from_the_site_file() {
        let site = |target: &str| format!("server {{\n  location / {{ proxy_pass {target}; }}\n}}");
        let mode = |target: &str| switching_of_site(&site(target), "gifty_backend");
        assert_eq!(mode("http://gifty_backend"), Some(SwitchMode::Reload));
        assert_eq!(mode("http://gifty_backend/"), Some(SwitchMode::Reload));
        assert_eq!(mode("http://$gifty_backend"), Some(SwitchMode::Instant));
        assert_eq!(mode("http://127.0.0.1:8000"), None);
        assert_eq!(mode("http://gifty_backend_old"), None);
        assert_eq!(switching_of_site("# proxy_pass http://gifty_backend;", "gifty_backend"), None);
        for switching in [SwitchMode::Reload, SwitchMode::Instant] {
            let url = SiteUrl { tls: false, host: "localhost".into(), port: 8080, path: String::new() };
            let ours = private_site("gifty_backend", switching, "/srv/live/green", &url);
            assert_eq!(switching_of_site(&ours, "gifty_backend"), Some(switching), "{ours}");
        }
    }
}
