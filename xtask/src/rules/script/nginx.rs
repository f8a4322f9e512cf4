//! What nginx is told: files, a reload, the switch.

use std::time::Duration;

use super::text::{MINUTES, SHORT, bundle, changing, script};
use super::{Input, Priority, Script};
use crate::rules::config::{Config, Environment, NginxOwner, SwitchMode};
use crate::rules::engine::compose::RenderedCompose;
use crate::rules::maintenance::Closing;
use crate::rules::nginx::routes::{self, Choices};
use crate::rules::nginx::{self, LookUps, RequestLog, Upstream};
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::secret::Secret;
use crate::rules::shared_constants::{
    COUNT_FILE, FLAG_FILE, LIVE_UPSTREAM_FILE, MAINTENANCE_FOLDER, ROUTES_FOLDER, STATIC_FOLDER,
};
use crate::rules::utc;

/// The flag file of the instant mode.
pub fn flag(config: &Config) -> String {
    format!("{}/{FLAG_FILE}", config.environment.folder)
}

/// What nginx looks up at each request in the instant mode.
pub fn look_ups(config: &Config) -> LookUps {
    let in_folder = |path: &str| format!("{}/{path}", config.environment.folder);
    let health = |web: &Config| format!("{}{}", config.environment.url.path, web.health.path);
    let further = config.more_webs.iter().filter(|web| !web.health.connect);
    let further = further.map(|web| format!("{}{}", web.path.trim_end_matches('/'), web.health.path));
    // What follows a path is no part of `$uri`.
    let paths =
        [health(config)].into_iter().chain(further).map(|path| path.split('?').next().unwrap_or_default().to_owned());
    LookUps {
        flag: flag(config),
        routes: in_folder(ROUTES_FOLDER),
        maintenance: in_folder(MAINTENANCE_FOLDER),
        client_cookie: Some(config.canary.cookie.clone()).filter(|name| !name.is_empty()),
        count: in_folder(COUNT_FILE),
        log: match config.environment.nginx.owner {
            NginxOwner::System => RequestLog::OfServer,
            NginxOwner::Private(_) => RequestLog::InSite(request_log(config)),
        },
        always: paths.filter(|path| path.len() > 1 && path.bytes().all(is_plain)).collect(),
    }
}

/// Where nginx writes a line of each request while they are counted. The system's log rotation does not touch a file of this name.
pub fn request_log(config: &Config) -> String {
    match config.environment.nginx.owner {
        NginxOwner::System => format!("/var/log/nginx/{}.deploy-requests", config.project.name),
        NginxOwner::Private(_) => format!("{}/nginx/logs/requests", config.environment.folder),
    }
}

/// Whether nginx reads a byte of a path as itself.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/_.~-".contains(&byte)
}

/// Closes the site but for these, with this page.
pub fn close_site(config: &Config, closing: &Closing) -> Script {
    let until = closing.until.map(utc::http).unwrap_or_default();
    let arguments = [config.environment.folder.clone(), until].into_iter().chain(closing.lets_in.iter().cloned());
    let close = script("close the site", changing!("close_site.sh"), SHORT, arguments);
    Script { input: Input::Bytes(closing.page.clone()), priority: Priority::Full, ..close }
}

/// Opens it again.
pub fn open_site(config: &Config) -> Script {
    let open = script("open the site", changing!("open_site.sh"), SHORT, [config.environment.folder.clone()]);
    Script { priority: Priority::Full, ..open }
}

/// What nginx is to know of the environment.
pub fn upstream_of(config: &Config) -> Upstream<'_> {
    let nginx = &config.environment.nginx;
    Upstream {
        name: &config.project.name,
        upstream: &nginx.upstream,
        slots: config.slots,
        live_port: nginx.live_port,
        more_webs: &config.more_webs,
    }
}

/// Lets who carries a secret reach a version that is held in a slot, and nobody whom an earlier one let.
pub fn hold(config: &Config, slot: Slot, secret: &Secret) -> Script {
    let hold =
        script("hold the version", changing!("hold.sh"), SHORT, [config.environment.folder.clone(), slot.to_string()]);
    Script { input: Input::Secret(secret.clone()), ..hold }
}

/// Gives a slot that does not serve a share of all clients, in hundredths.
pub fn share(config: &Config, slot: Slot, percent: u8) -> Script {
    let arguments = [config.environment.folder.clone(), slot.to_string(), percent.to_string()];
    Script { priority: Priority::Full, ..script("give a share", changing!("share.sh"), SHORT, arguments) }
}

/// Raises it to nearly all.
pub fn ramp(config: &Config, slot: Slot, seconds: u64) -> Script {
    let slots = [config.slots].into_iter().chain(config.more_webs.iter().map(|web| web.slots));
    let ports = slots.map(|slots| slots.port(slot).to_string());
    let arguments = [config.environment.folder.clone(), slot.to_string(), seconds.to_string()].into_iter().chain(ports);
    let limit = SHORT + Duration::from_secs(seconds);
    Script { priority: Priority::Full, ..script("raise the share", changing!("ramp.sh"), limit, arguments) }
}

/// Counts the requests of each slot, from a byte of nginx's log of them on; none: it begins anew.
pub fn count_requests(config: &Config, from: Option<u64>) -> Script {
    let from = from.map_or("-1".to_owned(), |from| from.to_string());
    let arguments = [config.environment.folder.clone(), request_log(config), from];
    script("count the requests", changing!("count_requests.sh"), SHORT, arguments)
}

/// Lets nobody reach one any more.
pub fn end_preview(config: &Config) -> Script {
    script("end the preview", changing!("end_preview.sh"), SHORT, [config.environment.folder.clone()])
}

/// Makes the upstream file name what nginx obeys.
pub fn align_upstream(config: &Config, live: Slot) -> Script {
    let arguments = [config.environment.folder.clone(), config.environment.nginx.upstream_file.clone()];
    let align = script("write the upstream file", changing!("write_upstream.sh"), SHORT, arguments);
    Script { input: Input::Bytes(upstream(config, live).into_bytes()), ..align }
}

fn upstream(config: &Config, live: Slot) -> String {
    let webs = routes::known_webs(config);
    Upstream { more_webs: &webs, ..upstream_of(config) }.reload(live)
}

/// The command by which this user may test and reload nginx.
fn nginx_words(config: &Config) -> Vec<String> {
    match config.environment.nginx.owner {
        NginxOwner::System => ["sudo", "-n", "nginx"].map(str::to_owned).to_vec(),
        NginxOwner::Private(_) => {
            let prefix = format!("{}/nginx", config.environment.folder);
            ["nginx".to_owned(), "-p".to_owned(), format!("{prefix}/"), "-c".to_owned(), format!("{prefix}/nginx.conf")]
                .to_vec()
        }
    }
}

/// Moves the traffic.
pub fn switch(config: &Config, switching: SwitchMode, to: Slot) -> Script {
    let folder = config.environment.folder.clone();
    match switching {
        SwitchMode::Instant => {
            let switch = script("switch the traffic", changing!("switch_instant.sh"), SHORT, [folder, to.to_string()]);
            Script { priority: Priority::Full, ..switch }
        }
        SwitchMode::Reload => {
            let mut arguments = vec![folder, config.environment.nginx.upstream_file.clone()];
            arguments.extend(nginx_words(config));
            let switch = script("switch the traffic", changing!("switch_reload.sh"), SHORT, arguments);
            Script { input: Input::Bytes(upstream(config, to).into_bytes()), priority: Priority::Full, ..switch }
        }
    }
}

/// What nginx is told of the files that it serves itself; nothing where there are none.
pub fn static_locations(config: &Config, switching: SwitchMode) -> String {
    static_locations_by(config, &mut Choices::new(&config.environment.nginx.upstream, switching))
}

fn static_locations_by<'a>(config: &'a Config, choices: &mut Choices<'a>) -> String {
    let paths = routes::of_static_files(config);
    if paths.is_empty() {
        return String::new();
    }
    let folder = format!("{}/{STATIC_FOLDER}", config.environment.folder);
    nginx::static_locations(&config.environment.nginx.upstream, &folder, &paths, choices)
}

/// Copies the files of a release that nginx serves itself out of its images.
pub fn static_files(config: &Config, release: &ReleaseId, files: Option<&RenderedCompose>) -> Script {
    let arguments = [config.environment.folder.clone(), release.to_string()];
    let folders = config.static_files.iter().flat_map(|(path, folder)| {
        let image = files.and_then(|files| files.images.get(&folder.service)).cloned().unwrap_or_default();
        [path.clone(), image, folder.path.clone()]
    });
    script("copy static files", changing!("static_files.sh"), MINUTES, arguments.into_iter().chain(folders))
}

/// Makes the tool's own nginx run.
pub fn private_nginx(config: &Config, switching: SwitchMode, live: Slot) -> Script {
    let Environment { folder, nginx, url, .. } = &config.environment;
    let look_ups = look_ups(config);
    let webs = routes::known_webs(config);
    let known = Upstream { more_webs: &webs, ..upstream_of(config) };
    let upstream = match switching {
        SwitchMode::Reload => known.reload(live),
        SwitchMode::Instant => known.instant(&look_ups),
    };
    let mut choices = Choices::new(&nginx.upstream, switching);
    let static_files = static_locations_by(config, &mut choices);
    let routes = routes::of_webs(config);
    let files = [
        ("nginx.conf", nginx::private_main(&nginx.upstream_file, &nginx.site_file, !static_files.is_empty())),
        ("site.conf", nginx::private_site(&known, &look_ups, url, &static_files, &routes, choices)),
        (LIVE_UPSTREAM_FILE, upstream),
    ];
    let arguments = [folder.clone(), switching.to_string(), live.to_string()];
    let start = script("start the private nginx", changing!("private_nginx.sh"), SHORT, arguments);
    // The nginx that it starts serves.
    Script { input: Input::Bytes(bundle(&files)), priority: Priority::Full, ..start }
}
