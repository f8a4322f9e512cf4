//! Plans as a user would expect them, without any server.

use super::*;
use crate::rules::config::Traffic;
use crate::rules::config::traffic::Pace;
use crate::rules::health::Answer;
use crate::rules::release::settings::Settings;

use crate::testing::fixtures::{config, container, foreign, release, server, stored, well};

/// What `rollback` does with that host.
fn back(config: &Config, observed: &Observed, wanted: Option<&ReleaseId>) -> Result<Plan> {
    rollback(config, observed, way_back(observed, wanted)?)
}

fn names(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.title(&plan.release)).collect()
}

#[test]
fn a_deploy_is_these_stages_in_this_order() {
    let plan = deploy(&config(), &server(Slot::Blue, 2), &release(9), TestStage::Run).unwrap();
    let id = release(9);
    let expected = [
        "Run the tests".to_owned(),
        format!("Package release {id}"),
        format!("Ship release {id}"),
        "Render the compose files for slot green".to_owned(),
        "Build the images".to_owned(),
        "Start the accessories that do not run".to_owned(),
        "Hook before boot: migrate".to_owned(),
        format!("Boot {id} in slot green"),
        "Waiting for health check".to_owned(),
        "Hook before switch: warm".to_owned(),
        "Switch traffic to slot green (instant mode)".to_owned(),
        "Verify through nginx".to_owned(),
        "Watch the new version for 3 s".to_owned(),
        "Replace the workers".to_owned(),
        "Hook after switch: tell".to_owned(),
        "Mark the release as known good".to_owned(),
        "Drain slot blue (at most 30 s)".to_owned(),
        "Stop slot blue".to_owned(),
    ];
    assert_eq!(names(&plan), expected);
    assert_eq!(plan.from_release, Some(release(2)));
}

#[test]
fn what_is_on_the_host_already_is_not_sent_again() {
    let plan = deploy(&config(), &server(Slot::Blue, 2), &release(2), TestStage::Skip).unwrap();
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::Package | Step::Ship)), "{}", plan.describe());
}

#[test]
fn the_free_slot_is_the_one_that_nginx_does_not_obey_whatever_the_file_says() {
    // A run was killed between the upstream file and the reload.
    let observed =
        Observed { configured_slot: Some(Slot::Green), switching: Some(SwitchMode::Reload), ..server(Slot::Blue, 2) };
    let plan = deploy(&config(), &observed, &release(9), TestStage::Skip).unwrap();
    assert_eq!(plan.to, Slot::Green);
    let align = plan.steps.iter().position(|step| *step == Step::AlignUpstream { live: Slot::Blue }).unwrap();
    let boot = plan.steps.iter().position(|step| *step == Step::Boot { slot: Slot::Green }).unwrap();
    assert!(align < boot, "{}", plan.describe());
}

#[test]
fn an_old_version_that_still_drains_in_the_free_slot_is_drained_before_it_goes() {
    // A run was killed after its switch: both slots run.
    let mut observed = server(Slot::Green, 2);
    observed.containers = vec![container(Slot::Green, 2, "running"), container(Slot::Blue, 1, "running")];
    let plan = deploy(&config(), &observed, &release(9), TestStage::Skip).unwrap();
    let at = |wanted: &Step| plan.steps.iter().position(|step| step == wanted).unwrap();
    let drain = at(&Step::Drain { slot: Slot::Blue, seconds: 30 });
    let stop = at(&Step::Stop { slot: Slot::Blue, containers: vec!["blue-1".to_owned()] });
    assert!(drain < stop && stop < at(&Step::Boot { slot: Slot::Blue }), "{}", plan.describe());
}

#[test]
fn what_a_killed_deploy_left_that_never_served_is_removed_without_waiting_for_it_to_stop() {
    let mut observed = server(Slot::Green, 2);
    observed.containers[1] = container(Slot::Blue, 7, "running");
    let plan = deploy(&config(), &observed, &release(9), TestStage::Skip).unwrap();
    let at = |wanted: &Step| plan.steps.iter().position(|step| step == wanted).unwrap();
    let drain = at(&Step::Drain { slot: Slot::Blue, seconds: 30 });
    let remove = at(&Step::Remove { slot: Slot::Blue });
    assert!(drain < remove && remove < at(&Step::Boot { slot: Slot::Blue }), "{}", plan.describe());
    // What fails there has moved no traffic.
    let stop = plan.steps.iter().rposition(|step| matches!(step, Step::Stop { .. })).unwrap();
    assert_eq!([drain, remove, stop].map(|step| failure(&plan, step)), [Kind::Boot, Kind::Boot, Kind::AfterSwitch]);
}

#[test]
fn a_standby_runs_on_until_the_next_deploy_and_a_rollback_to_it_moves_only_the_traffic() {
    let standby = Config { traffic: Traffic { standby: true, ..config().traffic }, ..config() };
    let plan = deploy(&standby, &server(Slot::Blue, 2), &release(9), TestStage::Skip).unwrap();
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::Stop { .. })), "{}", plan.describe());

    let mut observed = server(Slot::Green, 2);
    observed.containers[1].status = "running".to_owned();
    let plan = back(&standby, &observed, None).unwrap();
    let check = format!("Check the files of {}", release(1));
    let expected = [
        &check,
        "Waiting for health check",
        "Hook before switch: warm",
        "Switch traffic to slot blue (instant mode)",
        "Verify through nginx",
        "Watch the new version for 3 s",
        "Replace the workers",
        "Hook after switch: tell",
        "Mark the release as known good",
    ];
    assert_eq!(names(&plan), expected);
    // A site of the tool's own may have the paths of a version that failed.
    let mut private = standby.clone();
    private.environment.nginx.owner = NginxOwner::Private(SwitchMode::Instant);
    let plan = back(&private, &observed, None).unwrap();
    assert!(matches!(plan.steps[1], Step::PrivateNginx { live: Slot::Green, .. }), "{}", plan.describe());
    // The same where a killed deploy has left it; then it is not to stay.
    let plan = back(&config(), &observed, None).unwrap();
    assert_eq!(names(&plan)[..9], expected);
    assert_eq!(names(&plan)[9..], ["Drain slot green (at most 30 s)", "Stop slot green"]);
    // One that has just answered as that release is not waited for.
    let answer =
        |release: ReleaseId, status| Answer::new(status, format!(r#"{{"status":"ok","release":"{release}"}}"#));
    for (answer, first) in [
        (answer(release(1), 200), "Hook before switch: warm"),
        (answer(release(1), 503), "Waiting for health check"),
        (answer(release(2), 200), "Waiting for health check"),
    ] {
        let observed = Observed { answers: [(Slot::Blue, answer)].into(), ..observed.clone() };
        assert_eq!(names(&back(&standby, &observed, None).unwrap())[1], first);
    }
    // What starts nothing of that release asks nothing of its files.
    let mut alone = standby.clone();
    alone.project.workers.clear();
    alone.hooks = Default::default();
    let without_worker = Observed { others: Vec::new(), ..observed.clone() };
    let expected = [
        "Waiting for health check",
        "Switch traffic to slot blue (instant mode)",
        "Verify through nginx",
        "Watch the new version for 3 s",
        "Mark the release as known good",
    ];
    assert_eq!(names(&back(&alone, &without_worker, None).unwrap()), expected);
    // Another release needs the slot.
    let plan = deploy(&standby, &observed, &release(9), TestStage::Skip).unwrap();
    assert!(names(&plan).contains(&"Stop slot blue".to_owned()), "{}", plan.describe());
}

#[test]
fn a_gentle_deploy_rests_before_the_switch_and_watches_as_long_after_it_and_a_way_back_does_not_wait() {
    let gentle = Config { traffic: Traffic { bake: 0, pace: Pace::Gentle, ..config().traffic }, ..config() };
    let plan = deploy(&gentle, &server(Slot::Blue, 2), &release(9), TestStage::Skip).unwrap();
    let expected = [
        "Waiting for health check",
        "Let the new version rest for 5 s",
        "Hook before switch: warm",
        "Switch traffic to slot green (instant mode)",
        "Verify through nginx",
        "Watch the new version for 5 s",
    ];
    let health = plan.steps.iter().position(|step| matches!(step, Step::AwaitHealth { .. })).unwrap();
    assert_eq!(names(&plan)[health..health + expected.len()], expected);
    let longer = Config { traffic: Traffic { bake: 60, ..gentle.traffic.clone() }, ..gentle.clone() };
    let plan = deploy(&longer, &server(Slot::Blue, 2), &release(9), TestStage::Skip).unwrap();
    assert!(names(&plan).contains(&"Watch the new version for 60 s".to_owned()), "{}", plan.describe());
    let rests = |plan: &Plan| plan.steps.iter().any(|step| matches!(step, Step::Rest { .. }));
    assert!(!rests(&back(&gentle, &server(Slot::Blue, 2), None).unwrap()));
    // Where nothing serves, nobody is spared by waiting.
    let mut nothing = server(Slot::Blue, 2);
    (nothing.running_slot, nothing.configured_slot) = (None, None);
    assert!(!rests(&deploy(&gentle, &nothing, &release(9), TestStage::Skip).unwrap()));
}

#[test]
fn a_new_version_is_warmed_up_before_it_serves_and_one_that_is_gone_back_to_is_not() {
    let traffic = Traffic { warm_up: vec!["/".to_owned(), "/popular".to_owned()], ..config().traffic };
    let config = Config { traffic, ..config() };
    let names_of = |plan: Result<Plan>| names(&plan.unwrap());
    let warmed = "Warm up the new version (/, /popular)".to_owned();
    let observed = server(Slot::Blue, 2);
    let deployed = names_of(deploy(&config, &observed, &release(9), TestStage::Skip));
    let health = deployed.iter().position(|name| name == "Waiting for health check").unwrap();
    assert_eq!(deployed[health + 1], warmed);
    assert!(names_of(restart(&config, &observed)).contains(&warmed));
    let held = names_of(hold(&config, &observed, &release(9), TestStage::Skip, Secret::new("0")));
    assert_eq!(held[held.len() - 2..], [warmed.clone(), format!("Hold {} in slot green", release(9))]);
    assert!(!names_of(back(&config, &observed, None)).contains(&warmed));
}

#[test]
fn an_old_version_that_crashes_over_and_over_is_stopped_and_no_way_back() {
    let mut server = server(Slot::Green, 3);
    server.containers[0].status = "restarting".to_owned();
    let plan = deploy(&config(), &server, &release(4), TestStage::Skip).unwrap();
    assert!(names(&plan).contains(&"Stop slot green".to_owned()), "{plan:?}");
    assert_eq!((plan.from, plan.to), (None, Slot::Blue));
}

#[test]
fn no_plan_ever_stops_the_live_slot_before_traffic_has_left_it() {
    for live in Slot::BOTH {
        for other in ["running", "exited", "restarting"] {
            let mut observed = server(live, 3);
            observed.containers = vec![container(live, 3, "running"), container(live.other(), 2, other)];
            let plans = [
                deploy(&config(), &observed, &release(9), TestStage::Run).unwrap(),
                back(&config(), &observed, None).unwrap(),
            ];
            for plan in plans {
                let switch = plan.steps.iter().position(|step| matches!(step, Step::Switch { .. })).unwrap();
                let touched = |step: &Step| matches!(step, Step::Stop { slot, .. } | Step::Drain { slot, .. } | Step::Boot { slot } if *slot == live);
                assert!(!plan.steps[..switch].iter().any(touched), "{}", plan.describe());
            }
        }
    }
}

#[test]
fn a_rollback_goes_to_the_last_other_release_that_served_well() {
    let mut observed = server(Slot::Blue, 3);
    // A failed release is newer than all, and never served.
    observed.releases.push(stored(release(8), None));
    let plan = back(&config(), &observed, None).unwrap();
    assert_eq!(plan.release, release(2));
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::Test | Step::Package | Step::Ship)));
    assert!(plan.steps.contains(&Step::RenderStored { slot: Slot::Green }), "it runs as it was stored");
    assert!(plan.steps.contains(&Step::Build), "its image is not on the host");
    observed.images.insert(format!("shop-web:{}", release(2)), 0);
    assert!(!back(&config(), &observed, None).unwrap().steps.contains(&Step::Build));
    let migrates = |step: &Step| matches!(step, Step::Hook { point: HookPoint::BeforeBoot, .. });
    assert!(!plan.steps.iter().any(migrates), "old migrations would meet a newer database");
    assert_eq!(back(&config(), &observed, Some(&release(1))).unwrap().release, release(1));
    for refused in [release(3), release(7), release(8)] {
        let error = back(&config(), &observed, Some(&refused)).unwrap_err();
        assert_eq!(Kind::of(&error), Some(Kind::Preflight), "{error}");
    }
    assert!(back(&config(), &server(Slot::Blue, 1), None).is_err());
}

#[test]
fn only_good_releases_count_for_what_is_kept() {
    let mut observed = server(Slot::Blue, 5);
    observed.releases.push(stored(release(7), None));
    observed.mounted = [release(1)].into();
    let plan = deploy(&config(), &observed, &release(9), TestStage::Skip).unwrap();
    let Some(Step::Prune { releases }) = plan.steps.last() else { panic!("nothing is pruned: {}", plan.describe()) };
    // Kept: 9 comes, 5 serves until then, 4 fills up to three, and 1 is mounted by an accessory.
    assert_eq!(releases, &[release(2), release(3), release(7)]);
}

#[test]
fn a_switch_needs_a_running_release_and_stops_nothing() {
    let mut observed = server(Slot::Blue, 2);
    assert_eq!(Kind::of(&switch(&config(), &observed, observed.free_slot()).unwrap_err()), Some(Kind::Preflight));
    observed.containers = vec![container(Slot::Blue, 2, "running"), container(Slot::Green, 1, "running")];
    let plan = switch(&config(), &observed, observed.free_slot()).unwrap();
    assert_eq!(
        names(&plan),
        ["Waiting for health check", "Switch traffic to slot green (instant mode)", "Verify through nginx"]
    );
    let stay = switch(&config(), &observed, Slot::Blue).unwrap();
    assert_eq!(names(&stay), ["Waiting for health check", "Verify through nginx"]);
}

#[test]
fn everything_in_the_way_is_told_at_once() {
    let observed = Observed {
        docker_problem: Some("permission denied".to_owned()),
        nginx_running: false,
        foreign: vec![foreign(Slot::Green, "other-app")],
        ..server(Slot::Blue, 2)
    };
    let error = deploy(&config(), &observed, &release(9), TestStage::Skip).unwrap_err();
    assert_eq!(Kind::of(&error), Some(Kind::Preflight));
    let text = error.to_string();
    for part in ["permission denied", "nginx does not run", "other-app", "port 8001"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_reload_that_cannot_be_is_found_before_anything_is_booted() {
    for (problem, told) in [
        ("sudo: a password is required", "cargo xtask setup"),
        ("nginx: [emerg] unknown directive", "unknown directive"),
    ] {
        let reload = Observed {
            switching: Some(SwitchMode::Reload),
            nginx_problem: Some(problem.to_owned()),
            ..server(Slot::Blue, 2)
        };
        let error = deploy(&config(), &reload, &release(9), TestStage::Skip).unwrap_err();
        assert_eq!(Kind::of(&error), Some(Kind::Preflight));
        assert!(error.to_string().contains(told), "{error}");
        // A flag file moves traffic without sudo and without a reload.
        let instant = Observed { switching: Some(SwitchMode::Instant), ..reload };
        deploy(&config(), &instant, &release(9), TestStage::Skip).unwrap();
    }
}

#[test]
fn once_the_new_version_is_good_the_old_one_may_be_left_running() {
    let plan = deploy(&config(), &server(Slot::Blue, 2), &release(9), TestStage::Skip).unwrap();
    let at = |kind: &str| plan.steps.iter().position(|step| step.kind() == kind).unwrap();
    for (kind, left) in [
        ("Switch traffic", None),
        ("Replace the workers", None),
        ("Mark the release as known good", Some(Slot::Blue)),
        ("Drain slot", Some(Slot::Blue)),
        ("Stop slot", Some(Slot::Blue)),
    ] {
        assert_eq!(left_running(&plan, at(kind)), left, "{kind}");
    }
    assert_eq!(left_running(&plan, at("Stop slot") + 1), None);
}

#[test]
fn a_deploy_that_is_cancelled_before_it_waits_for_what_it_has_sent_is_undone_too() {
    let plan = deploy(&config(), &server(Slot::Blue, 2), &release(9), TestStage::Skip).unwrap();
    let at = |kind: &str| plan.steps.iter().position(|step| step.kind() == kind).unwrap();
    let (workers, count) = (at("Replace the workers"), plan.steps.len());
    // Sent from the workers to the end; the first of them has begun, and so it is where nothing has.
    assert_eq!(last_started_step(workers, count, count - workers - 1), workers);
    assert_eq!(last_started_step(workers, count, count - workers), workers);
    let undo = undo_steps(&plan, last_started_step(workers, count, count - workers - 1));
    assert_eq!(undo.first(), Some(&Step::Switch { switching: SwitchMode::Instant, to: Slot::Blue }));
    // It was good already, though nobody here had heard of it.
    assert_eq!(
        undo_steps(&plan, last_started_step(workers, count, count - at("Mark the release as known good") - 1)),
        []
    );
    // What failed was not sent ahead: a look, or a judgement.
    assert_eq!(last_started_step(workers, workers, 0), workers);
}

#[test]
fn a_failed_deploy_is_undone_as_far_as_it_got() {
    let plan = deploy(&config(), &server(Slot::Blue, 2), &release(9), TestStage::Run).unwrap();
    let remove = Step::Remove { slot: Slot::Green };
    let back = Step::Switch { switching: SwitchMode::Instant, to: Slot::Blue };
    let drain = Step::Drain { slot: Slot::Green, seconds: undo::UNDO_DRAIN };
    let workers = Step::Workers { slot: Slot::Blue, release: release(2), services: vec!["mailer".to_owned()] };
    for (index, step) in plan.steps.iter().enumerate() {
        let undo = undo_steps(&plan, index);
        let expected: Vec<Step> = match step {
            Step::Hook { point: HookPoint::BeforeBoot | HookPoint::BeforeSwitch, .. }
            | Step::Boot { .. }
            | Step::AwaitHealth { .. } => vec![remove.clone()],
            Step::Switch { .. } | Step::Verify { .. } | Step::Bake { .. } => {
                vec![back.clone(), drain.clone(), remove.clone()]
            }
            Step::Workers { .. } | Step::Hook { .. } => {
                vec![back.clone(), workers.clone(), drain.clone(), remove.clone()]
            }
            _ => Vec::new(),
        };
        assert_eq!(undo, expected, "failed at {}", step.title(&plan.release));
    }
}

/// What answered to another question says nothing of this release.
#[test]
fn a_standby_that_was_asked_otherwise_is_asked_before_it_takes_over() {
    let mut observed = server(Slot::Blue, 2);
    observed.containers = vec![container(Slot::Blue, 2, "running"), container(Slot::Green, 1, "running")];
    observed.answers.insert(Slot::Green, well());
    let waits = |observed: &Observed| {
        let plan = rollback(&config(), observed, &release(1)).unwrap();
        plan.steps.contains(&Step::AwaitHealth { slot: Slot::Green })
    };
    assert!(!waits(&observed));
    observed.asked.path = "/ready".to_owned();
    assert!(waits(&observed));
}

/// Its images from a registry had no name of the release then, so they are looked for before anything is booted.
#[test]
fn a_release_of_before_images_had_names_is_built_once_more() {
    let mut observed = server(Slot::Blue, 2);
    observed.images.extend(observed.releases.iter().map(|release| (format!("shop-web:{}", release.id), 1)));
    let builds = |observed: &Observed| rollback(&config(), observed, &release(1)).unwrap().steps.contains(&Step::Build);
    assert!(!builds(&observed));
    let mut old = serde_json::to_value(Settings::of(&config())).unwrap();
    old.as_object_mut().unwrap().remove("images");
    observed.releases[0].settings = Settings::read(&old.to_string());
    assert!(builds(&observed));
}
