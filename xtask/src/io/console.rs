//! What a person, or GitHub Actions, sees. Progress goes to standard error, results to standard output.
//!
//! Every line passes the mask: values of the env file and the private key are replaced by dots, wherever they come from.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::io::process;
use crate::rules::failure;
use crate::rules::report::github;
use crate::rules::secret::mask::Mask;
use crate::rules::shared_constants::WARNING_MARK;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

static MASK: Mutex<Mask> = Mutex::new(Mask::new());
/// Each line once, in the order in which they came.
static WARNED: Mutex<Vec<String>> = Mutex::new(Vec::new());
static ACTIONS: OnceLock<github::Actions> = OnceLock::new();
/// Whether Actions has been told to take what follows as text.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// From now on the output is a GitHub Actions log: groups, annotations, masks.
pub fn use_actions(actions: github::Actions) {
    // Set once, by main; a second call would change nothing that matters.
    let _already = ACTIONS.set(actions);
}

pub fn actions() -> Option<&'static github::Actions> {
    ACTIONS.get()
}

/// Hides these values in every text from now on.
pub fn mask(values: impl IntoIterator<Item = String>) {
    let new = MASK.lock().unwrap_or_else(PoisonError::into_inner).add(values);
    if let Some(actions) = ACTIONS.get() {
        // GitHub masks line by line.
        new.iter().filter(|value| !value.contains('\n')).for_each(|value| command(actions, &github::mask(value)));
    }
}

/// What others have said, as text: masked, without the sequences a terminal obeys, and without what a GitHub runner takes
/// for a command wherever a line begins with it, blanks before it or not.
pub fn plain(text: &str) -> String {
    // A carriage return of a line's end is none of a terminal's.
    let text = masked(text).replace('\r', "");
    let text = anstream::adapter::strip_str(&text).to_string();
    let shown: String =
        text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect();
    if ACTIONS.get().is_some() { github::as_text(&shown) } else { shown }
}

/// Lines that a container printed, each masked and then shortened.
pub fn masked_lines(text: &str) -> String {
    masked(text).lines().map(process::shortened).collect::<Vec<String>>().join("\n")
}

pub fn masked(text: &str) -> String {
    MASK.lock().unwrap_or_else(PoisonError::into_inner).hide(text)
}

/// A stage begins: `[3/12] Build the image`.
pub fn stage(number: usize, count: usize, name: &str) {
    if let Some(actions) = ACTIONS.get() {
        print_error(&github::group(&masked(&format!("[{number}/{count}] {name}"))));
        stop_commands(actions, true);
    } else {
        print_error(&format!("{BOLD}[{number}/{count}] {}{BOLD:#}", plain(name)));
    }
}

/// It ended well.
pub fn stage_done(took: Duration, note: &str) {
    let note = if note.is_empty() { String::new() } else { format!(" {note}") };
    print_error(&format!("      {GREEN}ok{GREEN:#} {:.2} s{}", took.as_secs_f64(), plain(&note)));
    end_group();
}

/// It did not.
pub fn stage_failed(took: Duration) {
    print_error(&format!("      {RED}failed{RED:#} after {:.2} s", took.as_secs_f64()));
    end_group();
}

fn end_group() {
    if let Some(actions) = ACTIONS.get() {
        stop_commands(actions, false);
        print_error(github::END_GROUP);
    }
}

/// While a stage runs, what its children print is text to Actions and never a command.
fn stop_commands(actions: &github::Actions, stop: bool) {
    if STOPPED.swap(stop, Ordering::Relaxed) != stop {
        print_error(&if stop { actions.stop_commands() } else { actions.resume_commands() });
    }
}

/// A command to Actions, also in the middle of a stage.
fn command(actions: &github::Actions, line: &str) {
    let stopped = STOPPED.load(Ordering::Relaxed);
    stop_commands(actions, false);
    print_error(line);
    stop_commands(actions, stopped);
}

/// A line of a child process.
pub fn child_line(line: &str) {
    if let Some(told) = line.strip_prefix(WARNING_MARK) {
        return warning(told.trim_start());
    }
    print_error(&format!("      {DIM}{}{DIM:#}", plain(line)));
}

pub fn note(text: &str) {
    print_error(&format!("      {}", plain(text)));
}

pub fn warning(text: &str) {
    let text = plain(text);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if !warned.contains(&text) {
        warned.push(text.clone());
    }
    drop(warned);
    match ACTIONS.get() {
        Some(actions) => command(actions, &github::annotation("warning", &text)),
        None => print_error(&format!("{YELLOW}warning{YELLOW:#}: {text}")),
    }
}

/// All that this run has warned of, each once, masked.
pub fn warned() -> Vec<String> {
    WARNED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The error chain, outermost first, and as an annotation where Actions reads along.
pub fn error(error: &anyhow::Error) {
    let text = plain(&failure::chain(error));
    print_error(&format!("{RED}error{RED:#}: {text}"));
    if let Some(actions) = ACTIONS.get() {
        command(actions, &github::annotation("error", &text));
    }
}

/// Appends to GitHub's job summary, where there is one.
pub fn summary(text: &str) {
    let Some(path) = ACTIONS.get().and_then(|actions| actions.summary.as_ref()) else { return };
    let written = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let written = written.and_then(|mut file| file.write_all(masked(text).as_bytes()));
    if let Err(error) = written {
        warning(&format!("no job summary: {}: {error}", path.display()));
    }
}

/// A result on standard output. What is in it was masked before it was written as JSON or cut.
pub fn result(text: &str) {
    let mut out = anstream::stdout().lock();
    // A reader that has gone away is no reason to fail a deploy.
    let text = if ACTIONS.get().is_some() { github::as_text(text) } else { text.to_owned() };
    let _closed = writeln!(out, "{text}");
}

fn print_error(line: &str) {
    let mut out = anstream::stderr().lock();
    let _closed = writeln!(out, "{line}");
}
