//! The shell itself, by a real bash on this machine.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::io::process::{Command, spawn};
use crate::rules::script::{Input, Priority, Script};
use crate::rules::shared_constants::LOCK_FILE;

const TOKEN: &str = "deploy-shell-test";

fn shell(folder: &Path, holder: &str, wait_seconds: u64) -> Shell {
    Shell::new(held(folder, holder, wait_seconds, "30", ""), TOKEN)
}

fn held(folder: &Path, holder: &str, wait_seconds: u64, silence: &str, first: &str) -> Child {
    spawn(&start(folder, holder, wait_seconds, silence, first)).unwrap()
}

fn start(folder: &Path, holder: &str, wait_seconds: u64, silence: &str, first: &str) -> Command {
    let arguments =
        [TOKEN, folder.to_str().unwrap(), holder, &wait_seconds.to_string(), silence, "5", first, LOCK_FILE, "gentle"];
    let start = Script {
        text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/shell.sh")),
        ..script("shell", arguments)
    };
    Command::new("shell", start.words())
}

fn ready(shell: &Shell) -> Result<()> {
    shell.await_ready(Duration::from_secs(20), || anyhow::anyhow!("it has ended: {}", shell.tail()))
}

fn script<const COUNT: usize>(text: &'static str, arguments: [&str; COUNT]) -> Script {
    let arguments = arguments.map(str::to_owned).to_vec();
    Script {
        name: "try",
        text,
        arguments,
        input: Input::Nothing,
        limit: Duration::from_secs(20),
        priority: Priority::Gentle,
    }
}

fn run(shell: &Shell, script: &Script) -> Finished {
    shell.run(script.clone(), Show::Nothing).unwrap().expect("the shell has ended")
}

fn wait(shell: &Shell, ticket: Ticket) -> Finished {
    shell.wait(ticket, Show::Nothing).unwrap().expect("the shell has ended")
}

#[test]
fn the_first_script_comes_with_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let first = script("echo \"$1\"; head -c 1 | wc -c", ["grüße 'and' more"]);
    let child = held(folder.path(), "somebody", 0, "30", &first.remote_line());
    let (shell, ticket) = Shell::with_first(child, TOKEN, &first);
    ready(&shell).unwrap();
    assert_eq!(wait(&shell, ticket).text(), "grüße 'and' more\n0\n");
    assert_eq!(run(&shell, &script("echo next", [])).text(), "next\n");
}

#[test]
fn what_is_said_of_the_first_script_may_come_before_the_shell_is_ready() {
    let said = format!(
        "echo 'of the script' >&2; printf '\\n{TOKEN} end 1\\n' >&2; sleep 0.5; echo '{TOKEN} ready 1'; \
         printf '{TOKEN} begin 1\\nprinted\\n\\n{TOKEN} end 1 0\\n'; cat"
    );
    let first = script("", []);
    let child = spawn(&Command::new("shell", ["bash", "-c", &said])).unwrap();
    let (shell, ticket) = Shell::with_first(child, TOKEN, &first);
    ready(&shell).unwrap();
    let finished = wait(&shell, ticket);
    assert_eq!((finished.text(), finished.tail), ("printed\n".to_owned(), "of the script".to_owned()));
}

#[test]
fn each_script_is_given_its_own_output_however_many_are_sent_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let shell = shell(folder.path(), "somebody", 0);
    ready(&shell).unwrap();
    let text = r#"echo "out $1"; echo "error $1" >&2; printf 'the end'"#;
    let numbers: Vec<String> = (0..150).map(|number| number.to_string()).collect();
    let scripts: Vec<Script> = numbers.iter().map(|number| script(text, [number])).collect();
    let tickets = shell.send(scripts).unwrap();
    for (number, ticket) in numbers.iter().zip(tickets) {
        let finished = wait(&shell, ticket);
        let seen = (finished.code, finished.text(), finished.tail);
        assert_eq!(seen, (Some(0), format!("out {number}\nthe end"), format!("error {number}")));
    }
}

#[test]
fn input_arrives_whole_and_what_is_not_read_of_it_is_not_taken_for_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let shell = shell(folder.path(), "", 0);
    ready(&shell).unwrap();
    let large = b"run 7 3 0 x\nend\n".repeat(100_000);
    let given = |text| Script { input: Input::Bytes(large.clone()), ..script(text, []) };
    assert_eq!(run(&shell, &given("wc -c")).text().trim(), large.len().to_string());
    assert_eq!(run(&shell, &given("head -c 3")).text(), "run");
    assert_eq!(run(&shell, &script("cat; echo done", [])).text(), "done\n");
    assert!(shell.run(script("echo \"$1\"", ["a\0b"]), Show::Nothing).is_err());
}

/// Slow only where a script's input is read.
const SLOW_HEAD: &str =
    "#!/bin/sh\n[ \"$(cat /proc/$PPID/comm)\" = timeout ] || sleep 0.3\nexec /usr/bin/head \"$@\"\n";

#[test]
fn of_the_input_of_a_script_that_is_ended_at_once_nothing_is_left_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    // On a machine that is busy, whatever reads the input may not have begun when the script is ended.
    std::fs::write(folder.path().join("head"), SLOW_HEAD).unwrap();
    std::fs::set_permissions(folder.path().join("head"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let start = start(folder.path(), "", 0, "30", "").with_variable("PATH", &path);
    let shell = Shell::new(spawn(&start).unwrap(), TOKEN);
    ready(&shell).unwrap();
    let made = folder.path().join("made");
    let touch = script("touch \"$1\"", [made.to_str().unwrap()]).remote_line();
    let input = Input::Bytes(format!("run 9 {} 0 try\n{touch}", touch.len()).into_bytes());
    let ended = Script { input, limit: Duration::ZERO, ..script("sleep 30", []) };
    assert!(shell.run(ended, Show::Nothing).is_err());
    assert_eq!(run(&shell, &script("echo next", [])).text(), "next\n");
    assert!(!made.exists(), "the input of one script was run as another");
}

#[test]
fn after_a_failure_what_was_sent_ahead_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let shell = shell(folder.path(), "somebody", 0);
    ready(&shell).unwrap();
    let made = folder.path().join("made");
    let make = script("sleep 0.2; touch \"$1\"", [made.to_str().unwrap()]);
    let mut tickets = shell.send(vec![script("exit 3", []), make.clone(), make.clone()]).unwrap();
    assert_eq!(wait(&shell, tickets.pop_front().unwrap()).code, Some(3));
    assert_eq!(shell.forget_ahead().unwrap(), 2);
    assert_eq!(run(&shell, &script("echo on it goes", [])).text(), "on it goes\n");
    assert!(!made.exists());

    // One that has begun is ended.
    let slow = script("echo begun; sleep 20; touch \"$1\"", [made.to_str().unwrap()]);
    let mut tickets = shell.send(vec![script("true", []), slow.clone(), make.clone(), make.clone()]).unwrap();
    assert_eq!(wait(&shell, tickets.pop_front().unwrap()).code, Some(0));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(shell.forget_ahead().unwrap(), 2);
    assert_eq!(run(&shell, &script("echo still here", [])).text(), "still here\n");

    // Also where nobody has waited for any of them yet.
    shell.send(vec![slow, make]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(shell.forget_ahead().unwrap(), 1);
    assert_eq!(run(&shell, &script("echo and here", [])).text(), "and here\n");
    assert!(!made.exists());
}

#[test]
fn a_script_that_takes_too_long_is_ended_even_where_it_does_not_want_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let shell = shell(folder.path(), "", 0);
    ready(&shell).unwrap();
    let stubborn = Script { limit: Duration::from_millis(300), ..script("trap '' TERM; sleep 30; sleep 30", []) };
    let begun = Instant::now();
    let error = shell.run(stubborn, Show::Nothing).unwrap_err();
    assert!(format!("{error:#}").contains("not done after"), "{error:#}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(run(&shell, &script("echo well", [])).text(), "well\n");
}

#[test]
fn the_lock_is_held_until_nothing_of_the_run_is_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let first = shell(folder.path(), "ada since noon", 0);
    ready(&first).unwrap();
    let refused = ready(&shell(folder.path(), "bob", 0)).unwrap_err();
    assert!(format!("{refused:#}").contains("held by ada since noon"), "{refused:#}");

    // The one who deploys dies while a script runs: that comes to its end, and then the next one begins.
    let done = folder.path().join("done");
    let slow = script("sleep 1.5; touch \"$1\"", [done.to_str().unwrap()]);
    let never = script("touch \"$1\"", [folder.path().join("never").to_str().unwrap()]);
    first.send(vec![slow, never]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    drop(first);
    let second = shell(folder.path(), "bob", 0);
    ready(&second).unwrap();
    assert!(done.exists() && !folder.path().join("never").exists());
}

#[test]
fn what_did_not_arrive_whole_is_not_run_and_does_not_hold_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let line = script("touch \"$1\"", [made.to_str().unwrap()]).remote_line();
    let longer = line.len() + 1;
    for sent in [format!("run 1 {longer} 0 try\n{line}"), format!("run 1 {} 9 try\nexec cat\nhalf", "exec cat".len())] {
        let child = held(folder.path(), "somebody", 0, "1", "");
        let mark = format!("{TOKEN} ready ");
        let said = [(); 2].map(|()| child.line(Duration::from_secs(20)).unwrap().unwrap());
        assert!(said[0].is_empty() && said[1].starts_with(&mark), "{said:?}");
        child.input().write(sent.as_bytes()).unwrap();
        let begun = Instant::now();
        let next = shell(folder.path(), "bob", 20);
        ready(&next).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(8), "the lock was held for {:?}", begun.elapsed());
        assert!(!made.exists(), "{sent:?} was run");
    }
}

/// A script may be ended before it can clear away after itself, and nobody comes after a killed deploy.
#[test]
fn what_is_left_of_a_release_that_never_was_goes_before_the_lock_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let releases = folder.path().join("releases");
    std::fs::create_dir_all(releases.join("20261124-101500-a1b2c3d")).unwrap();
    std::fs::create_dir(releases.join(".unpacked-20261124-111500-d4e5f6a")).unwrap();
    std::fs::write(releases.join(".incoming-20261124-111500-d4e5f6a.tar.gz"), "half of it").unwrap();
    let left = || std::fs::read_dir(&releases).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();

    let asks = shell(folder.path(), "", 0);
    ready(&asks).unwrap();
    drop(asks);
    assert_eq!(left().len(), 3, "who does not hold the lock has removed what another may be at: {:?}", left());

    let works = shell(folder.path(), "ada", 0);
    ready(&works).unwrap();
    drop(works);
    ready(&shell(folder.path(), "bob", 20)).unwrap();
    assert_eq!(left(), ["20261124-101500-a1b2c3d"]);
}
