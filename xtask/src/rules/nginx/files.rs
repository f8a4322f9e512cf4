//! The files that nginx gets: the upstream file of both switch modes, the site's include, the private nginx.

use crate::rules::config::{SiteUrl, Slots, SwitchMode, Web};
use crate::rules::nginx::look_ups::{
    self, COUNTS, LookUps, MAINTENANCE, PREVIEW, ROUTES_HEADER, SHARES, switch_include, variables_of,
};
use crate::rules::nginx::maintenance;
use crate::rules::nginx::routes::{Choices, Leads, StaticPath};
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
            slot = slot_variable(self.upstream, live),
            both = self.both(),
            live_slot_endpoint = self.live_slot_endpoint("", live, SwitchMode::Reload),
        )
    }

    /// What the site passes requests to, and the slots behind it, of each web service.
    fn webs(&self) -> impl Iterator<Item = (&str, Slots)> {
        let further = self.more_webs.iter().map(|web| (web.upstream.as_str(), web.slots));
        [(self.upstream, self.slots)].into_iter().chain(further)
    }

    /// The instant mode's upstream file: never rewritten. `flag` is the file whose presence makes green the live slot.
    pub fn instant(&self, look_ups: &LookUps) -> String {
        let flag = &look_ups.flag;
        let mut choice =
            format!("    open_file_cache off;\n    set $slot blue;\n    if (-f {flag}) {{ set $slot green; }}\n");
        // A site that is taken out may have been the only one that sets them, and other files name them.
        for variable in ["slot", "counted"] {
            choice.push_str(&format!("    set ${}_{variable} '';\n", variables_of(self.upstream)));
        }
        choice.push_str(&format!("    add_header {ROUTES_HEADER} \"{PREVIEW} {SHARES} {MAINTENANCE} {COUNTS}\";\n"));
        for web in self.more_webs {
            choice.push_str(&format!("    set ${0} {0}_$slot;\n", web.upstream));
        }
        format!(
            "# The two slots. Which one is live is decided by the presence of {flag}.\n{}\n{}\n{}\n{}",
            self.both(),
            look_ups::maps(self.upstream, look_ups),
            maintenance::maps(self.upstream),
            self.live_slot_endpoint(&choice, "$slot", SwitchMode::Instant)
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
    /// Each further web service can be asked there as the site would ask it, wherever the site has it.
    fn live_slot_endpoint(&self, choice: &str, slot: &str, switching: SwitchMode) -> String {
        let answer = format!("return 200 \"{} {slot}\\n\";", self.name);
        let answer = match self.more_webs {
            // A `return` of the server itself would answer for the locations too.
            [] => format!("    {answer}\n"),
            webs => {
                let further: String = webs.iter().map(|web| location_of_web(web, switching)).collect();
                format!(
                    "    location = / {{\n        {answer}\n    }}\n    location / {{\n        return 404;\n    }}\n{further}"
                )
            }
        };
        format!(
            "# nginx itself says which slot it obeys.\nserver {{\n    listen 127.0.0.1:{};\n    server_name {};\n    access_log off;\n    \
             default_type text/plain;\n{choice}{answer}}}\n",
            self.live_port,
            live_host(self.name)
        )
    }
}

/// Below which path nginx can be asked for what is behind an upstream, under [`live_host`].
pub fn path_of_upstream(upstream: &str) -> String {
    format!("/web/{upstream}")
}

/// The header that says by which name the service is to be asked.
pub const NAME_HEADER: &str = "X-Deploy-Name";

fn location_of_web(web: &Web, switching: SwitchMode) -> String {
    let path = path_of_upstream(&web.upstream);
    format!(
        "    location {path}/ {{\n        rewrite ^{path}(/.*)$ $1 break;\n        proxy_pass http://{target};\n        \
         proxy_http_version 1.1;\n        proxy_set_header Host $http_{name};\n        proxy_set_header Connection close;\n    }}\n",
        target = target(&web.upstream, switching),
        name = NAME_HEADER.to_ascii_lowercase().replace('-', "_"),
    )
}

/// What `proxy_pass` names.
pub(super) fn target(upstream: &str, switching: SwitchMode) -> String {
    match switching {
        SwitchMode::Reload => upstream.to_owned(),
        SwitchMode::Instant => format!("${upstream}"),
    }
}

/// The live slot as a variable, for files that nginx serves itself.
fn slot_variable(upstream: &str, live: &str) -> String {
    format!("map $host ${}_slot {{\n    default {live};\n}}\n", variables_of(upstream))
}

/// The locations of files that nginx serves itself: those of the live slot first. A page that was loaded before a switch asks for files
/// of the version before, so those of the other slot come second. What neither has is the app's to answer, and everything is where the
/// live version has no such files: one of before there were any. `folder` has a folder of each slot; of each path it is said which
/// upstream has the app.
pub fn static_locations<'a>(
    upstream: &str,
    folder: &str,
    paths: &[StaticPath<'a>],
    choices: &mut Choices<'a>,
) -> String {
    let names = variables_of(upstream);
    // Each app once, whatever the number of its paths.
    let mut apps: Vec<(String, String)> = Vec::new();
    let mut locations = String::new();
    for StaticPath { path, app, not_in } in paths {
        let target = choices.target(*app);
        let app = format!("{}_app", if app.blue == app.green { app.blue } else { target.trim_start_matches('$') });
        let itself = not_in.map(|slot| format!("    if (${names}_slot = {slot}) {{ return 418; }}\n"));
        locations.push_str(&format!(
            "location {path}/ {{\n    root {folder};\n    open_file_cache off;\n    error_page 418 = @{app};\n{}    \
             if (!-d {folder}/${names}_slot) {{ return 418; }}\n    \
             try_files /${names}_slot$uri /blue$uri /green$uri @{app};\n}}\n",
            itself.unwrap_or_default()
        ));
        if !apps.iter().any(|(known, _)| *known == app) {
            apps.push((app, target));
        }
    }
    apps.sort();
    for (app, target) in apps {
        locations.push_str(&format!(
            "location @{app} {{\n    proxy_pass http://{target};\n    proxy_http_version 1.1;\n    proxy_set_header Host $http_host;\n    \
             proxy_set_header X-Real-IP $remote_addr;\n    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    \
             proxy_set_header X-Forwarded-Proto $scheme;\n    proxy_set_header Connection close;\n}}\n"
        ));
    }
    format!("# Files of a release that nginx serves itself.\n{locations}")
}

/// Where a server's nginx has them, for its site to include.
pub fn static_include_file(name: &str) -> String {
    format!("/etc/nginx/snippets/{name}-static.conf")
}

/// Where a server's nginx has the switch of the instant mode, for its site to include.
pub fn switch_include_file(name: &str) -> String {
    format!("/etc/nginx/snippets/{name}-switch.conf")
}

/// The name under which nginx is asked which slot of an environment it obeys.
pub fn live_host(name: &str) -> String {
    format!("{name}.deploy")
}

/// What a site's `location` says to reach the live slot: the target, headers, websockets.
pub fn proxy_lines(upstream: &str, switching: SwitchMode) -> String {
    lines_to(&target(upstream, switching))
}

fn lines_to(target: &str) -> String {
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
pub fn private_main(upstream_file: &str, site_file: &str, has_static_files: bool) -> String {
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path temp/{kind};\n"))
        .concat();
    // Without it, nginx would call every file `text/plain`. Nothing else here needs it.
    let types = if has_static_files { "    include /etc/nginx/mime.types;\n" } else { "" };
    format!(
        "# Rendered by cargo xtask; changes are overwritten by the next deploy.\nworker_processes 2;\npid nginx.pid;\n\
         error_log logs/error.log warn;\nevents {{\n    worker_connections 4096;\n}}\nhttp {{\n{types}    access_log off;\n{temp}\n    \
         include {upstream_file};\n    include {site_file};\n}}\n"
    )
}

/// The private nginx's site. `static_files`: what it says of them.
pub fn private_site<'a>(
    of: &Upstream,
    look_ups: &LookUps,
    url: &SiteUrl,
    static_files: &str,
    routes: &[(&'a str, Leads<'a>)],
    mut choices: Choices<'a>,
) -> String {
    let locations = locations(routes, &mut choices);
    let include = match choices.switching() {
        SwitchMode::Reload => String::new(),
        SwitchMode::Instant => {
            switch_include(of.upstream, of.more_webs.iter().map(|web| web.upstream.as_str()), look_ups)
        }
    };
    let lines = [include, choices.in_server(), static_files.to_owned()].concat();
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "{map}{maps}\nserver {{\n    listen 127.0.0.1:{port};\n    server_name {host};\n    client_max_body_size 100m;\n{lines}{locations}}}\n",
        map = upgrade_map("connection_upgrade"),
        maps = choices.in_http(),
        port = url.port,
        host = url.host,
    )
}

/// Where each web service is reached in a site that the tool writes itself: the first one at the root.
pub fn locations<'a>(routes: &[(&'a str, Leads<'a>)], choices: &mut Choices<'a>) -> String {
    let location = |(path, leads): &(&'a str, Leads<'a>)| {
        format!("\n    location {path} {{\n{}    }}\n", lines_to(&choices.target(*leads)))
    };
    routes.iter().map(location).collect()
}
