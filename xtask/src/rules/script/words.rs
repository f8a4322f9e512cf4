//! The words of every script, as reviewed: what varies is an argument, and a secret is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::rules::config::SwitchMode;
use crate::rules::engine::compose::{Made, MountedVolume, RenderedCompose};
use crate::rules::plan::script_of_step::{self, StepScript};
use crate::rules::plan::step::{HookPoint, Step};
use crate::rules::release::Slot;
use crate::rules::release::tree::Reuse;
use crate::testing::fixtures::{config, release};

const COMPOSE: &str = "docker compose";

fn shown(script: &Script) -> String {
    let arguments: String = script.arguments.iter().map(|argument| format!("\n    {argument:?}")).collect();
    let input = match &script.input {
        Input::Nothing => String::new(),
        Input::File(file) => format!("\n    < {}", file.display()),
        Input::Bytes(bytes) => String::from_utf8_lossy(bytes).lines().map(|line| format!("\n    < {line}")).collect(),
        Input::Secret(_) => "\n    < a secret".to_owned(),
    };
    let limit = if script.limit == Duration::MAX { "no limit".to_owned() } else { format!("{:?}", script.limit) };
    format!("{} ({limit}){arguments}{input}\n", script.name)
}

fn volume(service: &str, target: &str) -> MountedVolume {
    MountedVolume { service: service.to_owned(), target: target.to_owned(), name: "shop_data".to_owned() }
}

fn rendered() -> RenderedCompose {
    let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    RenderedCompose {
        built: texts(&["web", "mailer"]),
        volumes: ["/data", "/cache"].map(|target| volume("web", target)).to_vec(),
        images_of_accessories: BTreeMap::from([("search".to_owned(), "shop-search:1".to_owned())]),
        accessories: texts(&["db", "search"]),
        one_shots: texts(&["init"]),
        definitions: BTreeMap::from([("init".to_owned(), "{}".to_owned())]),
        resources: vec![("own-volume".to_owned(), "shop_data".to_owned())],
        made: vec![Made {
            kind: "network",
            key: "inner".to_owned(),
            name: "shop_inner".to_owned(),
            options: texts(&["--internal"]),
        }],
        ..RenderedCompose::default()
    }
}

#[test]
fn scripts_of_steps() {
    let services = vec!["mailer".to_owned()];
    let steps = [
        Step::PrivateNginx { switching: SwitchMode::Reload, live: Slot::Green },
        Step::AlignUpstream { live: Slot::Blue },
        Step::Check,
        Step::Build,
        Step::Accessories,
        Step::Hook {
            point: HookPoint::BeforeBoot,
            words: vec!["python".to_owned(), "migrate it.py".to_owned()],
            slot: Slot::Green,
        },
        Step::Boot { slot: Slot::Green },
        Step::Switch { switching: SwitchMode::Instant, to: Slot::Green },
        Step::Switch { switching: SwitchMode::Reload, to: Slot::Green },
        Step::Workers { slot: Slot::Green, release: release(9), services },
        Step::UnmanagedWorkers,
        Step::Drain { slot: Slot::Blue, seconds: 30 },
        Step::Stop { slot: Slot::Blue, containers: vec!["4f1c".to_owned()] },
        Step::Remove { slot: Slot::Green },
        Step::MarkKnownGood,
        Step::Prune { releases: vec![release(1), release(2)] },
    ];
    let files = rendered();
    let scripts = steps.iter().map(|step| script_of_step::of(&config(), &release(9), COMPOSE, Some(&files), step));
    let shown = scripts.map(|script| match script {
        StepScript::Whole(script) => shown(&script),
        other => panic!("not one script: {other:?}"),
    });
    insta::assert_snapshot!(shown.collect::<String>());
}

#[test]
fn other_scripts() {
    let (config, release) = (&config(), &release(9));
    let reuse = Reuse {
        release: crate::testing::fixtures::release(8),
        sums: BTreeMap::from([(b"app.py".to_vec(), "ab".to_owned())]),
        programs: BTreeSet::new(),
    };
    let (sums, links) = (BTreeMap::new(), BTreeMap::new());
    let env = Secret::new("TOKEN=hunter2");
    let parts = Parts { manifest: b"{}", sums: &sums, links: &links, settings: "{}", env: &env, files: &[] };
    let archive = || Archive { sha256: "cd", strip: 1, reuse: Some(&reuse) };
    let scripts = [
        inspect(config),
        doctor(config, Some(release)),
        shell(config, "token", Some("ada@laptop\nsince now"), 5, &Script::nothing(), Priority::Gentle),
        ask(),
        compose_config(config, release, COMPOSE),
        stored_project(config, release, COMPOSE),
        store(config, release, Slot::Green, &rendered(), Some(&reuse.release)),
        receive(config, release, Path::new("packages/release.tar.gz"), 1234),
        ship(config, release, archive(), &parts),
        manifest(config, release),
        check_release(config, release),
        space(config),
        watch(config, Slot::Green),
        logs(config, Slot::Green, 25),
        record(config, "{\"command\":\"deploy\"}"),
    ];
    let text: String = scripts.iter().map(shown).collect();
    assert!(!text.contains("hunter2"), "{text}");
    insta::assert_snapshot!(text);
}
