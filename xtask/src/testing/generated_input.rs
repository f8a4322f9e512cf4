//! Generated input against everything that reads: it is understood exactly or refused with its place, and nothing panics.
//! A short run is part of the tests; `scripts/fuzz MINUTES` makes a long one.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::rules::config::{Config, Health, Slots, deploy_toml, env_file};
use crate::rules::engine::compose::{self, RenderInput};
use crate::rules::failure::Kind;
use crate::rules::health::{self, Answer};
use crate::rules::host::observed;
use crate::rules::nginx;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::{pytest::selection, test_summary::junit};

mod samples;

use samples::{JUNIT, NASTY, REPORT, SITE};

/// `PROPTEST_CASES` makes the run longer; without it there are `usual` cases.
pub fn cases(usual: u32) -> ProptestConfig {
    let given = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    // A process for each case costs a hundred times as much as a parser.
    let cases = given.map_or(usual, |given| if usual < 64 { (given / 100).max(usual) } else { given });
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: u32::MAX, ..ProptestConfig::default() }
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(&NASTY[..]).prop_map(str::to_owned),
        2 => "[a-zA-Z0-9_]{1,6}",
        1 => any::<char>().prop_map(String::from),
        1 => (prop::sample::select(&NASTY[..]), 2..400_usize).prop_map(|(piece, times)| piece.repeat(times)),
    ];
    vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// A text with pieces taken out, put in and repeated.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..40_usize, prop_oneof![nasty(), Just(String::new())]);
    vec(change, 0..5).prop_map(move |changes| {
        let mut letters: Vec<char> = text.chars().collect();
        for (at, gone, new) in changes {
            let start = at.index(letters.len() + 1);
            let end = (start + gone).min(letters.len());
            letters.splice(start..end, new.chars());
        }
        letters.into_iter().collect()
    })
}

/// Anything that can be a word of a command.
pub fn word() -> impl Strategy<Value = String> {
    let long = (10_000..25_000_usize, prop::sample::select(vec!["x", "'", "$(id)", "é\n"]));
    prop_oneof![
        8 => nasty().prop_map(|word| word.replace('\0', "")),
        2 => "-{1,2}[a-z]{0,3}",
        2 => "\n{0,3}[^\u{0}]{0,5}\n{0,3}",
        1 => long.prop_map(|(length, piece)| piece.repeat(length / piece.len())),
    ]
}

const TOML: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy.toml"));
const RELEASE: &str = "20260131-174502-1a2b3c4";

pub fn loaded(text: &str, environment: &str) -> anyhow::Result<Config> {
    let key = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let variables = [key("PROD_SSH_HOST", "h"), key("PROD_SSH_USER", "u"), key("PROD_SSH_KEY", "k")];
    deploy_toml::load(text, Path::new("/repo/deploy.toml"), environment, &BTreeMap::from(variables))
}

/// `file:LINE:COLUMN: …`
fn tells_its_place(error: &str, file: &str) -> bool {
    let mut parts = error.strip_prefix(file).unwrap_or_default().splitn(4, ':').skip(1);
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok()).is_some_and(|number| number > 0);
    number(parts.next()) && number(parts.next()) && parts.next().is_some_and(|rest| rest.len() > 5)
}

/// As TOML writes a text.
fn toml_text(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    });
    format!("\"{}\"", letters.collect::<String>())
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn deploy_toml(text in mutated(TOML), environment in prop::sample::select(vec!["local", "prod"])) {
        match loaded(&text, environment) {
            Ok(config) => prop_assert!(config.environment.folder.starts_with('/')),
            Err(error) => {
                prop_assert_eq!(Kind::of(&error), Some(Kind::Configuration));
                let error = error.to_string();
                prop_assert!(tells_its_place(&error, "/repo/deploy.toml"), "{}", error);
            }
        }
    }

    #[test]
    fn deploy_toml_with_any_text_for_any_setting(value in nasty(), field in 0..16_usize) {
        let (from, to) = [
            ("name = \"shop\"", "name = "), ("app = \"backend\"", "app = "), ("web = \"api\"", "web = "),
            ("workers = [\"worker\"]", "workers = ["), ("[health]", "[health]\npath = "), ("[test]", "[test]\nfolder = "),
            ("[test]", "[test]\nselection = "), ("[hooks]", "[hooks]\nafter_switch = [["), ("[environments.prod]", "[environments.prod]\nurl = "),
            ("[environments.prod]", "[environments.prod]\nfolder = "), ("[environments.prod]", "[environments.prod]\ncompose = "),
            ("[environments.prod]", "[environments.prod]\nenv_file = "), ("nginx = {", "nginx = { upstream = "), ("nginx = {", "nginx = { site_file = "),
            ("nginx = {", "nginx = { upstream_file = "), ("[project]", "[project]\ncompose = ["),
        ][field];
        let close = match to { to if to.ends_with("[[") => "]]", to if to.ends_with('[') => "]", to if to.contains('{') => ",", _ => "" };
        let text = small_toml().replacen(from, &format!("{to}{}{close}", toml_text(&value)), 1);
        match loaded(&text, "prod") {
            Ok(config) => {
                let meant = format!("{:?}", value.trim_end_matches('/'));
                prop_assert!(format!("{config:?}").contains(&meant[1..meant.len() - 1]), "{}", text);
            }
            Err(error) => {
                let error = error.to_string();
                prop_assert!(tells_its_place(&error, "/repo/deploy.toml"), "{}", error);
            }
        }
    }

    #[test]
    fn tests_config(text in mutated("# why\ntest_groups:\n  routes: true\n  'auth': false\n  \"ui\": True # late\nother: [1, {a: 2}]\n")) {
        match selection::parse(&text, "t.yaml") {
            Ok(switches) => for group in switches.groups {
                prop_assert!(group.line > 0 && !group.name.starts_with(['-', '/']) && !group.name.contains('\n'), "{:?}", group);
            },
            Err(error) => prop_assert!(tells_its_place(&error.to_string(), "t.yaml"), "{}", error),
        }
    }

    #[test]
    fn a_host_s_report(text in mutated(REPORT), whole in any::<bool>()) {
        let config = loaded(&small_toml(), "prod").unwrap();
        let text = if whole { format!("{text}\nend\n") } else { text };
        if let Ok(observed) = observed::parse(&text, &config) {
            let ids = observed.releases.iter().map(|release| &release.id).chain(&observed.mounted);
            for id in ids.chain(observed.containers.iter().filter_map(|container| container.release.as_ref())) {
                prop_assert_eq!(&ReleaseId::parse(id.as_str()).unwrap(), id);
            }
        }
    }

    /// What a container, an app or a record says is one field among others, and cannot make the report mean something else.
    #[test]
    fn what_others_say_stops_no_command(said in nasty(), line in 0..4_usize) {
        let config = loaded(&small_toml(), "prod").unwrap();
        let field = said.replace(['\t', '\n'], " ");
        let record = format!("last-record\t{field}\n");
        let answer = format!("answer\t8001\t{field}\n");
        let live = format!("live\t{field}\n");
        let site = format!("site-answer\t{field}\n");
        let report = format!("{}{REPORT}", [record, answer, live, site][line]);
        let observed = observed::parse(&report, &config).unwrap();
        prop_assert_eq!(observed.live_release().map(ReleaseId::as_str), Some(RELEASE));
        prop_assert_eq!(observed.live(), Some(Slot::Green));
    }

    #[test]
    fn compose_config_v1(text in mutated(include_str!("../rules/engine/compose/config_v1.yml"))) {
        if let Ok(files) = rendered(&text) {
            check_files(&files);
        }
    }

    #[test]
    fn compose_config_v2(text in mutated(include_str!("../rules/engine/compose/config_v2.json"))) {
        if let Ok(files) = rendered(&text) {
            check_files(&files);
        }
    }

    #[test]
    fn a_value_passes_through_the_rendered_files(value in nasty(), name in "[A-Z]{1,5}", yaml in any::<bool>()) {
        let service = json!({"image": "x", "environment": {&name: value}, "command": [value], "labels": {&name: value}});
        let config = json!({"services": {"api": service, "scheduler": service, "scraper": service}}).to_string();
        // v1 prints a text with strange letters between double quotes, each of them by its number.
        let config = if yaml { format!("# YAML\n{}", by_number(&config)) } else { config };
        let files = rendered(&config).unwrap();
        for (file, service) in [(files.slot, "api-green"), (files.workers.unwrap(), "scraper")] {
            let file: Value = serde_json::from_str(&file).unwrap();
            let service = &file["services"][service];
            prop_assert_eq!(&service["environment"][&name], &Value::from(value.as_str()));
            prop_assert_eq!(&service["labels"][&name], &Value::from(value.as_str()));
            prop_assert_eq!(&service["command"][0], &Value::from(value.as_str()));
        }
    }

    #[test]
    fn junit_xml(text in mutated(JUNIT)) {
        if let Ok(results) = junit::parse(&text) {
            for name in results.failures {
                prop_assert!(!name.contains(char::is_control), "{:?}", name);
            }
        }
    }

    #[test]
    fn a_health_answer(body in mutated("{\"status\":\"ok\",\"release\":\"20260131-174502-1a2b3c4\",\"db\":[1,2]}"), status in 100..600_u16) {
        let release = ReleaseId::parse(RELEASE).unwrap();
        let answer = Answer::new(status, body.clone());
        match health::check(&answer, &Health::default(), Some(&release)) {
            Ok(()) => prop_assert!(status == 200 && serde_json::from_str::<Value>(&body).unwrap()["status"] == "ok"),
            Err(reason) => {
                let shown = reason.shown(str::to_owned);
                prop_assert!(!shown.contains(char::is_control) && shown.len() < 1000, "{:?}", shown);
            }
        }
    }

    #[test]
    fn a_release_id(text in prop_oneof![mutated(RELEASE), mutated("20260131-174502-1a2b3c4-dirty-12")]) {
        if let Ok(id) = ReleaseId::parse(&text) {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(text.len() <= 70 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
    }

    #[test]
    fn an_env_file(text in mutated("# a\nexport A='b'\nB=\"c\\n\"\n\nC = d #e\n")) {
        match env_file::read(text.as_bytes()) {
            Ok(all) => for env_file::Assignment { name, value } in all {
                prop_assert!(!name.is_empty() && !value.contains('\0'));
                // What is read can be written so that it is read again.
                prop_assert!(again(&value).is_none_or(|again| again == value), "{:?}", value);
            },
            Err(refusals) => {
                let lines = text.matches('\n').count() + 1;
                prop_assert!(!refusals.is_empty() && refusals.iter().all(|refusal| (1..=lines).contains(&refusal.line)));
            }
        }
    }

    #[test]
    fn a_value_of_an_env_file_never_shows(value in "[ '\"\\\\$#{}\t]{0,3}hunter2[ '\"\\\\$#{}\n\r\t\u{0}\u{a0}a-z]{0,6}", name in "(export )?[A-Z ]{0,3}[=: ]") {
        if let Err(refusals) = env_file::read(format!("{name}{value}").as_bytes()) {
            prop_assert!(refusals.iter().all(|refusal| !refusal.to_string().contains("hunter2")));
        }
    }

    #[test]
    fn nginx_files(before in nasty(), after in nasty(), slot in prop::sample::select(&Slot::BOTH[..]), site in mutated(SITE)) {
        let slots = Slots::default();
        let upstream = nginx::Upstream { name: "shop", upstream: "shop_backend", slots, live_port: 8002, more_webs: &[] };
        let ours = upstream.reload(slot);
        // A comment hides anything up to its end; what follows the file does not change what was read first.
        let comment = format!("# {}\n", before.replace(['\n', '\r'], " "));
        prop_assert_eq!(nginx::slot_in_upstream(&format!("{comment}{ours}{after}"), "shop_backend", slots), Some(slot));
        let _any = (nginx::slot_in_upstream(&before, &after, slots), nginx::switching_of_site(&site, "shop_backend"));
    }
}

/// The value, written between double quotes and read. `None` where no compose would leave a `$` in it alone.
fn again(value: &str) -> Option<String> {
    let written = value.replace('\\', r"\\").replace('"', "\\\"").replace('\r', "\\r");
    // A backslash before the closing quote keeps it open.
    let all = env_file::read(format!("A=\"{written}\" #").as_bytes()).ok()?;
    all.into_iter().next().map(|assignment| assignment.value)
}

/// JSON in which every letter beyond ASCII has its number, as YAML writes it.
fn by_number(json: &str) -> String {
    json.chars()
        .map(|letter| {
            if letter.is_ascii() && letter != '\u{7f}' {
                letter.to_string()
            } else {
                format!("\\U{:08X}", u32::from(letter))
            }
        })
        .collect()
}

/// A file with each section once and no comments.
pub fn small_toml() -> String {
    "[project]\nname = \"shop\"\napp = \"backend\"\nweb = \"api\"\nworkers = [\"worker\"]\n[health]\n[test]\n[hooks]\n\
     [environments.prod]\nssh = true\nfolder = \"/srv/shop\"\nurl = \"https://shop.example\"\nnginx = { live_port = 8002 }\n"
        .to_owned()
}

pub fn rendered(config: &str) -> anyhow::Result<compose::RenderedCompose> {
    let workers = ["scheduler".to_owned(), "scraper".to_owned()];
    let release = ReleaseId::parse(RELEASE).unwrap();
    compose::render(
        config,
        &RenderInput {
            project: "shop",
            production: "shop",
            folder: "/srv/shop",
            web: "api",
            more_webs: &[],
            workers: &workers,
            off: &[],
            declared_accessories: &["prometheus".to_owned()],
            shared: &["uploads".to_owned()],
            web_port: 8000,
            release: &release,
            slot: Slot::Green,
            slots: Slots::default(),
            nginx_ports: &[80, 443],
            images: &BTreeMap::new(),
            commit: &compose::Commit::new([("app/main.py".to_owned(), "sum".to_owned())]),
            processors: &std::collections::BTreeSet::new(),
            found: &BTreeMap::new(),
            profiles: None,
        },
    )
}

/// What holds of every file that is rendered: it is JSON, has the services it should have, and the slot's is one service on its
/// own port and on its own network.
fn check_files(files: &compose::RenderedCompose) {
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("a rendered file is JSON");
    let names = |file: &Value| file["services"].as_object().map(|all| all.keys().cloned().collect::<Vec<String>>());
    let slot = read(&files.slot);
    assert_eq!(names(&slot), Some(vec!["api-green".to_owned()]));
    assert_eq!(slot["services"]["api-green"]["ports"], json!(["127.0.0.1:8001:8000"]));
    assert_eq!(slot["services"]["api-green"]["labels"]["deploy.folder"], "/srv/shop");
    assert_eq!(slot["networks"]["shop-green-live"]["name"], "shop-green-live");
    assert_eq!(names(&read(files.workers.as_ref().unwrap())), Some(vec!["scheduler".to_owned(), "scraper".to_owned()]));
    let mut accessories = [&files.accessories[..], &files.one_shots[..]].concat();
    accessories.sort();
    assert_eq!(names(&read(&files.base)), Some(accessories));
    let built = read(&files.build)["services"].to_string();
    assert!(!built.contains("/srv/shop/releases/20260131-174502-1a2b3c4"), "a build sees a release's folder: {built}");
}

/// The sample that is changed above is one that is understood.
#[test]
fn the_report_that_is_mutated_is_whole() {
    let observed = observed::parse(REPORT, &loaded(&small_toml(), "prod").unwrap()).unwrap();
    assert_eq!(observed.live_release().map(ReleaseId::as_str), Some(RELEASE));
    assert_eq!((observed.releases.len(), observed.mounted.len()), (1, 1));
    for printed in
        [include_str!("../rules/engine/compose/config_v1.yml"), include_str!("../rules/engine/compose/config_v2.json")]
    {
        check_files(&rendered(printed).unwrap());
    }
}
