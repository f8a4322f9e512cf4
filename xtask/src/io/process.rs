//! Processes on this machine: the only file that starts one.
//!
//! duct and xshell are not used raw elsewhere, because duct's errors print the whole argument list and neither limits time nor keeps the last
//! lines of output for the error. Each command runs in a process group of its own, so that a time-out ends its children too.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::io::{console, interrupt};
use crate::rules::script::{ENVIRONMENT, Input};

mod child;
mod gently;
pub use child::{Child, Line, Next, Writer, spawn};
pub use gently::gently;

/// Lines of standard error kept for an error message.
const TAIL_LINES: usize = 25;
/// Bytes of standard output a command may give us; more is a defect of the command.
const OUTPUT_LIMIT: usize = 64 << 20;

/// One command: what it is for, its words, where it runs.
#[derive(Debug)]
pub struct Command {
    /// What it does, for errors: `install the requirements`. The words themselves may be long or private.
    pub purpose: String,
    pub words: Vec<String>,
    pub folder: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
    /// Of this process's environment it gets only what a host's scripts need ([`ENVIRONMENT`]).
    pub clean: bool,
    pub input: Input,
    pub limit: Duration,
}

impl Command {
    pub fn new<Word: Into<String>>(purpose: &str, words: impl IntoIterator<Item = Word>) -> Command {
        Command {
            purpose: purpose.to_owned(),
            words: words.into_iter().map(Into::into).collect(),
            folder: None,
            environment: Vec::new(),
            clean: false,
            input: Input::Nothing,
            limit: Duration::from_secs(60),
        }
    }

    pub fn within(mut self, limit: Duration) -> Command {
        self.limit = limit;
        self
    }

    pub fn in_folder(mut self, folder: &Path) -> Command {
        self.folder = Some(folder.to_owned());
        self
    }

    /// A person's environment must not change what a host's scripts do: `TMOUT` ends their reading, for one.
    pub fn in_clean_environment(mut self) -> Command {
        self.clean = true;
        self
    }

    pub fn reading(mut self, input: Input) -> Command {
        self.input = input;
        self
    }

    pub fn with_variable(mut self, name: &str, value: &str) -> Command {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    pub purpose: String,
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    /// The last lines it printed to standard error (both streams, where it was streamed).
    pub tail: String,
}

impl Finished {
    /// # Errors
    /// When the exit code is not 0; the text ends with the last lines of output.
    pub fn success(self) -> Result<Finished> {
        if self.code == Some(0) {
            return Ok(self);
        }
        let ended =
            self.code.map_or("was ended by a signal".to_owned(), |code| format!("failed with exit code {code}"));
        let tail = if self.tail.is_empty() { "(it printed nothing)" } else { &self.tail };
        Err(anyhow!("could not {}: it {ended}:\n{}", self.purpose, indent(tail)))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs to the end; standard output is collected, standard error kept for errors.
///
/// # Errors
/// Where it cannot be started, takes longer than its limit or prints too much;
/// [`Kind::Interrupted`](crate::rules::failure::Kind::Interrupted) after a signal.
pub fn finish(command: &Command) -> Result<Finished> {
    run(command, Show::Nothing)
}

/// Must succeed; gives what it printed.
///
/// # Errors
/// The same, and where it fails.
pub fn text(command: &Command) -> Result<String> {
    Ok(finish(command)?.success()?.text())
}

/// Runs to the end while everything it prints is shown line by line.
///
/// # Errors
/// As [`finish`].
pub fn stream(command: &Command) -> Result<Finished> {
    run(command, Show::Lines)
}

/// A short command whose standard output is a line, run in `folder`: git, mostly.
///
/// # Errors
/// Where it cannot be started, or fails.
pub fn line(folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let shell = xshell::Shell::new().context("opening a shell context")?;
    shell.change_dir(folder);
    let mut command = shell.cmd(program).args(arguments).quiet().ignore_status();
    for name in WITHHELD.get().into_iter().flatten() {
        command = command.env_remove(name);
    }
    let output = command.output();
    let output = output.with_context(|| format!("starting `{program}`; is it installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{program} {}` failed: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// # Errors
/// Names the program that is not installed and how to get it.
pub fn require(program: &str, remedy: &str) -> Result<PathBuf> {
    which::which(program).map_err(|_| anyhow!("`{program}` is not installed: {remedy}"))
}

#[derive(Clone, Copy, PartialEq)]
enum Show {
    Nothing,
    Lines,
}

/// Names of environment variables that no child inherits: secrets it would have no use for.
static WITHHELD: OnceLock<Vec<String>> = OnceLock::new();

/// Keeps these environment variables from every process started from now on.
pub fn withhold(variables: Vec<String>) {
    // Set once, by main.
    let _already = WITHHELD.set(variables);
}

fn expression(command: &Command) -> Result<duct::Expression> {
    let Some((program, arguments)) = command.words.split_first() else {
        bail!("could not {}: no command given", command.purpose);
    };
    require(program, "install it, or run scripts/bootstrap")
        .with_context(|| format!("could not {}", command.purpose))?;
    let mut expression = duct::cmd(program, arguments).unchecked().before_spawn(|child| {
        child.process_group(0);
        Ok(())
    });
    if command.clean {
        let kept = std::env::vars_os().filter(|(name, _)| ENVIRONMENT.iter().any(|kept| name == kept));
        expression = expression.full_env(kept);
    }
    if let Some(folder) = &command.folder {
        expression = expression.dir(folder);
    }
    for name in WITHHELD.get().into_iter().flatten() {
        expression = expression.env_remove(name);
    }
    for (name, value) in &command.environment {
        expression = expression.env(name, value);
    }
    Ok(expression)
}

fn run(command: &Command, show: Show) -> Result<Finished> {
    let (stdout_reader, stdout_writer) = std::io::pipe().context("opening a pipe")?;
    let (stderr_reader, stderr_writer) = std::io::pipe().context("opening a pipe")?;
    let (stdin_reader, stdin_writer) = std::io::pipe().context("opening a pipe")?;
    let expression =
        expression(command)?.stdin_file(stdin_reader).stdout_file(stdout_writer).stderr_file(stderr_writer);
    let handle = expression.start().with_context(|| format!("could not {}", command.purpose))?;
    drop(expression); // it holds the writing ends; the readers would never see the end
    let feed = Feed::start(&command.input, stdin_writer)?;

    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let (done, readers) = mpsc::channel();
    let collected = match show {
        Show::Nothing => collect(stdout_reader, done.clone()),
        Show::Lines => follow(stdout_reader, show, &tail, done.clone()),
    };
    follow(stderr_reader, show, &tail, done);

    let code = wait(&handle, command, &feed)?;
    // A child left in the background may hold the pipes open; what it prints is not ours to wait for.
    for _ in 0..2 {
        if readers.recv_timeout(Duration::from_secs(2)).is_err() {
            break;
        }
    }
    let stdout = std::mem::take(&mut *lock(&collected));
    if stdout.len() >= OUTPUT_LIMIT {
        bail!("could not {}: it printed more than {} MiB", command.purpose, OUTPUT_LIMIT >> 20);
    }
    let tail = lock(&tail).iter().cloned().collect::<Vec<String>>().join("\n");
    Ok(Finished { purpose: command.purpose.clone(), code, stdout, tail })
}

/// What a command reads, written to it while it runs.
struct Feed {
    /// Bytes that it has taken; none are left once it is the greatest number.
    taken: Arc<AtomicU64>,
}

impl Feed {
    fn start(input: &Input, mut pipe: std::io::PipeWriter) -> Result<Feed> {
        let mut source: Box<dyn Read + Send> = match input {
            Input::File(path) => {
                Box::new(std::fs::File::open(path).with_context(|| format!("reading {}", path.display()))?)
            }
            other => Box::new(std::io::Cursor::new(other.bytes().to_vec())),
        };
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(size @ 1..) = source.read(&mut buffer) {
                // One that ends without reading all of it says so by its exit code.
                if pipe.write_all(&buffer[..size]).is_err() {
                    break;
                }
                count.fetch_add(size as u64, Ordering::Relaxed);
            }
            count.store(u64::MAX, Ordering::Relaxed);
        });
        Ok(Feed { taken })
    }
}

/// How long a command may take nothing of its input while there is some.
const STALLED: Duration = Duration::from_secs(25);

fn wait(handle: &duct::Handle, command: &Command, feed: &Feed) -> Result<Option<i32>> {
    let deadline = after(command.limit);
    let (mut taken, mut since) = (0, Instant::now());
    loop {
        let slice = Duration::from_millis(100).min(deadline.saturating_duration_since(Instant::now()));
        if let Some(output) = handle.wait_timeout(slice).with_context(|| format!("waiting to {}", command.purpose))? {
            return Ok(output.status.code());
        }
        let now = feed.taken.load(Ordering::Relaxed);
        if now != taken || now == u64::MAX {
            (taken, since) = (now, Instant::now());
        }
        let interrupted = interrupt::check();
        let stalled = since.elapsed() > STALLED;
        if interrupted.is_err() || stalled || Instant::now() >= deadline {
            end_group(handle)?;
            interrupted.with_context(|| format!("while trying to {}", command.purpose))?;
            if stalled {
                bail!(
                    "could not {}: nothing more of its input was taken for {} s, after {taken} bytes",
                    command.purpose,
                    STALLED.as_secs()
                );
            }
            bail!("could not {}: not done after {} s", command.purpose, command.limit.as_secs());
        }
    }
}

/// Further than any run: a limit that cannot be added to the time.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// The moment when a limit is over.
pub fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now + FAR)
}

/// SIGTERM to the whole process group, SIGKILL two seconds later.
fn end_group(handle: &duct::Handle) -> Result<()> {
    for signal in [Signal::TERM, Signal::KILL] {
        for pid in handle.pids() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // Gone already is what is wanted.
                let _gone = kill_process_group(pid, signal);
            }
        }
        if handle.wait_timeout(Duration::from_secs(2)).context("ending a process")?.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

fn collect(mut source: impl Read + Send + 'static, done: mpsc::Sender<()>) -> Arc<Mutex<Vec<u8>>> {
    let collected = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&collected);
    std::thread::spawn(move || {
        let mut buffer = [0; 64 << 10];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            let mut sink = lock(&sink);
            if sink.len() < OUTPUT_LIMIT {
                sink.extend_from_slice(&buffer[..count]);
            }
        }
        let _receiver_gone = done.send(());
    });
    collected
}

fn follow(
    source: impl Read + Send + 'static,
    show: Show,
    tail: &Arc<Mutex<VecDeque<String>>>,
    done: mpsc::Sender<()>,
) -> Arc<Mutex<Vec<u8>>> {
    let tail = Arc::clone(tail);
    std::thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        while let Ok(1..) = read_line(&mut source, &mut line) {
            let text = console::masked(String::from_utf8_lossy(&line).trim_end());
            if show == Show::Lines {
                console::child_line(&text);
            }
            keep(&tail, text);
            line.clear();
        }
        let _receiver_gone = done.send(());
    });
    Arc::default()
}

/// The longest line that is kept as one.
const LINE_LIMIT: u64 = 1 << 20;
/// Letters of a line that an error shows.
pub const LINE_SHOWN: usize = 2000;

/// Reads a line with its end, or of one that is very long the next part.
fn read_line(source: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    source.take(LINE_LIMIT).read_until(b'\n', line)
}

/// The beginning of a line, which has been masked.
pub fn shortened(line: &str) -> String {
    match line.char_indices().nth(LINE_SHOWN) {
        Some((end, _)) => format!("{} … (cut)", &line[..end]),
        None => line.to_owned(),
    }
}

/// Keeps the last lines only.
fn keep(tail: &Mutex<VecDeque<String>>, line: String) {
    let line = shortened(&line);
    let mut tail = lock(tail);
    if tail.len() == TAIL_LINES {
        tail.pop_front();
    }
    tail.push_back(line);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Each line two spaces in, so that quoted output is told from our own words.
pub fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<String>>().join("\n")
}
