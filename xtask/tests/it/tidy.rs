//! The repository's rules as tests: what docs/ARCHITECTURE.md and Cargo.toml promise, checked instead of trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::support::rust_source::{Source, words};
use crate::support::server::repository;
use crate::support::source_files::{files, named, sources};

const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 400;
const CRATES: usize = 80;

/// What a rule may not name: a process, a file, the network, the environment, the clock.
const WORLD: [&str; 11] = [
    "std::process",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "SystemTime::now",
    ".elapsed()",
    "duct::",
    "xshell::",
    "rustix::",
    "tempfile::",
];

/// Of `std::process`, what is no process: how this one ends.
const OWN_END: [(&str, &str); 2] = [("main.rs", "std::process::ExitCode"), ("io/interrupt.rs", "std::process::exit")];

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Which folder may know which others. What a folder is for stands in the header of `main.rs`.
const MAY_KNOW: [(&str, &[&str]); 4] = [
    ("rules", &["rules"]),
    ("io", &["rules", "io"]),
    ("run", &["rules", "io", "run"]),
    ("cli", &["rules", "io", "run", "cli"]),
];

/// `rules/plan/step.rs` is in `rules`.
fn folder(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

#[test]
fn a_folder_knows_only_those_below_it() {
    let mut problems = Vec::new();
    let named = named();
    for (from, allowed) in MAY_KNOW {
        for (file, others) in named.iter().filter(|(file, _)| folder(file) == from) {
            let others = others.iter().filter(|other| !allowed.contains(&folder(other)));
            problems.extend(others.map(|other| format!("{file} knows {other}")));
        }
    }
    let folders: BTreeSet<&str> = named.keys().map(|file| folder(file)).collect();
    assert_eq!(folders, BTreeSet::from(["cli", "io", "main", "rules", "run"]), "folders of the source");
    none(problems);
}

/// What scripts and the tool share is defined in `shared_constants.sh` and nowhere else; a number may mean other things too.
#[test]
fn a_shared_constant_is_defined_once() {
    let constants = read("xtask/src/scripts/shared_constants.sh");
    let constants = constants.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let values: Vec<&str> = constants.filter_map(|constant| Some(constant.split_once('=')?.1)).collect();
    let values: Vec<&str> = values.into_iter().filter(|value| value.contains('.') || value.contains('/')).collect();
    let (sources, named) = (sources(), named());
    let rust = named
        .into_keys()
        .filter(|file| file != "rules/shared_constants.rs")
        .map(|file| (sources[&file].plain.clone(), file));
    let scripts =
        files("xtask/src/scripts", ".sh").into_iter().filter(|script| !script.ends_with("shared_constants.sh"));
    let scripts = scripts.map(|script| (std::fs::read_to_string(&script).unwrap(), script.display().to_string()));
    let texts: Vec<(String, String)> = rust.chain(scripts).collect();
    let again = texts.iter().flat_map(|(text, file)| {
        values.iter().filter(move |value| text.contains(**value)).map(move |value| format!("{file}: {value}"))
    });
    none(again.collect());
}

/// How a public function fails stands above it.
#[test]
fn what_can_fail_says_how() {
    let mut silent = Vec::new();
    for file in named().into_keys() {
        let text = read(&format!("xtask/src/{file}"));
        for (at, _) in text.match_indices("pub fn ") {
            let signature = text[at..].split(['{', ';']).next().unwrap();
            let above = text[..at].lines().rev().skip(1).map(str::trim);
            let mut above = above.take_while(|line| line.starts_with("///") || line.starts_with("#["));
            let fails = signature.rsplit_once("->").is_some_and(|(_, gives)| gives.trim().starts_with("Result<"));
            if fails && !above.any(|line| line == "/// # Errors") {
                silent.push(format!("{file}: {}", signature.lines().next().unwrap()));
            }
        }
    }
    none(silent);
}

#[test]
fn hands_know_no_plan() {
    let named = named();
    let mut problems = Vec::new();
    for hand in named.keys().filter(|file| folder(file) == "io") {
        let mut ways = vec![vec![hand]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let last = way[way.len() - 1];
            if last.starts_with("rules/plan") {
                problems.push(way.iter().map(|file| file.as_str()).collect::<Vec<_>>().join(" → "));
            } else if seen.insert(last) {
                ways.extend(named[last].iter().map(|next| way.iter().copied().chain([next]).collect()));
            }
        }
    }
    none(problems);
}

#[test]
fn only_one_file_starts_processes() {
    let mut problems = Vec::new();
    for (file, source) in sources().iter().filter(|(file, _)| !file.starts_with("io/process")) {
        let own_end = OWN_END.iter().filter(|(owner, _)| file == owner);
        let code = own_end.fold(source.code.clone(), |code, (_, allowed)| code.replace(allowed, ""));
        for word in ["std::process", "CommandExt", "duct", "xshell"] {
            if words(&code).any(|found| found == word || found.starts_with(&format!("{word}::"))) {
                problems.push(format!("{file} names {word}: processes are started in io/process.rs only"));
            }
        }
    }
    none(problems);
}

#[test]
fn rules_touch_nothing() {
    let mut problems = Vec::new();
    for (file, source) in sources().iter().filter(|(file, _)| folder(file) == "rules") {
        let world = WORLD.iter().filter(|word| source.code.contains(*word));
        problems.extend(world.map(|word| format!("{file} is a rule and names {word}")));
    }
    none(problems);
}

#[test]
fn files_and_functions_are_short() {
    let mut problems = Vec::new();
    for path in files("xtask/src", ".rs").into_iter().chain(files("xtask/tests", ".rs")) {
        let shown = path.strip_prefix(repository()).unwrap().display();
        let source = Source::read(&path);
        if source.lines > FILE_LINES {
            problems.push(format!("{shown} has {} lines; more than {FILE_LINES} are two subjects", source.lines));
        }
        for (name, lines) in source.functions().into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES) {
            problems.push(format!("{shown}: `{name}` has {lines} lines, at most {FUNCTION_LINES}"));
        }
    }
    none(problems);
}

/// All that is the first user's stands in deploy.toml. Comments and tests may take it as an example.
#[test]
fn the_tool_does_not_know_its_first_user() {
    let mut problems = Vec::new();
    for (file, source) in &sources() {
        let lines = source.plain.lines().enumerate().filter(|(_, line)| line.to_lowercase().contains("gifty"));
        problems.extend(lines.map(|(index, line)| format!("{file}:{}: {}", index + 1, line.trim())));
    }
    for path in files("xtask/src/scripts", ".sh") {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines =
            text.lines().filter(|line| !line.trim_start().starts_with('#') && line.to_lowercase().contains("gifty"));
        problems.extend(lines.map(|line| format!("{}: {line}", path.display())));
    }
    none(problems);
}

#[test]
fn the_dependencies_stay_in_their_budget() {
    let words =
        ["tree", "--locked", "--package", "xtask", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(words).current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> =
        tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    assert!(crates.len() > 10, "cargo tree printed something else:\n{tree}");
    assert!(crates.len() <= CRATES, "{} crates, at most {CRATES}: {crates:?}", crates.len());
}

/// Another repository takes the crate without its tests.
#[test]
fn the_manifest_names_no_file_of_the_tests() {
    let manifest = read("xtask/Cargo.toml");
    assert!(
        !manifest.contains("[["),
        "a target with a section of its own must be there, or nothing builds:\n{manifest}"
    );
}

#[test]
fn the_changelog_has_this_version() {
    let heading = format!("\n## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").contains(&heading), "CHANGELOG.md has no section {}", heading.trim());
}

/// Name and exit code of each kind of failure, from the code.
fn exit_codes() -> BTreeMap<u8, String> {
    let text = read("xtask/src/rules/failure.rs");
    let body = text.split_once("pub enum Kind {").unwrap().1.split_once("\n}").unwrap().0;
    let pairs = body.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    let codes: BTreeMap<u8, String> = pairs.map(|(name, code)| (code.parse().unwrap(), name.to_owned())).collect();
    assert!(codes.len() > 10, "failure.rs reads {codes:?}");
    codes
}

/// First cells of a Markdown table's rows that are numbers.
fn numbered_rows(text: &str) -> BTreeSet<u8> {
    text.lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').next()?.trim().trim_matches('`').parse().ok())
        .collect()
}

#[test]
fn documented_exit_codes_are_those_of_the_code() {
    let mut expected: BTreeSet<u8> = exit_codes().into_keys().collect();
    expected.insert(0);
    for page in ["docs/REFERENCE.md", "docs/ARCHITECTURE.md"] {
        assert_eq!(numbered_rows(&read(page)), expected, "the exit codes of {page}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap().replace('\n', " ");
    let listed = help.split_once("Exit codes: ").unwrap().1.split_once(". ").unwrap().0;
    let codes: BTreeSet<u8> =
        listed.split(", ").filter_map(|entry| entry.split_whitespace().next()?.parse().ok()).collect();
    assert_eq!(codes, expected, "the exit codes of --help");
}

/// What `cargo deny` says of licences and sources, without what it would have to download.
#[test]
fn the_locked_tree_has_allowed_licences_from_an_allowed_source() {
    let deny: toml::Table = toml::from_str(&read("deny.toml")).unwrap();
    let allowed: Vec<&str> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|licence| licence.as_str().unwrap()).collect();
    let target = deny["graph"]["targets"][0].as_str().unwrap();
    let words = ["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", target];
    let output = Command::new(env!("CARGO")).args(words).current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let mut problems = Vec::new();
    for package in packages {
        let name = &package["name"];
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        // `A OR B` is one of both, `A AND B` is each of both.
        let one_of = |part: &str| part.split(" OR ").any(|one| allowed.contains(&one.trim_matches(['(', ')', ' '])));
        if !licence.split(" AND ").all(one_of) {
            problems.push(format!("{name}: the licence {licence:?} is not among those of deny.toml"));
        }
        let source = package["source"].as_str().unwrap_or("this repository");
        if !["this repository", "registry+https://github.com/rust-lang/crates.io-index"].contains(&source) {
            problems.push(format!("{name} comes from {source}"));
        }
    }
    assert!(packages.len() > 50, "only {} packages", packages.len());
    none(problems);
}

/// Each section of deploy.toml, commented out or not, with its text.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        let bare = line.trim_start_matches("# ");
        if let Some((header, _)) = bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            name = header.to_owned();
        }
        let section: &mut String = sections.entry(name.clone()).or_default();
        section.push_str(bare);
        section.push('\n');
    }
    sections
}

#[test]
fn deploy_toml_names_every_setting() {
    let sections = sections(&read("deploy.toml"));
    let structs: BTreeMap<String, Vec<String>> = sources()
        .into_iter()
        .filter(|(file, _)| {
            [
                "rules/config.rs",
                "rules/config/deploy_toml.rs",
                "rules/config/traffic.rs",
                "rules/canary.rs",
                "rules/config/deploy_toml/health_of_app.rs",
                "rules/config/deploy_toml/ssh.rs",
                "rules/config/deploy_toml/tests_of_app.rs",
                "rules/config/deploy_toml/webs.rs",
            ]
            .contains(&file.as_str())
        })
        .flat_map(|(_, source)| source.deserialized())
        .collect();
    let mut problems = Vec::new();
    let mut checked = 0;
    for (name, section) in [
        ("Project", "project"),
        ("Slots", "slots"),
        ("RawHealth", "health"),
        ("RawWeb", "web."),
        ("Traffic", "traffic"),
        ("Canary", "canary"),
        ("Hooks", "hooks"),
        ("RawTests", "test"),
        ("RawSsh", "ssh"),
        ("RawEnvironment", "environments."),
        ("RawNginx", "environments."),
    ] {
        let fields =
            structs.get(name).unwrap_or_else(|| panic!("there is no struct {name} that is read from deploy.toml"));
        let text: String = sections
            .iter()
            .filter(|(header, _)| *header == section || (section.ends_with('.') && header.starts_with(section)))
            .map(|(_, text)| text.as_str())
            .collect();
        for field in fields {
            checked += 1;
            let key = format!("{field} = ");
            let starts = [format!("\n{key}"), format!("{{ {key}"), format!(", {key}")];
            let table = format!("environments.prod.{field}");
            if !starts.iter().any(|start| text.contains(start.as_str())) && !sections.contains_key(&table) {
                problems.push(format!("deploy.toml, [{section}]: no line for `{field}`"));
            }
        }
    }
    assert!(checked > 25, "only {checked} settings were found in the code");
    none(problems);
}
