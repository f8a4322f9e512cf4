//! The same of the other ways to put a version live: held, by canary, restarted, stopped.

use super::*;

#[test]
fn a_deploy_by_canary_that_is_cut_anywhere_leaves_a_version_that_serves() {
    let config = config();
    let mut cases = 0;
    for start in starting_states().into_iter().filter(|start| start.switching == Some(SwitchMode::Instant)) {
        let start = Observed { gives_shares: true, counts_requests: true, ..start };
        let plan = deploy_by_canary(&config, &start, &release(8), TestStage::Skip, &config.canary).unwrap();
        assert_done(&config, &finish(&start, &plan), &release(8), "after an uncut canary");
        cases += cut_each_step(&config, &start, &plan);
        for (index, _) in
            plan.steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Judge { .. } | Step::Bake { .. }))
        {
            let failed = finish(&start, &Plan { steps: plan.steps[..=index].to_vec(), ..plan.clone() });
            let undone = undo_steps(&plan, index).iter().fold(failed, |host, step| apply(&host, &plan, step));
            assert_done(&config, &undone, &release(3), "taken back");
        }
    }
    assert!(cases > 100, "only {cases} cases");
    let older = server(Slot::Blue, 3);
    let refused = deploy_by_canary(&config, &older, &release(8), TestStage::Skip, &config.canary).unwrap_err();
    assert!(refused.to_string().contains("once more lets it"), "{refused}");
}

/// What a run about a held version leaves harms nobody, wherever it is cut, and it is undone where it fails.
#[test]
fn a_version_that_is_held_gets_no_traffic_until_it_is_promoted() {
    let config = config();
    let mut cases = 0;
    for start in starting_states() {
        let hold = hold(&config, &start, &release(8), TestStage::Skip, Secret::new("0")).unwrap();
        let after = finish(&start, &hold);
        let of = held(&after).unwrap();
        assert_eq!((&of.release, after.live_release()), (&release(8), Some(&release(3))), "{}", hold.describe());
        cases += cut_each_step(&config, &start, &hold);

        let promote = promote(&config, &after, &of).unwrap();
        assert_done(&config, &finish(&after, &promote), &release(8), "promoted");
        let abort = abort(&config, &after, &of);
        assert_done(&config, &finish(&after, &abort), &release(3), "aborted");
        let back = rollback(&config, &after, way_back(&after, None).unwrap()).unwrap();
        assert_done(&config, &finish(&after, &back), &release(2), "rolled back while one was held");
        let shared = finish(&after, &canary(&after, &of, 25));
        assert_eq!((shared.shares.clone(), shared.live_release()), ([(of.slot, 25)].into(), Some(&release(3))));
        let none = finish(&shared, &canary(&shared, &of, 0));
        assert_eq!((none.shares.clone(), held(&none).unwrap()), ([].into(), of.clone()));
        for plan in [&promote, &abort, &back] {
            cases += cut_each_step(&config, &shared, plan);
        }
        for plan in [promote.clone(), abort, back] {
            cases += cut_each_step(&config, &after, &plan);
        }
        // What was held is so again, where it did not serve well.
        let bake = promote.steps.iter().position(|step| matches!(step, Step::Bake { .. })).unwrap();
        let failed = finish(&after, &Plan { steps: promote.steps[..=bake].to_vec(), ..promote.clone() });
        let undone = undo_steps(&promote, bake).iter().fold(failed, |host, step| apply(&host, &promote, step));
        assert_eq!((held(&undone).unwrap(), undone.live_release()), (of, Some(&release(3))));
        let last = hold.steps.len() - 1;
        let undone = undo_steps(&hold, last).iter().fold(after, |host, step| apply(&host, &hold, step));
        assert_done(&config, &undone, &release(3), "a hold that failed");
    }
    assert!(cases > 500, "only {cases} cases");
}

#[test]
fn a_restart_a_stop_and_a_start_that_are_cut_anywhere_are_followed_by_a_deploy_that_ends_well() {
    let config = config();
    for start in starting_states() {
        let restart = restart(&config, &start).unwrap();
        assert_done(&config, &finish(&start, &restart), &release(3), "restarted");
        cut_each_step(&config, &start, &restart);

        let stop = stop(&config, &start).unwrap();
        let stopped = finish(&start, &stop);
        assert!(stopped.containers.iter().all(|container| !container.active()), "{stopped:#?}");
        assert!(super::stop(&config, &stopped).is_err() && super::restart(&config, &stopped).is_err());
        let started = super::start(&config, &stopped).unwrap();
        assert_done(&config, &finish(&stopped, &started), &release(3), "started");
        let again = deploy(&config, &stopped, &release(9), TestStage::Skip).unwrap();
        assert_done(&config, &finish(&stopped, &again), &release(9), "deployed after a stop");
        assert!(super::start(&config, &start).unwrap_err().to_string().contains("serves; `restart`"));
    }
}

#[test]
fn what_is_not_held_is_neither_promoted_nor_aborted_and_what_is_held_is_not_switched_to() {
    let mut host = server(Slot::Blue, 3);
    host.containers.truncate(1);
    assert!(held(&host).unwrap_err().to_string().contains("slot green is empty"));
    let mut left = container(Slot::Green, 2, "running");
    host.containers.push(left.clone());
    assert!(held(&host).unwrap_err().to_string().contains("which is not held"));
    host.previews.insert(Slot::Green);
    assert_eq!(held(&host).unwrap().release, release(2));
    let refused = switch(&config(), &host, Slot::Green).unwrap_err().to_string();
    assert!(refused.contains("is held in slot green: `promote`"), "{refused}");
    // It has ended since.
    left.status = "exited".to_owned();
    host.containers = vec![container(Slot::Blue, 3, "running"), left];
    assert!(held(&host).unwrap_err().to_string().contains("exited, which is not held"));
}
