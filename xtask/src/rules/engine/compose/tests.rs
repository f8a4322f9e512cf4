//! What becomes of a project like many: a web service, two workers (one with another build), a database, monitoring.
//! `config_v1.yml` and `config_v2.json` are what docker-compose 1.29.2 and docker compose 2.26.1 printed for it.

use serde_json::json;

use super::*;
use crate::rules::shared_constants::LABEL_SLOT;

mod mounts;
mod refusals;
mod resources;

const PRINTED: [(&str, &str); 2] = [("v1", include_str!("config_v1.yml")), ("v2", include_str!("config_v2.json"))];

/// No command names one.
static NO_IMAGES: BTreeMap<String, GivenImage> = BTreeMap::new();

const WORKERS: [&str; 2] = ["scheduler", "scraper"];

/// What the project's commit has below its folder.
fn commit() -> Commit {
    Commit::new(
        ["Dockerfile", "app/main.py", "prometheus.yml", "scraper/Dockerfile", "uploads/.gitkeep"]
            .map(|path| (path.to_owned(), format!("sum of {path}"))),
    )
}

/// Where the release is in what compose printed.
const FOLDER: &str = "/srv/shop";

fn rendered_with<'a>(config: &str, change: impl FnOnce(&mut RenderInput<'a>)) -> Result<RenderedCompose> {
    // What a test changes lives as long as its own values do.
    let workers = Box::leak(Box::new(WORKERS.map(str::to_owned)));
    let release = Box::leak(Box::new(ReleaseId::parse("20260131-174502-1a2b3c4").unwrap()));
    let (commit, found) = Box::leak(Box::new((commit(), BTreeMap::new())));
    let mut rendering: RenderInput<'a> = RenderInput {
        project: "shop",
        production: "shop",
        folder: FOLDER,
        web: "api",
        more_webs: &[],
        workers,
        off: &[],
        declared_accessories: &[],
        shared: &[],
        web_port: 8000,
        release,
        slot: Slot::Green,
        slots: Slots { blue: 8000, green: 8001 },
        nginx_ports: &[80, 443],
        images: &NO_IMAGES,
        commit,
        processors: Box::leak(Box::default()),
        found,
        profiles: None,
    };
    change(&mut rendering);
    render(config, &rendering)
}

fn rendered(config: &str) -> Result<RenderedCompose> {
    rendered_with(config, |_| {})
}

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_slot_file_is_what_was_reviewed() {
    for (flavour, config) in PRINTED {
        insta::assert_snapshot!(format!("slot_{flavour}"), rendered(config).unwrap().slot);
    }
}

#[test]
fn a_slot_is_one_service_on_its_own_port_and_tied_to_nothing() {
    for (flavour, config) in PRINTED {
        let slot = file(&rendered(config).unwrap().slot);
        let services = slot["services"].as_object().unwrap();
        assert_eq!(services.keys().collect::<Vec<_>>(), ["api-green"], "{flavour}");
        let api = &services["api-green"];
        assert_eq!(api["image"], "shop-api:20260131-174502-1a2b3c4");
        assert_eq!(api["ports"], json!(["127.0.0.1:8001:8000"]));
        for gone in ["build", "depends_on", "container_name", "profiles"] {
            assert!(api.get(gone).is_none(), "{flavour}: {gone} is still there");
        }
        assert_eq!(api["stop_grace_period"], "40s", "{flavour}");
        assert_eq!(api["labels"][LABEL_SLOT], "green");
        assert_eq!(api["environment"]["RELEASE_ID"], "20260131-174502-1a2b3c4");
    }
}

#[test]
fn the_services_names_lead_to_a_slot_only_on_the_slots_own_network() {
    for (flavour, config) in PRINTED {
        let slot = file(&rendered(config).unwrap().slot);
        let networks = &slot["services"]["api-green"]["networks"];
        assert_eq!(networks["shop-green-live"]["aliases"], json!(["api", "backend"]), "{flavour}");
        assert!(networks["default"].get("aliases").is_none(), "{flavour}: {networks}");
        assert_eq!(slot["networks"]["default"], json!({"external": true, "name": "shop_default"}), "{flavour}");
        assert_eq!(
            slot["networks"]["shop-green-live"],
            json!({
                "name": "shop-green-live", "internal": false, "labels": {"deploy.project": "shop", "deploy.folder": "/srv/shop"}
            })
        );
        let workers = file(rendered(config).unwrap().workers.as_ref().unwrap());
        assert_eq!(workers["networks"]["shop-green-live"], json!({"external": true, "name": "shop-green-live"}));
        assert_eq!(workers["networks"]["back"], json!({"external": true, "name": "back"}), "{flavour}");
        assert!(workers["services"]["scraper"]["networks"].get("back").is_some(), "{flavour}");
    }
}

#[test]
fn no_value_changes_on_its_way() {
    for (flavour, config) in PRINTED {
        let files = rendered(config).unwrap();
        let environment = file(&files.slot)["services"]["api-green"]["environment"].clone();
        // What `config` prints for `$` is what `up` reads again. v1 keeps `$$` of an env file, v2 reads it as one.
        let secret = if flavour == "v1" { "pa$$$$word" } else { "pa$$word" };
        for (name, value) in [("SECRET", secret), ("RATE", "1e3"), ("MODE", "0755"), ("OPEN", "0o17"), ("EMPTY", "")] {
            assert_eq!(environment[name], value, "{flavour}: {name}");
        }
        let workers = file(files.workers.as_ref().unwrap());
        let command = json!(["python", "-m", "app.scheduler", "--rate", "1e3"]);
        assert_eq!(workers["services"]["scheduler"]["command"], command, "{flavour}");
    }
}

#[test]
fn accessories_are_all_others_and_depend_on_nothing_that_is_deployed() {
    for (flavour, config) in PRINTED {
        let files = rendered(config).unwrap();
        assert_eq!(files.accessories, ["postgres", "prometheus"], "{flavour}");
        let base = file(&files.base);
        let depends_on = &base["services"]["prometheus"]["depends_on"];
        assert!(depends_on.get("api").is_none() && depends_on != &json!(["api"]), "{flavour}: {depends_on}");
        assert_eq!(files.built, ["api", "scheduler", "scraper"]);
        let build = file(&files.build);
        assert_eq!(build["services"]["scraper"]["image"], "shop-scraper:20260131-174502-1a2b3c4");
        assert!(
            build["services"]["scraper"]["build"]["context"]
                .as_str()
                .unwrap()
                .ends_with("releases/.build-20260131-174502-1a2b3c4/scraper")
        );
        let made: Vec<(&str, &str)> = files.made.iter().map(|made| (made.kind, made.name.as_str())).collect();
        assert_eq!(made, [("network", "shop_default"), ("volume", "shared-uploads")], "{flavour}");
    }
}

#[test]
fn a_worker_that_shares_the_web_services_image_gets_the_releases() {
    let config = "services:\n  api: {build: {context: /srv/shop/releases/20260131-174502-1a2b3c4}, image: shared}\n  scheduler: {image: shared}\n  scraper: {image: other}\n";
    let workers = file(rendered(config).unwrap().workers.as_ref().unwrap());
    assert_eq!(workers["services"]["scheduler"]["image"], "shop-api:20260131-174502-1a2b3c4");
    assert_eq!(workers["services"]["scraper"]["image"], "shop-scraper:20260131-174502-1a2b3c4");
}

#[test]
fn what_two_versions_cannot_do_side_by_side_is_refused() {
    let others = "  scheduler: {image: x}\n  scraper: {image: x}\n";
    for (api, named) in [
        ("{image: x, network_mode: host}", "network_mode"),
        ("{image: x, deploy: {replicas: 3}}", "3 containers"),
        ("{image: x, scale: 2}", "2 containers"),
        ("{image: x, volumes_from: [y]}", "volumes_from"),
        ("{image: x, links: ['redis:cache']}", "redis:cache"),
    ] {
        let error = rendered(&format!("services:\n  api: {api}\n{others}")).err().expect(api).to_string();
        assert!(error.contains(named) && error.contains("`api`"), "{error}");
    }
    let error = rendered("services:\n  web: {image: x}\n").err().unwrap().to_string();
    assert!(error.contains("`api`") && error.contains("there are: web"), "{error}");
}

#[test]
fn a_build_that_would_see_the_release_with_its_env_is_refused() {
    let release = "/srv/shop/releases/20260131-174502-1a2b3c4";
    let others = "  scheduler: {image: x}\n  scraper: {image: x}\n";
    for build in [
        format!("context: {release}, cache_from: ['type=local,src={release}/cache']"),
        format!("context: {release}, ssh: ['default={release}/key']"),
        format!("context: {release}, args: {{FROM: '--from {release}/app'}}"),
        format!("context: {release}, additional_contexts: {{'{release}': x}}"),
    ] {
        let error =
            rendered(&format!("services:\n  api: {{build: {{{build}}}}}\n{others}")).err().expect(&build).to_string();
        assert!(error.contains("`api`") && error.contains("build context") && !error.contains(release), "{error}");
    }
    let moved =
        format!("context: {release}, additional_contexts: {{app: '{release}/app'}}, args: {{FROM: '{release}'}}");
    let files = rendered(&format!("services:\n  api: {{build: {{{moved}}}}}\n{others}")).unwrap();
    assert!(!files.build.contains(release), "{}", files.build);
}

/// A project with another service beside the three that deploy.toml names.
fn with(other: &str) -> Result<RenderedCompose> {
    rendered(&with_other(other))
}

fn with_other(other: &str) -> String {
    let named = "api: {build: {context: /srv/shop/releases/20260131-174502-1a2b3c4}, image: own}\n  scheduler: {image: x}\n  scraper: {image: x}";
    format!("services:\n  {named}\n  {other}\n")
}

#[test]
fn ports_are_the_workers_own_and_of_the_web_service_only_one_is_kept() {
    let config = "services:\n  api: {image: x, ports: ['8000:8000', '9090:9090']}\n  scheduler: {image: x, ports: ['9100:9100']}\n  scraper: {image: x}\n";
    let files = rendered(config).unwrap();
    assert_eq!(file(files.workers.as_ref().unwrap())["services"]["scheduler"]["ports"], json!(["9100:9100"]));
    assert_eq!(file(&files.slot)["services"]["api-green"]["ports"], json!(["127.0.0.1:8001:8000"]));
    assert_eq!(files.notes.len(), 1, "{:?}", files.notes);
    assert!(files.notes[0].contains("`api` also publishes port 9090"), "{:?}", files.notes);
    let other = rendered(&config.replace("'8000:8000', ", "")).unwrap().notes.join("\n");
    assert!(other.contains("asked on port 8000") && other.contains("`web_port`"), "{other}");
}

#[test]
fn what_is_off_is_left_out_and_nothing_waits_for_it() {
    let project = "proxy: {image: nginx, ports: ['80:80'], depends_on: [api]}\n  init: {image: y}\n  db: {image: y, depends_on: {init: {condition: service_completed_successfully}, cache: {condition: service_started}}}\n  cache: {image: y}";
    let off = ["proxy", "init", "debug"].map(str::to_owned);
    let rendered =
        rendered_with(&with_other(project), |rendering| rendering.off = Box::leak(Box::new(off.clone()))).unwrap();
    assert_eq!(rendered.accessories, ["cache", "db"]);
    assert!(rendered.one_shots.is_empty());
    let base = file(&rendered.base);
    assert!(base["services"]["db"]["depends_on"].get("init").is_none(), "{base}");
    assert!(base["services"]["db"]["depends_on"].get("cache").is_some(), "{base}");
    assert!(rendered.notes.iter().any(|note| note.contains("`debug`")), "{:?}", rendered.notes);
}

#[test]
fn what_has_a_profile_is_started_only_while_that_is_on() {
    let project = "debug: {image: y, profiles: [debug]}\n  db: {image: y}\n  beta: {image: y, profiles: [beta, test]}";
    let accessories = |active: Option<&str>| {
        rendered_with(&with_other(project), |rendering| rendering.profiles = active).unwrap().accessories
    };
    // v2 prints those that are on, v1 all.
    assert_eq!(accessories(None), ["beta", "db", "debug"]);
    assert_eq!(accessories(Some("")), ["db"]);
    assert_eq!(accessories(Some("other,test")), ["beta", "db"]);
    let named = "services:\n  api: {image: x, profiles: [web]}\n  scheduler: {image: x}\n  scraper: {image: x}\n";
    assert!(
        rendered_with(named, |rendering| rendering.profiles = Some("")).is_ok(),
        "what deploy.toml names is wanted"
    );
    let error = rendered("services:\n  scheduler: {image: x}\n").err().unwrap().to_string();
    assert!(error.contains("`COMPOSE_PROFILES`"), "{error}");
}

#[test]
fn an_error_never_shows_a_value() {
    for broken in ["services: [hunter2", "services: hunter2", "services: {api: {environment: [hunter2]}}"] {
        let error = format!("{:?}", rendered(broken).err().expect(broken));
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn letters_that_yaml_reads_otherwise_are_escaped() {
    let value = "a\u{7f}b\u{85}c\u{2028}d\u{2029}e\u{feff}f\u{9f}g\u{ffff}h😀ä\u{1}\"\\";
    let api = json!({"image": "x", "environment": {"A": value}});
    let others = json!({"image": "x"});
    let config = json!({"services": {"api": api, "scheduler": others, "scraper": others}}).to_string();
    let slot = rendered(&config).unwrap().slot;
    assert!(slot.contains(r"a\u007fb\u0085c\u2028d\u2029e\ufefff\u009fg\uffffh😀ä"), "{slot}");
    assert_eq!(file(&slot)["services"]["api-green"]["environment"]["A"], value);
}

#[test]
fn what_ties_a_service_to_the_one_web_service_is_refused() {
    for (service, named) in [
        ("{image: y, links: [api]}", "links: api"),
        ("{image: y, network_mode: 'service:api'}", "network_mode: service:api"),
        ("{image: y, ipc: 'service:api'}", "ipc: service:api"),
        ("{image: y, volumes_from: ['api:ro']}", "volumes_from: api:ro"),
        ("{image: y, ports: ['443:443']}", "publishes port 443"),
        ("{image: y, ports: ['8080:80'], depends_on: [api]}", "publishes port 80 to the outside"),
    ] {
        let error = with(&format!("side: {service}")).err().expect(service).to_string();
        assert!(error.contains("`side`") && error.contains(named), "{error}");
    }
    for fine in ["{image: y, ports: ['127.0.0.1:9090:9090'], depends_on: [api]}", "{image: y, ports: ['5432:5432']}"] {
        assert!(with(&format!("side: {fine}")).is_ok(), "{fine}");
    }
    let web = |keys: &str| {
        format!(
            "services:\n  api: {{image: x, {keys}}}\n  scheduler: {{image: x}}\n  scraper: {{image: x}}\n  db: {{image: y}}\n"
        )
    };
    for refused in ["ipc: 'service:db'", "pid: 'container:abc'", "links: ['db:database']"] {
        assert!(rendered(&web(refused)).is_err(), "{refused}");
    }
    for fine in ["links: ['db:db', db]", "ipc: host", "pid: host"] {
        assert!(rendered(&web(fine)).is_ok(), "{fine}");
    }
}

#[test]
fn what_a_build_needs_beside_itself_comes_along_and_our_own_tag_is_pulled_by_nobody() {
    let build = "build: {context: /srv/shop/releases/20260131-174502-1a2b3c4, secrets: [token]}";
    let config = format!(
        "services:\n  api: {{{build}, pull_policy: always}}\n  scheduler: {{image: x, pull_policy: always, scale: 3}}\n  scraper: {{image: x, restart: 'no'}}\nsecrets: {{token: {{environment: TOKEN}}}}\n"
    );
    let files = rendered(&config).unwrap();
    assert_eq!(file(&files.build)["secrets"]["token"]["environment"], "TOKEN");
    let (api, workers) = (&file(&files.slot)["services"]["api-green"], file(files.workers.as_ref().unwrap()));
    assert!(api.get("pull_policy").is_none());
    assert_eq!(api["restart"], "unless-stopped");
    let scheduler = &workers["services"]["scheduler"];
    assert_eq!((scheduler.get("pull_policy"), &scheduler["scale"]), (None, &json!(3)));
    assert_eq!(workers["services"]["scraper"]["restart"], "no");
    let internal = "services:\n  api: {image: x, networks: [shut]}\n  scheduler: {image: x}\n  scraper: {image: x}\nnetworks: {shut: {internal: true}}\n";
    let error = rendered(internal).err().unwrap().to_string();
    assert!(error.contains("`internal` only"), "{error}");
}

/// A web service and a worker with the same code, and a worker that is something else.
fn of_registries(api: &str, scraper: &str) -> RenderedCompose {
    let images = Box::leak(Box::new(BTreeMap::from([(
        "api".to_owned(),
        GivenImage::Registry("ghcr.io/shop/api@sha256:1".to_owned()),
    )])));
    let config = format!("services:\n  api: {{{api}}}\n  scheduler: {{{api}}}\n  scraper: {{{scraper}}}\n");
    match api.contains("build") {
        true => rendered_with(&config, |input| input.images = images).unwrap(),
        false => rendered_with(&config, |_| {}).unwrap(),
    }
}

fn pulled(rendered: &RenderedCompose) -> Vec<(&str, &str, bool)> {
    rendered.pulled.iter().map(|(name, image)| (name.as_str(), image.reference.as_str(), image.is_there)).collect()
}

#[test]
fn an_image_of_a_registry_has_a_name_of_the_release() {
    let rendered = of_registries("image: 'ghcr.io/shop/api:1.4'", "image: other, pull_policy: never");
    let name = |service: &str| json!(format!("shop-{service}:20260131-174502-1a2b3c4"));
    let (slot, workers) = (file(&rendered.slot), file(rendered.workers.as_ref().unwrap()));
    assert_eq!(slot["services"]["api-green"]["image"], name("api"));
    assert_eq!(workers["services"]["scheduler"]["image"], name("scheduler"));
    assert_eq!((&workers["services"]["scraper"]["image"], rendered.built.len()), (&name("scraper"), 0));
    let of_the_shop = "ghcr.io/shop/api:1.4";
    let expected = [("api", of_the_shop, false), ("scheduler", of_the_shop, false), ("scraper", "other", true)];
    assert_eq!(pulled(&rendered), expected);
    assert_eq!(file(&rendered.build)["services"], json!({}));
    assert!(!format!("{}{workers}", rendered.slot).contains("pull_policy"));
}

/// What CI has built takes the place of what the file says, also for the workers that are built alike.
#[test]
fn an_image_that_a_command_names_is_not_built() {
    let context = "/srv/shop/releases/20260131-174502-1a2b3c4";
    let rendered =
        of_registries(&format!("build: {{context: {context}}}"), &format!("build: {{context: {context}/scraper}}"));
    assert_eq!(rendered.built, ["scraper"]);
    let given = "ghcr.io/shop/api@sha256:1";
    assert_eq!(pulled(&rendered), [("api", given, false), ("scheduler", given, false)]);
    let build = file(&rendered.build);
    assert_eq!(build["services"].as_object().unwrap().keys().collect::<Vec<_>>(), ["scraper"]);
}

/// Two web services: each has a port and a name of its own in the slot, and both are reached there by theirs.
#[test]
fn several_web_services_share_a_slot() {
    let slots = Slots { blue: 8100, green: 8101 };
    let front = Web { service: "front".to_owned(), port: 3000, slots, ..Web::default() };
    let more_webs = Box::leak(Box::new([front]));
    let config = "services:\n  api: {image: a, depends_on: [front]}\n  front: {image: f, ports: ['3000:3000']}\n  scheduler: {image: a}\n  scraper: {image: a}\n";
    let rendered = rendered_with(config, |input| input.more_webs = more_webs).unwrap();
    let slot = file(&rendered.slot);
    let services = slot["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["api-green", "front-green"]);
    assert_eq!(services["front-green"]["ports"], json!(["127.0.0.1:8101:3000"]));
    assert_eq!(services["front-green"]["image"], "shop-front:20260131-174502-1a2b3c4");
    let (network, _) = slot["networks"].as_object().unwrap().iter().find(|(name, _)| name.ends_with("-live")).unwrap();
    for (service, name) in [("api-green", "api"), ("front-green", "front")] {
        assert_eq!(services[service]["networks"][network]["aliases"], json!([name]), "{service}");
    }
    assert!(rendered.accessories.is_empty());
}
