//! Names, texts and values that break tools: they arrive to the byte or are refused, and nothing of them is ever run.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::project::{Project, env_file};
use crate::support::team::Team;

#[path = "../../src/rules/config/env_file/meanings.rs"]
mod meanings;

/// Names a file may have, and what the manifest calls it where that is not the same.
const NAMES: [(&[u8], Option<&str>); 24] = [
    (b"-rf", None),
    (b"--help", None),
    (b"a b ", None),
    (b"a\nb\n", None),
    (b"\x01\x1b[31m\x7f", None),
    (b"tab\there", None),
    (b"it's \"quoted\"", None),
    (b"\"quoted\"", None),
    (b"$(touch pwned)", None),
    (b"`touch pwned`", None),
    (b"; touch pwned;", None),
    (b"|touch pwned&", None),
    (b"${IFS}", None),
    (b"*?[x]", None),
    (b":(glob)**", None),
    (b"back\\slash\\", None),
    (b"%s%n", None),
    (b"#", None),
    (b".hidden", None),
    (b"~root", None),
    ("ünï😀\u{2028}\u{202e}".as_bytes(), None),
    (b"caf\xe9", Some(r#""nasty/caf\351""#)),
    (b"\xff\xfe", Some(r#""nasty/\377\376""#)),
    (b"con:nul", None),
];

/// git allows all this in a branch's name.
const BRANCH: &[u8] = b"it's/$(touch${IFS}pwned);`touch${IFS}pwned`&|\"\xc3\xa9\xff";
const BRANCH_IN_THE_MANIFEST: &str = r#""it's/$(touch${IFS}pwned);`touch${IFS}pwned`&|\"\303\251\377""#;

fn git(project: &Project, words: &[&[u8]]) {
    let words = words.iter().map(|word| OsStr::from_bytes(word));
    let status = Command::new("git").arg("-C").arg(project.root()).args(words.clone()).status().unwrap();
    assert!(status.success(), "git {:?}", words.collect::<Vec<_>>());
}

/// Commits files of every name, on a branch, by an author and with a subject of the same kind.
fn commit_nasty_tree(project: &Project) {
    let folder = project.root().join("backend/nasty");
    std::fs::create_dir(&folder).unwrap();
    for (number, (name, _)) in NAMES.iter().enumerate() {
        let path = folder.join(OsStr::from_bytes(name));
        std::fs::write(&path, format!("{number}\r\n\0\n{}", "x".repeat(number * 1000))).unwrap();
        let mode = if number % 2 == 0 { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::write(folder.join("x".repeat(250)), "").unwrap();
    std::fs::write(project.root().join("backend/\"quoted\""), "").unwrap();
    symlink("-rf", folder.join("link to\n-rf")).unwrap();
    git(project, &[b"config", b"core.autocrlf", b"true"]);
    git(project, &[b"checkout", b"-q", b"-b", BRANCH]);
    git(project, &[b"-c", b"core.autocrlf=false", b"add", b"-A"]);
    let author = b"user.name=$(touch pwned) \"it's\" `touch pwned`\xff";
    let subject = b"--amend \"$(touch pwned)\" '; touch pwned\n\n\xff`touch pwned`";
    git(project, &[b"-c", author, b"-c", b"user.email=-x@$(id)", b"commit", b"-q", b"-m", subject]);
}

/// Every file and link below a folder: its path, mode and content.
fn tree(folder: &Path) -> BTreeMap<Vec<u8>, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in std::fs::read_dir(folder.join(&below)).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (below.join(entry.file_name()), entry.file_type().unwrap());
            let executable = entry.metadata().unwrap().permissions().mode() & 0o100;
            let content = match () {
                () if kind.is_dir() => {
                    folders.push(path);
                    continue;
                }
                () if kind.is_symlink() => std::fs::read_link(entry.path()).unwrap().into_os_string().into_vec(),
                () => std::fs::read(entry.path()).unwrap(),
            };
            found.insert(path.into_os_string().into_vec(), (if kind.is_symlink() { 0 } else { executable }, content));
        }
    }
    found
}

/// A payload that was run would have left a file of this name.
fn assert_nothing_was_run(folders: &[&Path]) {
    for folder in folders {
        let found = Command::new("find").arg(folder).args(["-name", "pwned"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "something of a name was run");
    }
}

#[test]
fn a_tree_of_any_names_is_packaged_to_the_byte() {
    let project = Project::new("instant");
    commit_nasty_tree(&project);
    let package = project.xtask(&["package", "--json"]).must_end_with(0).json();
    let unpacked = tempfile::tempdir().unwrap();
    let archive = package["archive"].as_str().unwrap();
    let words = ["-xzf", archive, "--strip-components=1", "-C", unpacked.path().to_str().unwrap()];
    assert!(Command::new("tar").args(words).status().unwrap().success());
    let (packaged, meant) = (tree(unpacked.path()), tree(&project.root().join("backend")));
    assert!(packaged == meant, "{:?}\n{:?}", packaged.keys(), meant.keys());

    let manifest: Value =
        serde_json::from_slice(&std::fs::read(package["manifest"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(manifest["branch"], BRANCH_IN_THE_MANIFEST);
    let files = manifest["files"].as_object().unwrap();
    assert_eq!(files.len(), meant.len() - 1, "all but the link");
    assert!(files.contains_key(r#""\"quoted\"""#), "{files:#?}");
    for (name, called) in NAMES {
        let called = called.map_or_else(|| format!("nasty/{}", String::from_utf8_lossy(name)), str::to_owned);
        let path = project.root().join("backend/nasty").join(OsStr::from_bytes(name));
        let sum = Command::new("sha256sum").stdin(std::fs::File::open(path).unwrap()).output().unwrap();
        assert_eq!(files[&called], String::from_utf8_lossy(&sum.stdout)[..64], "{called:?}");
    }
    // The same with changes that are not committed, which git lists.
    std::fs::write(project.root().join("backend/nasty/$(touch pwned)\n"), "new").unwrap();
    project.xtask(&["package"]).must_end_with(11).must_say(&[r#""backend/nasty/$(touch pwned)\n""#]);
    let dirty = project.xtask(&["package", "--dirty", "--json"]).must_end_with(0).json();
    let manifest = std::fs::read_to_string(dirty["manifest"].as_str().unwrap()).unwrap();
    assert!(manifest.contains(r#""nasty/$(touch pwned)\n":"#), "{manifest}");
    assert_nothing_was_run(&[project.root()]);
}

#[test]
fn a_path_is_no_pattern_and_what_would_not_arrive_is_refused() {
    let project = Project::new("instant");
    std::fs::rename(project.root().join("backend"), project.root().join("back [a-z]*' \"é")).unwrap();
    project.rewrite("deploy.toml", "app = \"backend\"", "app = \"back [a-z]*' \\\"é\"");
    project.commit("a name that is also a pattern");
    let package = project.xtask(&["package", "--json"]).must_end_with(0).json();
    let manifest = std::fs::read_to_string(package["manifest"].as_str().unwrap()).unwrap();
    assert!(manifest.contains("\"worker.py\":"), "{manifest}");
    let app = project.root().join("back [a-z]*' \"é");
    // What leads out of the app's folder would lead nowhere on the host.
    symlink("../deploy.toml", app.join("settings")).unwrap();
    project.commit("a link that leads out");
    project.xtask(&["package"]).must_end_with(11).must_say(&["settings -> ../deploy.toml", "`app`"]);
    project.forget_last_commit();
    let head = format!("160000,{},back [a-z]*' \"é/module", "1".repeat(40));
    project.git(&["update-index", "--add", "--cacheinfo", &head]);
    project.git(&["-c", "user.name=team", "-c", "user.email=team@test.example", "commit", "-q", "-m", "a submodule"]);
    std::fs::create_dir(app.join("module")).unwrap();
    project.xtask(&["package"]).must_end_with(11).must_say(&["submodule", "module", "git submodule update"]);
    project.forget_last_commit();
    project.xtask(&["ship"]).must_end_with(0);
}

#[test]
fn files_that_a_person_writes_are_refused_with_line_and_column() {
    let project = Project::new("instant");
    let toml = std::fs::read(project.root().join("deploy.toml")).unwrap();
    let with =
        |addition: &[u8]| std::fs::write(project.root().join("deploy.toml"), [&toml, addition].concat()).unwrap();
    let line = toml.iter().filter(|byte| **byte == b'\n').count() + 1;
    for addition in [&b"# \xff"[..], b"# \0", b"x \"$(touch pwned)\"", b"''", b"[\n", b"\r", b"[[hooks]]"] {
        with(addition);
        project.xtask(&["status"]).must_end_with(3).must_say(&[&format!("deploy.toml:{line}:")]);
    }
    with(b"");
    for (text, place) in [
        (&b"test_groups:\n  \xc3\xa9\xff: true\n"[..], "2:4"),
        (b"test_groups:\n  a: true\0\n", "2:10"),
        (b"test_groups:\n  $(touch pwned): `touch pwned`\n", "2:19"),
        (b"test_groups:\n  'a\nb': maybe\n", "2:3"),
    ] {
        std::fs::write(project.root().join("tests_config.yaml"), text).unwrap();
        project.xtask(&["test"]).must_end_with(3).must_say(&[&format!("tests_config.yaml:{place}: ")]);
    }
    for words in
        [["rollback", "--to", "$(touch pwned)"], ["test", "--group", "--pdb"], ["status", "--env", "a\nb`touch pwned`"]]
    {
        let run = project.xtask(&words);
        assert!([Some(2), Some(3)].contains(&run.code), "{run}");
    }
    assert_nothing_was_run(&[project.root()]);
}

/// `version`: what compose's own begins with.
fn the_containers_see_what_the_env_file_says(project: &Project, version: &str) {
    commit_nasty_tree(project);
    let pwned = project.root().join("pwned");
    let payload = format!("$(touch {0})`touch {0}`\";touch {0};' && touch {0} #", pwned.display());
    let quoted = payload.replace('\'', r"\'");
    let long = "long ".repeat(20_000);
    let mut meant: BTreeMap<String, &str> = BTreeMap::from([
        ("PAYLOAD".to_owned(), payload.as_str()),
        ("LONG".to_owned(), &long),
        ("hyphen-and.dot".to_owned(), "--help"),
        ("TWICE".to_owned(), "second"),
    ]);
    let mut text = format!(
        "\u{feff}# it's\n{}TWICE=first\nexport PAYLOAD='{quoted}'\nLONG='{long}'\nhyphen-and.dot=--help\n",
        env_file()
    );
    for (number, (written, value)) in meanings::MEANINGS.iter().enumerate() {
        text.push_str(&format!("MEANING_{number}={written}\n"));
        meant.insert(format!("MEANING_{number}"), value);
    }
    text.push_str("TWICE = second");

    project.write("env.local", &format!("{text}\nBROKEN=hunter2$hunter2\nNo value hunter2\n"));
    let refused = project.xtask(&["deploy", "--skip-tests"]).must_end_with(3);
    let lines = text.lines().count();
    let [first, second] = [format!("line {}, BROKEN: ", lines + 1), format!("line {}: there is no `=`", lines + 2)];
    let refused = refused.must_say(&["env.local", &first, &second, "single quotes"]);
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
    assert!(!project.server("").exists(), "it was refused after something was done");

    project.write("env.local", &text);
    let run = project.xtask(&["deploy", "--skip-tests", "--json"]).must_end_with(0);
    let report = run.json();
    let containers = project.containers(false);
    let released: Vec<&String> =
        containers.iter().filter(|name| name.contains("api") || name.contains("worker")).collect();
    assert_eq!(released.len(), 2, "{containers:?}");
    for container in released {
        let label = "{{index .Config.Labels \"com.docker.compose.version\"}}";
        let by = project.docker(&["inspect", "-f", label, container]);
        assert!(by.starts_with(version), "{container} was started by compose {by}");
        let script = "import json,os;print(json.dumps(dict(os.environ)))";
        let seen: Value = serde_json::from_str(&project.docker(&["exec", container, "python", "-c", script])).unwrap();
        for (name, value) in &meant {
            let seen = seen[name].as_str().unwrap_or_else(|| panic!("{container}: {name} is not there"));
            assert!(seen == *value, "{container}: {name} is {seen:?}, not {value:?}");
        }
    }
    let release = project.server("releases").join(report["release"].as_str().unwrap());
    assert!(tree(&release.join("nasty")) == tree(&project.root().join("backend/nasty")), "the tree has changed");
    assert_nothing_was_run(&[project.root(), Path::new(env!("CARGO_MANIFEST_DIR"))]);
    assert_eq!(project.docker(&["exec", &containers[0], "find", "/app", "-name", "pwned"]), "");
    project.status();
}

#[test]
fn the_containers_see_what_the_env_file_says_under_compose_v2() {
    the_containers_see_what_the_env_file_says(&Project::new("instant"), "2.");
}

#[test]
fn the_containers_see_what_the_env_file_says_under_compose_v1() {
    the_containers_see_what_the_env_file_says(&Project::with_compose_of_this_machine("instant"), "1.");
}
