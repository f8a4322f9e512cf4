//! The files that nginx gets: the upstream file of both switch modes, the site's include, the private nginx.

use crate::rules::config::{SiteUrl, Slots, SwitchMode, Web};
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
    /// Web services beside the first one, which has the fields above.
    pub more_webs: &'a [Web],
    /// Files of the slots are served by nginx itself.
    pub has_static_files: bool,
}

impl Upstream<'_> {
    /// The reload mode's upstream file: rewritten at each switch.
    ///
    /// There is no `keepalive`: nginx then opens one connection per request to the slot, so that a connection that is open
    /// is a request in flight, which is what a drain waits for.
    pub fn reload(&self, live: Slot) -> String {
        let port = |_: usize, slots: Slots| slots.port(live).to_string();
        self.reload_marked(live.name(), port)
    }

    /// The same with other words for the live slot, and for the port of each web service by its number.
    pub fn reload_marked(&self, live: &str, port: impl Fn(usize, Slots) -> String) -> String {
        let upstreams: String = self
            .webs()
            .enumerate()
            .map(|(number, (upstream, slots))| {
                format!("upstream {upstream} {{\n    server 127.0.0.1:{};\n}}\n", port(number, slots))
            })
            .collect();
        format!(
            "# Written by `cargo xtask`; the live slot is {live}. Read by nginx at its next reload.\n{upstreams}{slot}\n# The two slots.\n{both}\n{live_slot_endpoint}",
            slot = if self.has_static_files { slot_variable(self.upstream, live) } else { String::new() },
            both = self.both(),
            live_slot_endpoint = self.live_slot_endpoint(&format!("    return 200 \"{} {live}\\n\";\n", self.name)),
        )
    }

    /// What the site passes requests to, and the slots behind it, of each web service.
    fn webs(&self) -> impl Iterator<Item = (&str, Slots)> {
        let further = self.more_webs.iter().map(|web| (web.upstream.as_str(), web.slots));
        [(self.upstream, self.slots)].into_iter().chain(further)
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
        let upstream = |(upstream, slots): (&str, Slots)| {
            Slot::BOTH
                .map(|slot| format!("upstream {upstream}_{slot} {{\n    server 127.0.0.1:{};\n}}\n", slots.port(slot)))
                .concat()
        };
        self.webs().map(upstream).collect()
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

/// The live slot as a variable, for files that nginx serves itself.
fn slot_variable(upstream: &str, live: &str) -> String {
    format!("map $host ${upstream}_slot {{\n    default {live};\n}}\n")
}

/// The locations of files that nginx serves itself: those of the live slot first. A page that was loaded before a switch asks for files
/// of the version before, so those of the other slot come second. `folder` has a folder of each slot.
pub fn static_locations<'a>(
    upstream: &str,
    switching: SwitchMode,
    flag: &str,
    folder: &str,
    paths: impl IntoIterator<Item = &'a String>,
) -> String {
    let variable = match switching {
        SwitchMode::Reload => String::new(),
        SwitchMode::Instant => {
            format!("set ${upstream}_slot blue;\nif (-f {flag}) {{ set ${upstream}_slot green; }}\n")
        }
    };
    let location = |path: &String| {
        format!(
            "location {path}/ {{\n    root {folder};\n    open_file_cache off;\n    try_files /${upstream}_slot$uri /blue$uri /green$uri =404;\n}}\n"
        )
    };
    let locations: String = paths.into_iter().map(location).collect();
    format!("# Files of a release that nginx serves itself.\n{variable}{locations}")
}

/// Where a server's nginx has them, for its site to include.
pub fn static_include_file(name: &str) -> String {
    format!("/etc/nginx/snippets/{name}-static.conf")
}

/// The name under which nginx is asked which slot of an environment it obeys.
pub fn live_host(name: &str) -> String {
    format!("{name}.deploy")
}

/// The instant mode's include for the site's `server` block.
///
/// Request bodies are not buffered: a buffered upload has chosen its slot but not connected to it yet, so a drain could
/// not see it (ngx_http_proxy_module, `proxy_request_buffering`).
pub fn switch_include<'a>(upstreams: impl IntoIterator<Item = &'a str>, flag: &str) -> String {
    let upstreams: Vec<&str> = upstreams.into_iter().collect();
    let blue: String = upstreams.iter().map(|upstream| format!("set ${upstream} {upstream}_blue;\n")).collect();
    let green: Vec<String> = upstreams.iter().map(|upstream| format!("set ${upstream} {upstream}_green;")).collect();
    format!(
        "# The switch: which slot serves is looked up at every request, so moving the traffic needs no reload.\n\
         open_file_cache off;\n{blue}if (-f {flag}) {{ {} }}\n\
         proxy_request_buffering off;\nproxy_http_version 1.1;\n",
        green.join(" ")
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
         error_log logs/error.log warn;\nevents {{\n    worker_connections 4096;\n}}\nhttp {{\n    include /etc/nginx/mime.types;\n    access_log off;\n{temp}\n    \
         include {upstream_file};\n    include {site_file};\n}}\n"
    )
}

/// The private nginx's site. `static_files`: what it says of them.
pub fn private_site(of: &Upstream, switching: SwitchMode, flag: &str, url: &SiteUrl, static_files: &str) -> String {
    let include = match switching {
        SwitchMode::Reload => String::new(),
        SwitchMode::Instant => switch_include(of.webs().map(|(upstream, _)| upstream), flag),
    };
    let lines: String = [include.as_str(), static_files].concat().lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "{map}\nserver {{\n    listen 127.0.0.1:{port};\n    server_name {host};\n    client_max_body_size 100m;\n{lines}{locations}}}\n",
        map = upgrade_map("connection_upgrade"),
        port = url.port,
        host = url.host,
        locations = locations(of, switching),
    )
}

/// Where each web service is reached in a site that the tool writes itself: the first one at the root.
pub fn locations(of: &Upstream, switching: SwitchMode) -> String {
    let first = [("/", of.upstream)];
    let further = of.more_webs.iter().map(|web| (web.path.as_str(), web.upstream.as_str()));
    let location = |(path, upstream): (&str, &str)| {
        format!("\n    location {path} {{\n{}    }}\n", proxy_lines(upstream, switching))
    };
    first.into_iter().chain(further).map(location).collect()
}
