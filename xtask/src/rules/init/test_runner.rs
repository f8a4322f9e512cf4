//! How a project's tests are run, as its files tell.

use std::collections::BTreeMap;

/// What a deploy would run.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Tests {
    #[default]
    Unknown,
    /// Commands, each a list of words, run in the app's folder.
    Commands(Vec<Vec<String>>),
    /// pytest in an environment of its own: paths relative to the repository's root.
    Pytest { requirements: String, folder: String },
}

impl Tests {
    /// The programs that must be on the machine that deploys.
    pub fn programs(&self) -> Vec<&str> {
        match self {
            Tests::Unknown => Vec::new(),
            Tests::Commands(commands) => commands
                .iter()
                .filter_map(|words| words.first())
                .filter(|word| !word.contains('/'))
                .map(String::as_str)
                .collect(),
            Tests::Pytest { .. } => vec!["python3"],
        }
    }
}

/// The files of an app by their paths in its folder, and the texts of those that name tests.
pub struct Files<'a> {
    pub paths: &'a [String],
    pub texts: &'a BTreeMap<String, String>,
}

/// Whether the text of a file is of use here.
pub fn is_read(path: &str) -> bool {
    const NAMES: [&str; 8] =
        ["package.json", "pyproject.toml", "composer.json", "Gemfile", "setup.cfg", "tox.ini", "pytest.ini", "Pipfile"];
    let name = path.rsplit('/').next().unwrap_or_default();
    path.matches('/').count() <= 2
        && (NAMES.contains(&name)
            || is_python_test(path)
            || (name.starts_with("requirements") && name.ends_with(".txt")))
}

/// The tests of an app: of its folder, or of the folders in it that have some. `app` is the app's folder in the repository.
pub fn find(files: &Files, app: &str) -> Tests {
    let mut folders: Vec<&str> =
        files.paths.iter().filter_map(|path| path.rsplit_once('/')).map(|(folder, _)| folder).collect();
    folders.retain(|folder| folder.matches('/').count() <= 1);
    folders.sort_unstable();
    folders.dedup();
    let mut commands = Vec::new();
    for folder in [""].into_iter().chain(folders) {
        if let Some(pytest) = pytest(files, folder, app)
            && commands.is_empty()
        {
            return pytest;
        }
        let own = of_folder(files, folder);
        // A command at the top runs what lies below it.
        let is_whole = folder.is_empty() && !own.is_empty();
        commands.extend(own);
        if is_whole {
            break;
        }
    }
    if commands.is_empty() { Tests::Unknown } else { Tests::Commands(commands) }
}

fn at(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A command that has no option for its folder.
fn inside(folder: &str, command: &[&str]) -> Vec<String> {
    if folder.is_empty() {
        return words(command);
    }
    // Quoted: it came from the name of a folder.
    let quoted: Vec<String> =
        [folder].iter().chain(command).map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    words(&["sh", "-c", &format!("cd {} && {}", quoted[0], quoted[1..].join(" "))])
}

fn of_folder(files: &Files, folder: &str) -> Vec<Vec<String>> {
    let has = |name: &str| files.paths.iter().any(|path| *path == at(folder, name));
    let below = at(folder, "");
    let some = |ends: &[&str]| {
        files.paths.iter().any(|path| path.starts_with(&below) && ends.iter().any(|end| path.ends_with(end)))
    };
    if let Some(commands) = node(files, folder) {
        return commands;
    }
    match () {
        () if folder.is_empty() && unittest(files).is_some() => unittest(files).into_iter().collect(),
        () if has("go.mod") && some(&["_test.go"]) => vec![inside(folder, &["go", "test", "./..."])],
        () if has("composer.json") && (has("phpunit.xml") || has("phpunit.xml.dist")) => {
            vec![inside(folder, &["composer", "install", "--no-interaction"]), inside(folder, &["vendor/bin/phpunit"])]
        }
        () if has("Gemfile") && some(&["_spec.rb"]) => {
            vec![inside(folder, &["bundle", "install"]), inside(folder, &["bundle", "exec", "rspec"])]
        }
        () if has("bin/rails") && some(&["_test.rb"]) => {
            vec![inside(folder, &["bundle", "install"]), inside(folder, &["bin/rails", "test"])]
        }
        () if has("mvnw") => vec![inside(folder, &["./mvnw", "--batch-mode", "test"])],
        () if has("pom.xml") => vec![inside(folder, &["mvn", "--batch-mode", "test"])],
        () if has("gradlew") => vec![inside(folder, &["./gradlew", "test"])],
        () if has("mix.exs") && some(&["_test.exs"]) => {
            vec![inside(folder, &["mix", "deps.get"]), inside(folder, &["mix", "test"])]
        }
        () if has("Cargo.toml") && has("src/main.rs") => vec![inside(folder, &["cargo", "test"])],
        () if folder.is_empty() && some(&[".sln", "Tests.csproj"]) => vec![words(&["dotnet", "test"])],
        () => Vec::new(),
    }
}

/// Tests of Python's own, where nothing names another runner.
fn unittest(files: &Files) -> Option<Vec<String>> {
    let imports = |path: &&String| {
        let text = files.texts.get(*path);
        text.is_some_and(|text| {
            text.lines().any(|line| {
                line.trim_start().starts_with("import unittest") || line.trim_start().starts_with("from unittest")
            })
        })
    };
    let first = files.paths.iter().filter(|path| is_python_test(path)).find(imports)?;
    let names_pytest = files.texts.iter().any(|(path, text)| !path.ends_with(".py") && text.contains("pytest"));
    let folder = first.rsplit_once('/').map_or(".", |(folder, _)| folder);
    (!names_pytest).then(|| words(&["python3", "-m", "unittest", "discover", "-s", folder]))
}

fn is_python_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"))
}

/// `scripts.test` of a package.json, but for the one that npm writes itself.
fn node(files: &Files, folder: &str) -> Option<Vec<Vec<String>>> {
    let has = |name: &str| files.paths.iter().any(|path| *path == at(folder, name));
    let package: serde_json::Value = serde_json::from_str(files.texts.get(&at(folder, "package.json"))?).ok()?;
    let script = package.get("scripts")?.get("test")?.as_str()?;
    if script.contains("no test specified") {
        return None;
    }
    let (program, of_folder, install): (&str, &str, &[&str]) = match () {
        () if has("pnpm-lock.yaml") => ("pnpm", "--dir", &["install", "--frozen-lockfile"]),
        () if has("yarn.lock") => ("yarn", "--cwd", &["install", "--frozen-lockfile"]),
        () if has("package-lock.json") => ("npm", "--prefix", &["ci"]),
        () => ("npm", "--prefix", &["install"]),
    };
    let place: &[&str] = if folder.is_empty() { &[] } else { &[of_folder, folder] };
    let command = |rest: &[&str]| words(&[&[program], place, rest].concat());
    Some(vec![command(install), command(&["test"])])
}

/// Where pytest is what the project names, with a file of requirements that has it.
fn pytest(files: &Files, folder: &str, app: &str) -> Option<Tests> {
    let below = at(folder, "");
    let is_test = |path: &&String| path.starts_with(&below) && is_python_test(path);
    let first = files.paths.iter().find(is_test)?;
    let has = |name: &str| files.paths.iter().any(|path| *path == at(folder, name));
    for (lock, runner) in [("uv.lock", "uv"), ("poetry.lock", "poetry")] {
        if has(lock) {
            let install = if runner == "uv" { &["uv", "sync"][..] } else { &["poetry", "install"][..] };
            return Some(Tests::Commands(vec![inside(folder, install), inside(folder, &[runner, "run", "pytest"])]));
        }
    }
    let names = |path: &&String| {
        let name = path.strip_prefix(&below).unwrap_or_default();
        let is_of_it = name.starts_with("requirements") && name.ends_with(".txt");
        is_of_it
            && files.texts.get(*path).is_some_and(|text| text.lines().any(|line| line.trim().starts_with("pytest")))
    };
    let requirements = files.paths.iter().find(names)?;
    // The folder directly below the app in which they are.
    let tests = first.strip_prefix(&below)?.split_once('/').map_or(".", |(folder, _)| folder);
    let app = app.trim_matches('/');
    let requirements = if app == "." { requirements.clone() } else { format!("{app}/{requirements}") };
    Some(Tests::Pytest { requirements, folder: at(folder, tests) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[(&str, &str)]) -> Tests {
        let texts = paths
            .iter()
            .filter(|(path, _)| is_read(path))
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        let paths: Vec<String> = paths.iter().map(|(path, _)| (*path).to_owned()).collect();
        find(&Files { paths: &paths, texts: &texts }, ".")
    }

    fn lines(tests: &Tests) -> Vec<String> {
        match tests {
            Tests::Commands(commands) => commands.iter().map(|words| words.join(" ")).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn each_ecosystem_s_usual_command_is_found() {
        let npm = r#"{"scripts": {"test": "vitest"}}"#;
        for (files, expected) in [
            (&[("package.json", npm), ("package-lock.json", "")][..], &["npm ci", "npm test"][..]),
            (&[("package.json", npm), ("yarn.lock", "")], &["yarn install --frozen-lockfile", "yarn test"]),
            (&[("front/package.json", npm)], &["npm --prefix front install", "npm --prefix front test"]),
            (&[("go.mod", ""), ("cmd/x/main_test.go", "")], &["go test ./..."]),
            (&[("api/go.mod", ""), ("api/main_test.go", "")], &["sh -c cd 'api' && 'go' 'test' './...'"]),
            (&[("pyproject.toml", ""), ("uv.lock", ""), ("tests/test_x.py", "")], &["uv sync", "uv run pytest"]),
            (&[("server/test_app.py", "import unittest\n")], &["python3 -m unittest discover -s server"]),
            (&[("pom.xml", "")], &["mvn --batch-mode test"]),
            (&[("Gemfile", ""), ("spec/x_spec.rb", "")], &["bundle install", "bundle exec rspec"]),
        ] {
            assert_eq!(lines(&found(files)), expected, "{files:?}");
        }
        let pytest = found(&[("requirements-dev.txt", "flask\npytest==8\n"), ("tests/api/test_x.py", "")]);
        assert_eq!(
            pytest,
            Tests::Pytest { requirements: "requirements-dev.txt".to_owned(), folder: "tests".to_owned() }
        );
    }

    #[test]
    fn what_is_no_runner_is_none() {
        let none = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
        for files in
            [&[("package.json", none)][..], &[("go.mod", "")], &[("tests/test_x.py", "")], &[("package.json", "{")]]
        {
            assert_eq!(found(files), Tests::Unknown, "{files:?}");
        }
    }
}
