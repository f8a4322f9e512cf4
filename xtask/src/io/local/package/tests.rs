//! Packages of real repositories, by git.

use std::time::SystemTime;

use super::*;
use crate::testing::fixtures::config;

/// A repository with an app, in the state that was committed.
struct Repository {
    folder: tempfile::TempDir,
    config: Config,
}

impl Repository {
    fn new() -> Repository {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { root: folder.path().to_owned(), ..config() };
        let repository = Repository { folder, config };
        repository.git(&["init", "-q", "-b", "main"]);
        repository.write("app/main.py", "print('hello')\n");
        repository.write("app/data/rows", "1\n");
        repository.write("beside/notes", "not of the app\n");
        repository.commit();
        repository
    }

    fn git(&self, words: &[&str]) {
        let named = ["-c", "user.name=team", "-c", "user.email=team@test.example"];
        process::line(self.folder.path(), "git", &[&named, words].concat()).unwrap();
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "a version"]);
    }

    fn package(&self, folder: &str) -> Result<Package> {
        let caller = Caller { name: "a test".to_owned(), started_at: SystemTime::UNIX_EPOCH };
        let source = source(&self.config)?;
        let release = source.release_id(SystemTime::UNIX_EPOCH)?;
        package(&self.config, &source, &release, &caller, &self.folder.path().join(folder), None)
    }
}

fn paths(package: &Package) -> Vec<String> {
    package.sums.keys().map(|path| tree::as_text(path)).collect()
}

#[test]
fn a_commit_is_the_same_archive_each_time() {
    let repository = Repository::new();
    let [first, second] = ["first", "second"].map(|folder| repository.package(folder).unwrap());
    assert_eq!((&first.sha256, &first.release), (&second.sha256, &second.release));
    assert_eq!(paths(&first), ["data/rows", "main.py"], "what lies beside the app is no part of it");
    assert_eq!(first.sums[&b"data/rows"[..]], sha256(Input::Bytes(b"1\n".to_vec())).unwrap());
    assert_eq!(std::fs::metadata(&first.archive).unwrap().len(), first.bytes);
}

#[test]
fn what_is_not_committed_is_named_and_packaged_only_where_it_is_asked_for() {
    let repository = Repository::new();
    repository.write("app/main.py", "print('changed')\n");
    repository.write("app/new file", "");
    repository.write("beside/notes", "changed\n");
    let source = source(&repository.config).unwrap();
    let told = source.refuse_dirty().unwrap_err();
    assert_eq!(Kind::of(&told), Some(Kind::Package));
    let told = told.to_string();
    for part in ["2 files are not as committed", "app/main.py", "app/new file"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let package = repository.package("made").unwrap();
    assert!(package.release.as_str().ends_with("-dirty"), "{}", package.release);
    assert_eq!(paths(&package), ["data/rows", "main.py", "new file"]);
    // The repository's own index and its branch are as they were.
    let after = super::source(&repository.config).unwrap();
    assert_eq!((after.revision, after.changed), (source.revision, source.changed));
}

#[test]
fn links_that_lead_out_of_the_app_are_refused() {
    let repository = Repository::new();
    std::os::unix::fs::symlink("main.py", repository.folder.path().join("app/inside")).unwrap();
    std::os::unix::fs::symlink("../beside/notes", repository.folder.path().join("app/outside")).unwrap();
    repository.commit();
    let told = repository.package("made").unwrap_err();
    assert_eq!(Kind::of(&told), Some(Kind::Package));
    let told = told.to_string();
    assert!(told.contains("outside -> ../beside/notes") && !told.contains("inside -> main.py"), "{told}");
}

#[test]
fn a_folder_without_a_commit_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { root: folder.path().to_owned(), ..config() };
    let told = source(&config).unwrap_err();
    assert_eq!(Kind::of(&told), Some(Kind::Package));
    assert!(told.to_string().contains("is not a git repository with a commit"), "{told}");
}

#[test]
fn files_of_submodules_and_of_theirs_are_packaged() {
    let repository = Repository::new();
    let others = tempfile::tempdir().unwrap();
    let other = |name: &str| {
        let folder = others.path().join(name);
        let shown = folder.display().to_string();
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("file"), name).unwrap();
        let git = move |words: &[&str]| {
            let set =
                ["-c", "user.name=team", "-c", "user.email=team@test.example", "-c", "protocol.file.allow=always"];
            process::line(&folder, "git", &[&set, words].concat()).unwrap();
        };
        git(&["init", "-q", "-b", "main"]);
        (shown, git)
    };
    let (inner, git) = other("inner");
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "inner"]);
    let (outer, git) = other("outer");
    git(&["submodule", "--quiet", "add", &inner, "inner"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "outer"]);
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &outer, "app/outer"];
    repository.git(&add);
    repository.commit();
    // As a clone without `--recurse-submodules` is.
    let told = format!("{:#}", repository.package("first").unwrap_err());
    assert!(told.contains("app/outer/inner is not checked out") && told.contains("git submodule update"), "{told}");
    repository.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive"]);
    let package = repository.package("second").unwrap();
    let expected = ["data/rows", "main.py", "outer/.gitmodules", "outer/file", "outer/inner/file"];
    assert_eq!(paths(&package), expected);
    assert_eq!(package.sums[&b"outer/inner/file"[..]], sha256(Input::Bytes(b"inner".to_vec())).unwrap());
    assert_eq!(repository.package("third").unwrap().sha256, package.sha256);
    // What is written in one is in no commit; `--dirty` cannot bring it.
    repository.write("app/outer/file", "changed");
    let told = format!("{:#}", repository.package("fourth").unwrap_err());
    assert!(told.contains("app/outer has changes that are not committed there"), "{told}");
}

#[test]
fn a_pointer_of_git_lfs_is_refused_and_its_content_is_packaged() {
    let repository = Repository::new();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n", "a".repeat(64));
    repository.write("app/model.bin", &pointer);
    // A text that is about them is none.
    repository.write("app/README", &format!("A pointer:\n{pointer}"));
    repository.write("app/.gitattributes", "*.bin filter=lfs\n");
    repository.commit();
    let told = format!("{:#}", repository.package("first").unwrap_err());
    assert!(told.contains("  model.bin\n") && told.contains("git lfs pull") && !told.contains("README"), "{told}");
    // With the filter that Git LFS installs, git itself puts the content in the pointer's place.
    repository.git(&["config", "filter.lfs.smudge", "sed s/.*/content/"]);
    let package = repository.package("second").unwrap();
    assert_eq!(package.sums[&b"model.bin"[..]], sha256(Input::Bytes(b"content\ncontent\ncontent\n".to_vec())).unwrap());
}

#[test]
fn a_file_of_the_environment_is_in_the_place_of_no_committed_one() {
    let repository = Repository::new();
    let with = |path: &str| {
        let files = [(path.to_owned(), Secret::new("key"))];
        repository.package("package").unwrap().with_secret_files(&files)
    };
    let package = with("secrets/key").unwrap();
    let sum = sha256(Input::Bytes(b"key".to_vec())).unwrap();
    assert_eq!(package.sums_on_the_host()[&b"secrets/key"[..]], sum);
    assert_eq!(package.commit().fingerprint("secrets/key"), sum);
    assert!(!package.sums.contains_key(&b"secrets/key"[..]), "it is said to be committed");
    for path in ["main.py", "data", "main.py/key"] {
        let told = format!("{:#}", with(path).unwrap_err());
        assert!(told.contains("take one of them out"), "{told}");
    }
}

/// git passes on a large file as it is, and must not do so where it is committed in another form.
#[test]
fn a_large_file_comes_as_it_is_committed_or_as_its_attributes_say() {
    let sum = |bytes: &str| sha256(Input::Bytes(bytes.as_bytes().to_vec())).unwrap();
    let lines = "a line\n".repeat(1_500_000);
    let repository = Repository::new();
    repository.write("app/data/rows", &lines);
    repository.commit();
    let package = repository.package("plain").unwrap();
    assert_eq!(package.sums[&b"data/rows"[..]], sum(&lines));
    repository.write("app/.gitattributes", "data/rows text eol=crlf\n");
    repository.commit();
    let package = repository.package("converted").unwrap();
    assert_eq!(package.sums[&b"data/rows"[..]], sum(&lines.replace('\n', "\r\n")));
}
