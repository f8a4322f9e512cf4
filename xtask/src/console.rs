//! What a person, or GitHub Actions, sees. Progress goes to standard error, results to standard output.
//!
//! Every line passes the mask: values of the env file and the private key are replaced by dots, wherever they come from.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::{failure, github};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

/// Shorter values are left to GitHub's own mask: dots for every `1` or `true` would hide the log and protect nothing.
const SHORTEST_MASKED: usize = 6;

static MASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
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

/// Hides these values in every line from now on.
pub fn mask(values: impl IntoIterator<Item = String>) {
    let mut masked = MASKED.lock().unwrap_or_else(PoisonError::into_inner);
    for value in values.into_iter().filter(|value| !value.is_empty()) {
        if let Some(actions) = ACTIONS.get() {
            command(actions, &github::mask(&value));
        }
        if value.len() >= SHORTEST_MASKED {
            masked.push(value);
        }
    }
    // The longest first, or a value that contains another would be torn apart.
    masked.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    masked.dedup();
}

pub fn masked(text: &str) -> String {
    let values = MASKED.lock().unwrap_or_else(PoisonError::into_inner);
    values.iter().fold(text.to_owned(), |text, value| text.replace(value, "•••"))
}

/// A stage begins: `[3/12] Build the image`.
pub fn stage(number: usize, count: usize, name: &str) {
    if let Some(actions) = ACTIONS.get() {
        print_error(&github::group(&masked(&format!("[{number}/{count}] {name}"))));
        stop_commands(actions, true);
    } else {
        print_error(&masked(&format!("{BOLD}[{number}/{count}] {name}{BOLD:#}")));
    }
}

/// It ended well.
pub fn stage_done(took: Duration, note: &str) {
    let note = if note.is_empty() { String::new() } else { format!(" {note}") };
    print_error(&masked(&format!("      {GREEN}ok{GREEN:#} {:.2} s{note}", took.as_secs_f64())));
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
    print_error(&format!("      {DIM}{line}{DIM:#}"));
}

pub fn note(text: &str) {
    print_error(&masked(&format!("      {text}")));
}

pub fn warning(text: &str) {
    let text = masked(text);
    match ACTIONS.get() {
        Some(actions) => command(actions, &github::annotation("warning", &text)),
        None => print_error(&format!("{YELLOW}warning{YELLOW:#}: {text}")),
    }
}

/// The error chain, outermost first, and as an annotation where Actions reads along.
pub fn error(error: &anyhow::Error) {
    let text = masked(&failure::chain(error));
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

/// A result on standard output.
pub fn result(text: &str) {
    let mut out = anstream::stdout().lock();
    // A reader that has gone away is no reason to fail a deploy.
    let _closed = writeln!(out, "{}", masked(text));
}

fn print_error(line: &str) {
    let mut out = anstream::stderr().lock();
    let _closed = writeln!(out, "{line}");
}
