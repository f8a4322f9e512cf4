//! A process that stays: how it is started, written to, read from line by line, and ended.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Command, end_group, expression, keep, lock, read_line};
use crate::io::{console, interrupt};

/// A process that stays: an SSH connection, a shell that waits for scripts, a watch. It lives as long as its standard
/// input is open, that is, as long as this process does; a SIGKILL of ours is an end-of-file for it.
pub struct Child {
    handle: duct::Handle,
    input: Writer,
    lines: mpsc::Receiver<Line>,
    tail: Arc<Mutex<VecDeque<String>>>,
    purpose: String,
    left: Cell<bool>,
}

/// A line that a child process printed, without its end.
#[derive(Debug)]
pub enum Line {
    Output(String),
    Error(String),
}

/// What is waited for from a child process.
#[derive(Debug)]
pub enum Next {
    Line(Line),
    /// Nothing within the time given.
    Silence,
    /// It has closed both of its outputs.
    End,
}

/// The standard input of a child process. Each writing arrives whole, whoever else writes. Nobody waits for it: where the
/// process takes no more, what is written stays in a queue.
#[derive(Clone)]
pub struct Writer {
    queue: Arc<Mutex<Option<mpsc::Sender<Vec<u8>>>>>,
    ended: Arc<AtomicBool>,
    purpose: Arc<str>,
}

impl Writer {
    fn start(mut pipe: std::io::PipeWriter, purpose: &str) -> Writer {
        let (sender, queue) = mpsc::channel::<Vec<u8>>();
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        std::thread::spawn(move || {
            // The pipe closes with this thread, once the last writer has gone.
            for bytes in queue {
                if pipe.write_all(&bytes).is_err() {
                    flag.store(true, Ordering::Relaxed);
                    break;
                }
            }
        });
        Writer { queue: Arc::new(Mutex::new(Some(sender))), ended, purpose: purpose.into() }
    }

    /// # Errors
    /// When the process has ended.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let queue = lock(&self.queue);
        let queue = queue.as_ref().with_context(|| format!("the process to {} is no longer held", self.purpose))?;
        let taken = !self.ended.load(Ordering::Relaxed) && queue.send(bytes.to_vec()).is_ok();
        taken.then_some(()).with_context(|| format!("the process to {} has ended", self.purpose))
    }

    /// No more follows; what is in the queue still goes.
    fn close(&self) {
        *lock(&self.queue) = None;
    }
}

/// Starts a process that stays, and writes the command's input to it without closing it.
///
/// # Errors
/// Where it cannot be started.
pub fn spawn(command: &Command) -> Result<Child> {
    let (stdin_reader, stdin_writer) = std::io::pipe().context("opening a pipe")?;
    let (stdout_reader, stdout_writer) = std::io::pipe().context("opening a pipe")?;
    let (stderr_reader, stderr_writer) = std::io::pipe().context("opening a pipe")?;
    let expression =
        expression(command)?.stdin_file(stdin_reader).stdout_file(stdout_writer).stderr_file(stderr_writer);
    let handle = expression.start().with_context(|| format!("could not {}", command.purpose))?;
    drop(expression);
    let tail = Arc::new(Mutex::new(VecDeque::new()));
    let (sender, lines) = mpsc::channel();
    let errors = sender.clone();
    read_lines(stdout_reader, move |line| sender.send(Line::Output(line)).is_ok());
    let kept = Arc::clone(&tail);
    read_lines(stderr_reader, move |line| {
        keep(&kept, console::masked(&line));
        errors.send(Line::Error(line)).is_ok()
    });
    let input = Writer::start(stdin_writer, &command.purpose);
    input.write(command.input.bytes())?;
    Ok(Child { handle, input, lines, tail, purpose: command.purpose.clone(), left: Cell::new(false) })
}

/// Hands each line to `take`, in a thread of its own, until that wants no more.
fn read_lines(source: impl Read + Send + 'static, take: impl Fn(String) -> bool + Send + 'static) {
    std::thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        while let Ok(1..) = read_line(&mut source, &mut line) {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
            if !take(text) {
                break;
            }
            line.clear();
        }
    });
}

impl Child {
    /// The next line, waited for until `deadline`. Signals are the caller's to look for.
    pub fn next(&self, deadline: Instant) -> Next {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Next::Line(line),
            Err(mpsc::RecvTimeoutError::Timeout) => Next::Silence,
            Err(mpsc::RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// The next line of its standard output; `None` when it has ended or `limit` has passed.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::rules::failure::Kind::Interrupted) after a signal.
    pub fn line(&self, limit: Duration) -> Result<Option<String>> {
        let deadline = Instant::now() + limit;
        loop {
            interrupt::check()?;
            match self.next(deadline.min(Instant::now() + Duration::from_millis(100))) {
                Next::Line(Line::Output(line)) => return Ok(Some(line)),
                Next::Line(Line::Error(_)) => {}
                Next::End => return Ok(None),
                Next::Silence if Instant::now() >= deadline => return Ok(None),
                Next::Silence => {}
            }
        }
    }

    /// A line of its standard output that is there already.
    pub fn ready_line(&self) -> Option<String> {
        loop {
            match self.lines.try_recv().ok()? {
                Line::Output(line) => return Some(line),
                Line::Error(_) => {}
            }
        }
    }

    pub fn input(&self) -> Writer {
        self.input.clone()
    }

    /// What it wrote to standard error last.
    pub fn tail(&self) -> String {
        lock(&self.tail).iter().cloned().collect::<Vec<String>>().join("\n")
    }

    /// Closes its input and lets it end by itself, whenever that is.
    pub fn detach(&self) {
        self.input.close();
        self.left.set(true);
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn alive(&self) -> Result<bool> {
        Ok(self.handle.try_wait().with_context(|| format!("watching the process to {}", self.purpose))?.is_none())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.left.get() {
            return;
        }
        self.input.close();
        match self.handle.wait_timeout(Duration::from_secs(3)) {
            Ok(Some(_)) => {}
            // It did not notice the end of its input; an error here has no one to go to.
            _ => drop(end_group(&self.handle)),
        }
    }
}
