//! What a deploy cannot do with a compose project, told all at once before anything is touched.

use serde_json::Value;

use super::data::{is_folder, of_release};
use super::keys;
use super::project::{Project, Service};
use super::{RenderInput, Roles};
use crate::rules::config::Slots;
use crate::rules::release::Slot;

/// What is refused: of which service, if of one; the reason, and what to change.
pub struct Refusal {
    pub service: Option<String>,
    pub text: String,
}

/// Everything that is refused.
pub fn all(project: &Project, roles: &Roles, rendering: &RenderInput) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut tell = |service: Option<&str>, texts: Vec<String>| {
        found.extend(texts.into_iter().map(|text| Refusal { service: service.map(str::to_owned), text }));
    };
    for (name, service) in roles.released() {
        tell(Some(name), out_of_its_file(name, service));
        tell(Some(name), build_context(name, service, rendering).into_iter().collect());
        tell(Some(name), for_another_processor(name, service, rendering).into_iter().collect());
    }
    for (name, service) in &project.services {
        tell(Some(name), above_the_app(name, service, rendering));
        tell(Some(name), of_the_tool(name, service, rendering));
        tell(Some(name), path_within_a_text(name, service, rendering).into_iter().collect());
        tell(Some(name), without_end(name, service));
        tell(Some(name), configs_of_v1(name, service, project).into_iter().collect());
    }
    tell(None, volumes_in_a_release(project, rendering));
    for (name, web) in roles.webs() {
        tell(Some(name), more_than_one(name, web));
        tell(Some(name), unreachable(name, web, project).into_iter().collect());
    }
    for (name, service) in roles.accessories() {
        tell(Some(name), forgotten(name, service, roles, rendering).into_iter().collect());
        tell(Some(name), bound_to_a_release(name, service, roles));
        tell(Some(name), proxy(name, service, rendering).into_iter().collect());
    }
    for (name, service) in project.services.iter().filter(|(name, _)| !rendering.is_web(name)) {
        let slots = [rendering.slots].into_iter().chain(rendering.more_webs.iter().map(|web| web.slots));
        tell(Some(name), slots.filter_map(|slots| port_of_a_slot(name, service, slots)).collect());
    }
    found
}

/// Keys that the table does not know are passed on, and named. At the top level compose prints its own `name`, and what begins with
/// `x-` says nothing to it.
pub fn unknown_keys(project: &Project) -> Vec<String> {
    let top = project.rest.keys().filter(|key| *key != "name" && !key.starts_with("x-"));
    let top: Vec<String> = top.map(|key| format!("`{key}`")).collect();
    let of_top = (!top.is_empty()).then(|| {
        format!(
            "the compose file has keys beside its services that this tool does not know, and leaves out: {}",
            top.join(", ")
        )
    });
    let mut unknown = Vec::new();
    for (name, service) in &project.services {
        let keys = service.rest.keys().filter(|key| !keys::is_known(key));
        unknown.extend(keys.map(|key| format!("`{key}` (service `{name}`)")));
    }
    let of_services = (!unknown.is_empty()).then(|| {
        format!(
            "the compose file has keys that this tool does not know; they are passed on as they are: {}",
            unknown.join(", ")
        )
    });
    of_top.into_iter().chain(of_services).collect()
}

/// Compose v1 prints such a line as it is, and fails with a traceback of Python when it is to run. What v2 cannot take apart, it refuses.
fn without_end(name: &str, service: &Service) -> Vec<String> {
    let lines = service.lines_without_end().into_iter();
    let told = lines.map(|key| {
        format!(
            "service `{name}` has a `{key}` of one line in which a quote or a backslash has no end; it may come from the value of a variable. \
             Write it as a list, where values stand as they are: `{key}: [program, \"${{VARIABLE}}\"]`"
        )
    });
    told.collect()
}

/// Compose v1 leaves them out with a warning, and the container starts without its file.
fn configs_of_v1(name: &str, service: &Service, project: &Project) -> Option<String> {
    let used = service.rest.get("configs").and_then(Value::as_array).is_some_and(|used| !used.is_empty());
    (used && project.is_of_v1()).then(|| {
        format!(
            "service `{name}` has `configs`, which docker-compose v1 leaves out of the container: mount the file \
             (`volumes: [./file:/path:ro]`), have it as one of `secrets`, or use compose v2"
        )
    })
}

/// What refers to other services in ways that do not survive being taken out of the file.
fn out_of_its_file(name: &str, service: &Service) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(mode) = &service.network_mode {
        found.push(format!(
            "service `{name}` has `network_mode: {mode}`; a deploy needs it on networks, where two versions are told apart"
        ));
    }
    if service.rest.get("volumes_from").is_some_and(|from| !from.is_null()) {
        found.push(format!("service `{name}` has `volumes_from`; name the volume or folder itself"));
    }
    if service.rest.get("provider").is_some_and(|provider| !provider.is_null()) {
        found.push(format!("service `{name}` has `provider`, so it is not a container and a deploy cannot replace it"));
    }
    for key in ["ipc", "pid"] {
        if let Some(mode) = service.rest.get(key).and_then(Value::as_str).filter(|mode| mode.contains(':')) {
            found.push(format!(
                "service `{name}` has `{key}: {mode}`; a deploy runs it in a separate compose project, without that other container or service"
            ));
        }
    }
    let other_name = |link: &&String| link.split_once(':').is_some_and(|(service, alias)| service != alias);
    if let Some(link) = service.links.iter().flatten().find(other_name) {
        found.push(format!(
            "service `{name}` has the link `{link}`, which gives another name; services find each other by their own names, so use that"
        ));
    }
    found
}

/// What is not in the release does not come along; above it, other releases and their secrets lie.
fn build_context(name: &str, service: &Service, rendering: &RenderInput) -> Option<String> {
    let (context, _) = service.build.as_ref()?.source();
    let context = context.filter(|context| context.starts_with('/'))?;
    let release_folder = rendering.release_folder();
    super::data::inside(context, &release_folder).is_none().then(|| {
        format!(
            "service `{name}` is built from a folder outside of `app` ([project] in deploy.toml); only that folder is packaged, so \
             let `app` be the folder that holds both, and `compose` the file's path in it"
        )
    })
}

/// A build sees the release without its `.env`, in a folder of its own. A path that stands within a longer text cannot be led
/// there, and would let an image have the secrets.
fn path_within_a_text(name: &str, service: &Service, rendering: &RenderInput) -> Option<String> {
    let release_folder = rendering.release_folder();
    let text = text_around(&serde_json::json!(service.build.as_ref()?), &release_folder)?;
    Some(format!(
        "the `build` of service `{name}` has the release's own path within `{}`; name the file by its path in the build context instead",
        text.replace(&release_folder, "…")
    ))
}

/// The first text or key that has the path in it, but does not begin with it as a text.
fn text_around(value: &Value, path: &str) -> Option<String> {
    let around = |text: &str| text.contains(path).then(|| text.to_owned());
    match value {
        Value::String(text) if super::data::inside(text, path).is_some_and(|rest| !rest.contains(path)) => None,
        Value::String(text) => around(text),
        Value::Array(values) => values.iter().find_map(|value| text_around(value, path)),
        Value::Object(fields) => {
            fields.iter().find_map(|(key, value)| around(key).or_else(|| text_around(value, path)))
        }
        _ => None,
    }
}

fn above_the_app(name: &str, service: &Service, rendering: &RenderInput) -> Vec<String> {
    let told = super::data::above_the_app(service, rendering).into_iter().map(|path| {
        format!(
            "service `{name}` mounts `{path}` from above the folder `app` ([project] in deploy.toml), which alone is packaged; let `app` be \
             the folder that holds both, or mount an absolute path of the host"
        )
    });
    told.collect()
}

/// Docker would say that it cannot find the image, and look for it in a registry.
fn for_another_processor(name: &str, service: &Service, rendering: &RenderInput) -> Option<String> {
    let platform = service.rest.get("platform")?.as_str()?;
    // As docker itself reads them (containerd, `platforms.Normalize`).
    let named = platform.split('/').nth(1)?.to_ascii_lowercase();
    let wanted = match named.as_str() {
        "x86_64" | "x86-64" => "amd64",
        "i386" => "386",
        "aarch64" => "arm64",
        "armhf" | "armel" => "arm",
        other => other,
    };
    (!rendering.processors.is_empty() && !rendering.processors.contains(wanted)).then(|| {
        let can: Vec<&str> = rendering.processors.iter().map(String::as_str).collect();
        format!(
            "service `{name}` has `platform: {platform}`, which this host cannot run (it runs {}): take the line out, or give the host an \
             emulation of that processor (binfmt_misc)",
            can.join(", ")
        )
    })
}

fn of_the_tool(name: &str, service: &Service, rendering: &RenderInput) -> Vec<String> {
    let told = super::data::of_the_tool(service, rendering).into_iter().map(|source| {
        format!(
            "service `{name}` mounts `{source}`, where it could change what is kept of releases in {folder}; mount the folder that it \
             needs (data is in {folder}/shared). A relative path that leads above the folder `app` leads there too",
            folder = rendering.folder,
        )
    });
    told.collect()
}

/// A volume whose device lies in a release would go with it.
fn volumes_in_a_release(project: &Project, rendering: &RenderInput) -> Vec<String> {
    let releases = format!("{}/releases", rendering.folder);
    let device = |resource: &super::project::Resource| {
        Some(resource.rest.get("driver_opts")?.get("device")?.as_str()?.to_owned())
    };
    let volumes = project.volumes.iter().filter_map(|(key, resource)| Some((key, device(resource.as_ref()?)?)));
    let inside = volumes.filter(|(_, device)| super::data::inside(device, &releases).is_some());
    let told = inside.map(|(key, device)| {
        format!("the volume `{key}` has its `device` {device} in a release, with which it would go; give an absolute path of the host")
    });
    told.collect()
}

/// What would let two versions of the web service collide.
fn more_than_one(name: &str, web: &Service) -> Vec<String> {
    let replicas = web.deploy.as_ref().and_then(|deploy| deploy.get("replicas")).and_then(Value::as_u64);
    let counts = [replicas, web.scale].into_iter().flatten().filter(|count| *count != 1);
    let told = counts.map(|count| {
        format!(
            "service `{name}` asks for {count} containers; a slot is one container on one port, so let the server inside it have \
             more workers"
        )
    });
    told.collect()
}

/// Docker publishes no port of a container that is on internal networks alone.
fn unreachable(name: &str, web: &Service, project: &Project) -> Option<String> {
    let keys = web.network_keys();
    let internal = keys.iter().all(|key| project.is_internal(key));
    internal.then(|| {
        format!(
            "service `{name}` is on networks that are `internal` only, and of such a container docker publishes no port, so nginx \
             could not reach it; put it on one that is not internal too"
        )
    })
}

/// A service of the release's own code that no deploy would renew: accessories stay as they are.
fn forgotten(name: &str, service: &Service, roles: &Roles, rendering: &RenderInput) -> Option<String> {
    if rendering.declared_accessories.iter().any(|declared| declared == name) {
        return None;
    }
    let same_code = |(_, web): &(&str, &Service)| {
        let built = matches!((&service.build, &web.build), (Some(own), Some(webs)) if own.source() == webs.source());
        built || (service.build.is_none() && service.image.is_some() && service.image == web.image)
    };
    let code = mounts_the_code(service, roles, rendering);
    let why = match roles.webs().find(same_code) {
        Some((web, _)) => format!("runs the same code as `{web}`"),
        None if service.build.is_some() => "is built from this repository".to_owned(),
        None if code.is_some() => format!("has the release's folder `{}` mounted", code.unwrap_or_default()),
        None => return None,
    };
    let keeps = format!(
        "service `{name}` {why}, and deploy.toml names it nowhere, so it would keep its first version for ever"
    );
    if roles.one_shots.contains(name) {
        let words = service.command_words().map_or("its command".to_owned(), |words| format!("{words:?}"));
        // A hook runs in the image of the first web service.
        let first = roles.webs().take(1).any(|web| same_code(&web));
        return Some(match first {
            true => format!(
                "{keeps}. Others wait for it to complete, so it is a job of each deploy: run it with `before_boot = [{words}]` ([hooks]), \
                 and name the service in `off` ([project])"
            ),
            false => format!(
                "{keeps}. Others wait for it to complete. Hooks (`before_boot`) run in the image of `{}`: have it do this job for each deploy, \
                 and name the service in `off` ([project]); or name the service in `accessories`, where it runs once, and \
                 again only where its definition changes in the compose file",
                roles.web_name
            ),
        });
    }
    Some(format!(
        "{keeps}. If it answers requests of users, let it be a web service beside the first one (`[web.{name}]`). Else add it to `workers`, which are \
         replaced at each deploy; or to `accessories`, if it is meant to stay as it is. If it ends by \
         itself, as a migration does, run it with `before_boot` ([hooks]); then, and if it is not for servers, name it in `off` ([project]), or \
         give it a profile (`profiles: [tools]`)"
    ))
}

/// The folder of code that it mounts: the app's own, one that is built from, or one that web and workers mount too.
fn mounts_the_code(service: &Service, roles: &Roles, rendering: &RenderInput) -> Option<String> {
    let release_folder = rendering.release_folder();
    let contexts = roles.webs().filter_map(|(_, web)| web.build.as_ref()?.source().0);
    let contexts: Vec<&str> = contexts.filter_map(|context| super::data::inside(context, &release_folder)).collect();
    let of_the_code: Vec<String> = roles
        .released()
        .flat_map(|(_, service)| of_release(service, &release_folder))
        .map(|(path, _)| path)
        .filter(|path| is_folder(rendering.commit, path))
        .collect();
    let mounted = of_release(service, &release_folder).into_iter().map(|(path, _)| path);
    let code = mounted.filter(|path| {
        let whole = path.is_empty()
            || contexts.iter().any(|context| context == path || context.starts_with(&format!("{path}/")));
        whole || (is_folder(rendering.commit, path) && of_the_code.contains(path))
    });
    code.map(|path| if path.is_empty() { ".".to_owned() } else { path }).next()
}

/// An accessory that cannot be without the one web service: there are two, and it is never restarted.
fn bound_to_a_release(name: &str, service: &Service, roles: &Roles) -> Vec<String> {
    let released: Vec<&str> = roles.released().map(|(name, _)| name).collect();
    let mut found = Vec::new();
    let mut tell = |what: String, other: &str| {
        found.push(format!(
            "service `{name}` has `{what}`: `{other}` is replaced at each deploy, and `{name}` is not. Let it find `{other}` by a name that \
             leads to the slots (`{other}-blue`, `{other}-green`), or by the site's address; or make it a worker"
        ));
    };
    for link in service.links.iter().flatten() {
        let other = link.split(':').next().unwrap_or_default();
        if released.contains(&other) {
            tell(format!("links: {link}"), other);
        }
    }
    let modes = [("ipc", service.rest.get("ipc")), ("pid", service.rest.get("pid"))];
    let modes = modes.into_iter().filter_map(|(key, value)| Some((key, value?.as_str()?)));
    for (key, mode) in modes.chain(service.network_mode.iter().map(|mode| ("network_mode", mode.as_str()))) {
        if let Some(other) = mode.strip_prefix("service:").filter(|other| released.contains(other)) {
            tell(format!("{key}: {mode}"), other);
        }
    }
    for from in
        service.rest.get("volumes_from").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        let other = from.split(':').next().unwrap_or_default();
        if released.contains(&other) {
            tell(format!("volumes_from: {from}"), other);
        }
    }
    found
}

/// Images whose business is to pass requests on.
const PROXIES: [&str; 5] = ["nginx", "caddy", "traefik", "haproxy", "envoy"];

/// The host's nginx has these ports, and moves the traffic; a proxy of the project's own would not.
fn proxy(name: &str, service: &Service, rendering: &RenderInput) -> Option<String> {
    let published = service.published();
    let remedy = format!(
        "the host's nginx is the proxy here. Move what `{name}` does into nginx's site, and name the service in `off` ([project] in \
         deploy.toml), or give it a profile (`profiles: [proxy]`)"
    );
    let taken = |port: &u16| rendering.nginx_ports.contains(port);
    if let Some(port) = published.iter().filter_map(|port| port.outside).find(taken) {
        return Some(format!("service `{name}` publishes port {port}, on which nginx listens: {remedy}"));
    }
    let image = service.image.as_deref().and_then(|image| image.rsplit('/').next()).unwrap_or_default();
    let is_proxy = PROXIES.contains(&image.split([':', '@']).next().unwrap_or_default());
    let behind = service.dependencies().into_iter().find(|other| rendering.is_web(other));
    let outside = published.iter().find(|port| !port.loopback)?;
    let declared = rendering.declared_accessories.iter().any(|declared| declared == name);
    let why = behind.map_or_else(|| format!("is `{image}`"), |web| format!("depends on `{web}`"));
    ((behind.is_some() || is_proxy) && !declared).then(|| {
        format!(
            "service `{name}` {why} and publishes port {inside} to the outside, so it may be a proxy that goes past the \
             slots: {remedy}. If it is none, name it in `accessories` ([project] in deploy.toml)",
            inside = outside.inside,
        )
    })
}

/// On a slot's port nobody else may listen.
fn port_of_a_slot(name: &str, service: &Service, slots: Slots) -> Option<String> {
    let ports = service.published();
    let taken = |slot: &Slot| ports.iter().any(|published| published.outside == Some(slots.port(*slot)));
    let slot = Slot::BOTH.into_iter().find(taken)?;
    Some(format!(
        "service `{name}` publishes port {}, which is that of slot {slot}: give the service another one (`ports` in the compose file), \
         or the slots (`slots` in deploy.toml)",
        slots.port(slot)
    ))
}
