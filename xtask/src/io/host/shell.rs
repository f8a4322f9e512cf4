//! The host's end of a run: one bash there that runs scripts as they arrive, one after the other, and holds the deploy
//! lock meanwhile (`scripts/shell.sh`). A script costs one round trip, and several that are sent ahead cost one together.
//!
//! The lock is free when that bash and all it started have ended. It ends when its input does, that is when we do,
//! however we end; where the network is cut without a word, it notices our silence.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::io::host::ask::Asker;
use crate::io::process::{self, Child, Finished, Line, Next};
use crate::io::{console, interrupt};
use crate::rules::failure::Kind;
use crate::rules::script::{Input, Script};

const HEARTBEAT: Duration = Duration::from_secs(5);
/// Questions in a row without an answer after which the shell counts as lost: 30 s with their pauses, at most.
const MISSED: u32 = 2;
/// Time until a signal is seen while a script prints nothing.
const LOOK: Duration = Duration::from_millis(100);
/// Time from the first asking of a script to end to ending it by force.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time to wait for what was ended by force.
const GIVEN_UP: Duration = Duration::from_secs(5);

mod collected;

use collected::Collected;

/// A shell on the host that is ready for scripts.
pub struct Shell {
    child: Child,
    /// What its own lines begin with, so that no output of a script is taken for one.
    token: String,
    /// The number of the script sent last.
    sent: Cell<u32>,
    /// The numbers of those that were sent and not yet waited for.
    ahead: RefCell<VecDeque<u32>>,
    /// What the shell said of later scripts while an earlier one, or it itself, was waited for: its two outputs are read
    /// apart, and either may be ahead of the other.
    early: RefCell<VecDeque<Line>>,
    ended: Arc<AtomicBool>,
    /// The host does not hear us any more, or the shell there is gone, although the connection stands.
    lost: Arc<AtomicBool>,
    /// The number of its process on the host, once it is ready.
    process: Cell<u32>,
}

/// For a script that was sent: it is waited for with this, in the order in which the scripts were sent.
#[derive(Debug)]
pub struct Ticket {
    number: u32,
    pub script: Script,
}

/// Whether what a script prints is shown while it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    Nothing,
    Lines,
}

impl Shell {
    /// A shell that was started just now.
    pub fn new(child: Child, token: &str) -> Shell {
        let (sent, ahead, early, process) = (Cell::new(0), RefCell::default(), RefCell::default(), Cell::new(0));
        let (ended, lost) = (Arc::default(), Arc::default());
        Shell { child, token: token.to_owned(), sent, ahead, early, ended, lost, process }
    }

    /// A shell that was started just now, with the script that it was given to run first.
    pub fn with_first(child: Child, token: &str, first: &Script) -> (Shell, Ticket) {
        let shell = Shell::new(child, token);
        let ticket = shell.next_ticket(first.clone());
        (shell, ticket)
    }

    fn next_ticket(&self, script: Script) -> Ticket {
        let number = self.sent.get() + 1;
        self.sent.set(number);
        self.ahead.borrow_mut().push_back(number);
        Ticket { number, script }
    }

    /// Waits until the shell is ready, which it is once it has the lock, if it is to hold it.
    ///
    /// # Errors
    /// [`Kind::Locked`] with who holds the lock since when; `ended` gives the error where the shell ends instead.
    pub fn await_ready(&self, limit: Duration, ended: impl Fn() -> anyhow::Error) -> Result<()> {
        let Some(said) = self.first_line(limit)? else { return Err(ended()) };
        if let Some(holder) = said.strip_prefix("held by ") {
            return Err(Kind::Locked.error(format!(
                "the deploy lock is held by {}. Wait for it with --lock-wait SECONDS; the lock of a run that has died frees itself within a minute",
                console::plain(holder)
            )));
        }
        if said == "no lock" {
            return Err(Kind::Preflight.error(format!(
                "could not take the deploy lock on the host; a server is prepared once, by the script that `cargo xtask setup` prints:\n{}",
                process::indent(&self.tail())
            )));
        }
        let process = said.strip_prefix("ready ").and_then(|number| number.parse().ok());
        self.process
            .set(process.with_context(|| format!("the shell on the host said {said:?} instead of being ready"))?);
        self.beat();
        Ok(())
    }

    /// The first line of its own. What a login prints comes before it, and what comes of its standard error meanwhile may be of
    /// the first script already.
    fn first_line(&self, limit: Duration) -> Result<Option<String>> {
        let deadline = process::after(limit);
        loop {
            interrupt::check()?;
            match self.child.next(deadline.min(Instant::now() + LOOK)) {
                Next::Line(Line::Output(line)) => {
                    if let Some(said) = line.strip_prefix(&self.token).and_then(|line| line.strip_prefix(' ')) {
                        return Ok(Some(said.to_owned()));
                    }
                }
                Next::Line(line @ Line::Error(_)) => self.early.borrow_mut().push_back(line),
                Next::End => return Ok(None),
                Next::Silence if Instant::now() >= deadline => return Ok(None),
                Next::Silence => {}
            }
        }
    }

    /// Asks again and again whether the shell is still there: its process may be ended while the connection stands, and then
    /// nothing would ever be heard of it.
    pub fn watch(&self, asker: &Asker) {
        let (asker, ended, lost, process) =
            (asker.clone(), Arc::clone(&self.ended), Arc::clone(&self.lost), self.process.get());
        std::thread::spawn(move || {
            let mut missed = 0;
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(HEARTBEAT);
                missed = match asker.is_there(process, HEARTBEAT) {
                    Ok(true) => 0,
                    Ok(false) => MISSED,
                    Err(_) => missed + 1,
                };
                if missed >= MISSED {
                    lost.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
    }

    /// Says again and again that we live.
    fn beat(&self) {
        let (input, ended) = (self.child.input(), Arc::clone(&self.ended));
        std::thread::spawn(move || {
            // Where it cannot be written, the next script finds the shell ended and says so.
            while !ended.load(Ordering::Relaxed) && input.write(b"\n").is_ok() {
                std::thread::sleep(HEARTBEAT);
            }
        });
    }

    /// Sends scripts that will be waited for in this order, each to run only if the one before has succeeded.
    ///
    /// # Errors
    /// Where it cannot be written to.
    pub fn send(&self, scripts: Vec<Script>) -> Result<VecDeque<Ticket>> {
        let mut chain = "run";
        let mut tickets = VecDeque::new();
        for script in scripts {
            tickets.push_back(self.send_one(script, chain)?);
            chain = "then";
        }
        Ok(tickets)
    }

    fn send_one(&self, script: Script, chain: &str) -> Result<Ticket> {
        let line = script.remote_line();
        if let Input::File(path) = &script.input {
            bail!("could not {}: {} does not go through the shell", script.name, path.display());
        }
        if line.contains('\0') {
            bail!("could not {}: one of its words contains a NUL byte", script.name);
        }
        let ticket = self.next_ticket(script);
        let Ticket { number, script } = &ticket;
        let input = script.input.bytes();
        let lengths = format!("{} {}", line.len(), input.len());
        let mut request =
            format!("{chain} {number} {lengths} {} {}\n{line}", script.priority, script.name).into_bytes();
        request.extend_from_slice(input);
        // Where the shell has ended, waiting for it says why.
        let _ended = self.child.input().write(&request);
        Ok(ticket)
    }

    /// Runs a script to its end. `None`: the shell has ended.
    ///
    /// # Errors
    /// Where others have been sent that nobody has waited for yet.
    pub fn run(&self, script: Script, show: Show) -> Result<Option<Finished>> {
        if !self.ahead.borrow().is_empty() {
            bail!("{} would run after scripts that nobody has waited for", script.name);
        }
        let ticket = self.send_one(script, "run")?;
        self.wait(ticket, show)
    }

    /// Forgets what was sent ahead: what runs is ended, the rest does not begin. Gives how many of them never began.
    ///
    /// # Errors
    /// As [`Shell::wait`].
    pub fn forget_ahead(&self) -> Result<usize> {
        let ahead = std::mem::take(&mut *self.ahead.borrow_mut());
        if ahead.is_empty() {
            return Ok(0);
        }
        self.stop()?;
        // It begins after all that is said of those.
        let number = self.send_one(Script::nothing(), "run")?.number;
        self.ahead.borrow_mut().clear();
        let mut never_began = ahead.len();
        let mut come = std::mem::take(&mut *self.early.borrow_mut());
        let deadline = Instant::now() + PATIENCE + GIVEN_UP;
        while Instant::now() < deadline {
            match come.pop_front().map_or_else(|| self.child.next(Instant::now() + PATIENCE), Next::Line) {
                Next::Line(Line::Output(line)) => match self.mark(&line) {
                    Some(Mark::Begin(at)) if at == number => return Ok(never_began),
                    Some(Mark::Begin(at)) => never_began -= usize::from(ahead.contains(&at)),
                    _ => {}
                },
                Next::Line(Line::Error(_)) => {}
                Next::Silence if self.lost.load(Ordering::Relaxed) => break,
                Next::Silence => self.stop()?,
                Next::End => break,
            }
        }
        bail!("a script that ran on the host did not end")
    }

    fn stop(&self) -> Result<()> {
        self.child.input().write(b"stop\n")
    }

    /// Waits for the end of a script that was sent. `None`: the shell has ended.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::rules::failure::Kind::Interrupted) after a signal; where the script takes longer
    /// than its limit or prints too much.
    pub fn wait(&self, Ticket { number, script }: Ticket, show: Show) -> Result<Option<Finished>> {
        let script = &script;
        if self.ahead.borrow_mut().pop_front() != Some(number) {
            bail!("{} is waited for out of turn", script.name);
        }
        let mut output = Collected::default();
        let mut limit = Limit::new(script.limit);
        let mut come = std::mem::take(&mut *self.early.borrow_mut());
        let mut of_later = VecDeque::new();
        while output.code.is_none() || !output.errors_ended {
            match come.pop_front().map_or_else(|| self.child.next(Instant::now() + LOOK), Next::Line) {
                Next::End => return Ok(None),
                Next::Silence if self.lost.load(Ordering::Relaxed) => return Ok(None),
                Next::Silence => {}
                Next::Line(line @ Line::Output(_)) if output.code.is_some() => of_later.push_back(line),
                Next::Line(line @ Line::Error(_)) if output.errors_ended => of_later.push_back(line),
                Next::Line(Line::Output(line)) => match self.mark(&line) {
                    Some(Mark::Begin(at)) if at == number => limit.restart(script.limit),
                    Some(Mark::End(at, code)) if at == number => output.code = code,
                    // Of one that nobody waited for.
                    Some(_) => output.forget(),
                    None => output.add(line, show),
                },
                Next::Line(Line::Error(line)) => match self.mark(&line) {
                    Some(Mark::End(at, _)) => output.errors_ended = at == number,
                    Some(Mark::Begin(_)) => {}
                    None => output.keep(&line, show),
                },
            }
            self.enforce(&mut limit, script)?;
        }
        of_later.append(&mut come);
        *self.early.borrow_mut() = of_later;
        match limit.reason {
            Some(reason) => Err(reason),
            None => output.finish(script).map(Some),
        }
    }

    /// Ends the script where a signal has come or its time is over; then by force.
    fn enforce(&self, limit: &mut Limit, script: &Script) -> Result<()> {
        if let Some(reason) = &limit.reason {
            if limit.asked_at.elapsed() > PATIENCE + GIVEN_UP {
                bail!("{reason:#}, and it did not end when it was told to");
            }
            if limit.asked_at.elapsed() > PATIENCE && !limit.forced {
                limit.forced = true;
                self.stop()?;
            }
            return Ok(());
        }
        let reason = match interrupt::check() {
            Err(error) => error.context(format!("while trying to {}", script.name)),
            Ok(()) if Instant::now() >= limit.deadline => {
                anyhow::anyhow!("could not {}: not done after {} s", script.name, script.limit.as_secs())
            }
            Ok(()) => return Ok(()),
        };
        limit.reason = Some(reason);
        limit.asked_at = Instant::now();
        self.stop()
    }

    fn mark(&self, line: &str) -> Option<Mark> {
        let mut words = line.strip_prefix(&self.token)?.split_ascii_whitespace();
        let (what, number) = (words.next()?, words.next()?.parse().ok()?);
        match what {
            "begin" => Some(Mark::Begin(number)),
            "end" => Some(Mark::End(number, words.next().and_then(|code| code.parse().ok()))),
            _ => None,
        }
    }

    /// Scripts sent so far.
    pub fn sent(&self) -> u32 {
        self.sent.get()
    }

    /// Whether the shell still runs.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn alive(&self) -> Result<bool> {
        Ok(!self.lost.load(Ordering::Relaxed) && self.child.alive()?)
    }

    /// Lets it end by itself.
    pub fn detach(&self) {
        self.child.detach();
    }

    /// What was said to standard error last, after the end of the last script that has ended.
    pub fn tail(&self) -> String {
        let said = self.child.tail();
        let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
        lines.rsplit(|line| line.starts_with(&self.token)).next().unwrap_or_default().join("\n")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// What the shell itself says.
enum Mark {
    Begin(u32),
    /// On standard output with the exit code, on standard error without.
    End(u32, Option<i32>),
}

/// How long a script may take, and whether it was told to end.
struct Limit {
    deadline: Instant,
    /// Why it was told to end.
    reason: Option<anyhow::Error>,
    asked_at: Instant,
    forced: bool,
}

impl Limit {
    fn new(limit: Duration) -> Limit {
        let now = Instant::now();
        Limit { deadline: process::after(limit), reason: None, asked_at: now, forced: false }
    }

    /// It begins only now.
    fn restart(&mut self, limit: Duration) {
        self.deadline = process::after(limit);
    }
}

#[cfg(test)]
mod tests;
