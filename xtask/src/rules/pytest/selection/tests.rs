//! Which tests run, as scenarios.

use super::*;
use proptest::prelude::*;

/// The app of the scenarios below: `tests/` with four folders and a file, and tests beside it.
fn choose(text: &str, overrides: &[(&str, &[&str])], only: Option<&str>) -> Result<Selection> {
    let there = [
        "tests",
        "tests/auth",
        "tests/health",
        "tests/routes",
        "tests/routes/test_slow.py",
        "tests/unit",
        "tests/test_top.py",
        "contract",
    ];
    let overrides =
        overrides.iter().map(|(name, paths)| (name.to_string(), paths.iter().map(|path| path.to_string()).collect()));
    let entries = ["auth", "health", "routes", "test_top.py", "unit"].map(str::to_owned);
    let disk = Disk { exists: &|path| there.contains(&path), entries: &entries };
    select(&parse(text, "t.yaml").unwrap(), &overrides.collect(), only, "tests", &disk)
}

#[test]
fn everything_runs_but_the_groups_that_are_off() {
    let selection = choose("test_groups: {auth: true, health: true, routes: false}", &[], None).unwrap();
    assert_eq!((selection.paths, selection.ignored), (vec!["tests".to_owned()], vec!["tests/routes".to_owned()]));
    assert_eq!(selection.groups_run, ["auth", "health"]);
    assert_eq!(selection.groups_skipped, ["routes"]);
    assert_eq!(selection.notes, ["in no group of t.yaml, so it runs as well: tests/test_top.py, tests/unit"]);
    assert!(selection.warnings.is_empty());
}

#[test]
fn a_group_that_names_nothing_is_a_warning_with_its_line() {
    let selection =
        choose("test_groups:\n  auth: true\n  notifications: true\n  bot: false\nthreads: 4\n", &[], None).unwrap();
    assert_eq!(
        selection.warnings,
        [
            "t.yaml: the key `threads` means nothing here; only test_groups is read",
            "t.yaml:3: group `notifications` names nothing: there is no tests/notifications in the app's folder",
            "t.yaml:4: group `bot` names nothing: there is no tests/bot in the app's folder",
        ]
    );
    assert_eq!((selection.groups_run, selection.groups_skipped), (vec!["auth".to_owned()], vec!["bot".to_owned()]));
}

#[test]
fn a_group_may_stand_for_other_paths() {
    let overrides: &[(&str, &[&str])] = &[("contract", &["./contract/"]), ("slow", &["tests/routes/test_slow.py"])];
    let selection = choose("test_groups: {contract: true, routes: true, slow: false}", overrides, None).unwrap();
    assert_eq!(selection.paths, ["tests", "contract"]);
    assert_eq!(selection.ignored, ["tests/routes/test_slow.py"], "off, though the group around it is on");
    assert_eq!(selection.groups_run, ["contract", "routes"]);
    let selection = choose("test_groups: {contract: false}", overrides, None).unwrap();
    assert_eq!(
        (selection.paths, selection.ignored),
        (vec!["tests".to_owned()], vec![]),
        "outside of the tests folder nothing runs unasked"
    );
    assert!(
        selection.warnings[0].contains("does not name the group `slow` of deploy.toml"),
        "{:?}",
        selection.warnings
    );
}

#[test]
fn a_group_inside_one_that_is_off_does_not_run_and_says_so() {
    let selection = choose(
        "test_groups: {routes: false, slow: true, auth: true}",
        &[("slow", &["tests/routes/test_slow.py"])],
        None,
    )
    .unwrap();
    assert_eq!(selection.groups_skipped, ["routes", "slow"]);
    assert!(
        selection.warnings[0].contains("`slow` is on, but all of it is part of a group that is off"),
        "{:?}",
        selection.warnings
    );
}

#[test]
fn one_group_runs_whatever_its_switch_says() {
    let text = "test_groups:\n  routes: true\n  auth: false\n  slow: false\n";
    let overrides: &[(&str, &[&str])] = &[("slow", &["tests/routes/test_slow.py"])];
    let routes = choose(text, overrides, Some("routes")).unwrap();
    assert_eq!(
        (routes.paths, routes.ignored),
        (vec!["tests/routes".to_owned()], vec!["tests/routes/test_slow.py".to_owned()])
    );
    assert_eq!(routes.groups_run, ["routes"]);
    let auth = choose(text, overrides, Some("auth")).unwrap();
    assert_eq!((auth.paths, auth.ignored), (vec!["tests/auth".to_owned()], vec![]));
    assert_eq!(auth.notes, ["group `auth` is off (t.yaml:3); it runs because it was asked for by name"]);
    assert_eq!(choose(text, overrides, Some("unit")).unwrap().paths, ["tests/unit"], "a folder without a switch");
}

#[test]
fn an_unknown_group_is_refused_with_the_known_ones() {
    let error = choose("test_groups: {routes: true, nothing: true}", &[], Some("route")).unwrap_err();
    assert_eq!(Kind::of(&error), Some(Kind::Usage));
    assert_eq!(
        error.to_string(),
        "there is no group `route`; did you mean `routes`?; there are: routes, nothing, auth, health, test_top.py, unit"
    );
    let error = choose("test_groups: {routes: true, nothing: true}", &[], Some("nothing")).unwrap_err();
    assert!(error.to_string().contains("there is no tests/nothing"), "{error}");
}

#[test]
fn nothing_to_run_is_an_error() {
    let off = "test_groups: {auth: false, health: false, routes: false, unit: false, top: false}";
    let error = choose(off, &[("top", &["tests/test_top.py"])], None).unwrap_err();
    assert!(error.to_string().contains("nothing is left to run"), "{error}");
    let error =
        choose("test_groups: {everything: false, auth: true}", &[("everything", &["tests"])], None).unwrap_err();
    assert!(error.to_string().contains("nothing is left to run"), "{error}");
}

#[test]
fn the_tests_folder_may_be_the_app_s_folder_itself() {
    let entries = ["unit".to_owned(), "slow".to_owned()];
    let disk = Disk { exists: &|path| ["unit", "slow"].contains(&path), entries: &entries };
    let switches = parse("test_groups: {unit: true, slow/: false}", "t.yaml").unwrap();
    let selection = select(&switches, &BTreeMap::new(), None, "./", &disk).unwrap();
    assert_eq!((selection.paths, selection.ignored), (vec![".".to_owned()], vec!["slow".to_owned()]));
    assert!(selection.notes.is_empty());
}

#[test]
fn an_override_outside_the_app_or_like_an_option_is_refused() {
    for path in ["../other", "/etc", "--pdb", "", "."] {
        let error = choose("test_groups: {auth: true}", &[("smoke", &[path])], None).unwrap_err();
        assert!(error.to_string().starts_with("deploy.toml: [test] groups: smoke: a path must"), "{path:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn what_is_off_never_runs(switches in prop::collection::vec(any::<bool>(), 4)) {
        let names = ["auth", "health", "routes", "unit"];
        let lines: Vec<String> = names.iter().zip(&switches).map(|(name, on)| format!("  {name}: {on}\n")).collect();
        let selection = choose(&format!("test_groups:\n{}", lines.concat()), &[], None).unwrap();
        for (name, on) in names.iter().zip(&switches) {
            let path = format!("tests/{name}");
            prop_assert_eq!(selection.ignored.contains(&path), !on);
            prop_assert_eq!(selection.groups_run.iter().any(|run| run == name), *on);
            prop_assert_eq!(selection.groups_skipped.iter().any(|skipped| skipped == name), !on);
        }
    }
}
