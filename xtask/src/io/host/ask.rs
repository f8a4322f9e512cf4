//! Questions over HTTP that are asked on the host itself, by one script that stays there for as long as the run: each
//! costs one round trip, no port of the host has to be led here, and a slot is asked the same way wherever it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::io::console;
use crate::io::process::{self, Child, Line, Next, Writer};
use crate::rules::health::Answer;

/// What a round trip may take on top of the time that the host waits.
const WAY: Duration = Duration::from_secs(2);

/// Stands between the headers of a question; no header has it.
const BETWEEN_HEADERS: &str = "\u{1f}";

/// One question.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    pub tls: bool,
    /// On the host's loopback.
    pub port: u16,
    /// The name in the `Host` header, with a port where the address has one.
    pub host: &'a str,
    /// What is sent beside `Host`.
    pub headers: &'a [(String, String)],
    pub path: &'a str,
}

/// The script that asks, as a child process. Can be used by several threads at once.
#[derive(Clone)]
pub struct Asker {
    /// Its standard input, once it has been started.
    input: Arc<OnceLock<Result<Writer, String>>>,
    number: Arc<AtomicU32>,
    /// By number; or why nobody will ever answer again.
    waiting: Arc<Mutex<Result<HashMap<u32, Waiting>, String>>>,
}

/// An answer that is still to come, as far as it has.
struct Waiting {
    text: String,
    sender: mpsc::Sender<Result<Answer, String>>,
}

impl Asker {
    /// Starts the script while others go on. Who asks meanwhile waits for it.
    pub fn start(spawn: impl FnOnce() -> Result<Child> + Send + 'static) -> Asker {
        let waiting = Arc::new(Mutex::new(Ok(HashMap::new())));
        let asker = Asker { input: Arc::default(), number: Arc::default(), waiting };
        let listener = asker.clone();
        std::thread::spawn(move || {
            let child = spawn();
            let input = child.as_ref().map(Child::input).map_err(|error| format!("{error:#}"));
            // Set here only.
            let _set = listener.input.set(input);
            if let Ok(child) = child {
                listener.listen(&child);
            }
        });
        asker
    }

    /// Asks once; meanwhile others may.
    ///
    /// # Errors
    /// Where there is no complete answer within `limit`.
    pub fn ask(&self, question: &Question, limit: Duration) -> Result<Answer> {
        let Question { tls, port, host, headers, path } = question;
        if [host, path].iter().any(|word| word.is_empty() || word.contains(|c: char| c.is_control() || c == ' ')) {
            bail!("{host:?} and {path:?} are not a host and a path that can be asked");
        }
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if headers.iter().any(|header| header.contains(char::is_control)) {
            bail!("{headers:?} are not headers that can be sent");
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (scheme, headers) = (if *tls { "https" } else { "http" }, headers.join(BETWEEN_HEADERS));
        let line = format!("{number}\t{scheme}\t{port}\t{:.3}\t{host}\t{path}\t{headers}\n", limit.as_secs_f64());
        self.send(number, &line, limit)?.map_err(|reason| anyhow!(reason))
    }

    /// Whether a port of the host takes a connection and keeps it for a moment.
    ///
    /// # Errors
    /// Why it does not.
    pub fn connects(&self, port: u16, limit: Duration) -> Result<()> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let line = format!("{number}\tconnect\t{port}\t{:.3}\tx\tx\tx\n", limit.as_secs_f64());
        match self.send(number, &line, limit)? {
            Err(said) if said == "open" => Ok(()),
            Err(reason) => bail!(reason),
            Ok(_) => bail!("the host gives an answer where none was asked for"),
        }
    }

    /// Whether a process of the host is there.
    ///
    /// # Errors
    /// Where nobody says so within `limit`.
    pub fn is_there(&self, process: u32, limit: Duration) -> Result<bool> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let line = format!("{number}\tprocess\t{process}\t0\tx\tx\tx\n");
        match self.send(number, &line, limit)? {
            Err(said) if said == "there" => Ok(true),
            Err(said) if said == "gone" => Ok(false),
            other => bail!("the host says {other:?} of a process"),
        }
    }

    /// Sends a question and waits for what is said to it.
    fn send(&self, number: u32, line: &str, limit: Duration) -> Result<Result<Answer, String>> {
        let input = self.input.wait().as_ref().map_err(|reason| anyhow!(reason.clone()))?;
        let (sender, answer) = mpsc::channel();
        let waiting = Waiting { text: String::new(), sender };
        self.waiting().as_mut().map_err(|reason| anyhow!(reason.clone()))?.insert(number, waiting);
        let answer = input.write(line.as_bytes()).map(|()| answer.recv_timeout(limit + WAY));
        let ended = self.waiting().as_mut().map(|waiting| waiting.remove(&number)).err().cloned();
        match answer? {
            Ok(answer) => Ok(answer),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("no answer within {:.1} s", limit.as_secs_f64()),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!(ended.unwrap_or_default()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Result<HashMap<u32, Waiting>, String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what the host says, until it ends; who waits then, waits in vain.
    fn listen(&self, child: &Child) {
        loop {
            match child.next(Instant::now() + Duration::from_secs(3600)) {
                Next::Line(Line::Output(line)) => self.hear(&line),
                Next::Line(Line::Error(_)) | Next::Silence => {}
                Next::End => break,
            }
        }
        *self.waiting() = Err(format!("what asks on the host has ended: {}", child.tail()));
    }

    /// `NUMBER + PIECE`, `NUMBER = BYTES`, `NUMBER ~ BYTES`, `NUMBER ! REASON`; anything else is not of the script.
    fn hear(&self, line: &str) {
        let mut parts = line.splitn(3, ' ');
        let (Some(number), Some(kind), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return };
        let Ok(number) = number.parse::<u32>() else { return };
        let mut waiting = self.waiting();
        // Nobody waits any more where it came too late.
        let Some(known) = waiting.as_mut().ok().and_then(|waiting| waiting.get_mut(&number)) else { return };
        let answer = match kind {
            "+" => {
                unescape(rest, &mut known.text);
                return;
            }
            "=" | "~" => {
                // Of one that was cut here it is not known how long it is.
                let bytes = if kind == "=" { rest.parse().unwrap_or_default() } else { usize::MAX };
                Answer::parse(&known.text, bytes).map_err(|reason| reason.shown(console::masked))
            }
            // It may quote the answer.
            _ => Err(process::shortened(&console::masked(rest))),
        };
        let _nobody_waits = known.sender.send(answer);
    }
}

fn unescape(piece: &str, text: &mut String) {
    let mut escaped = false;
    for c in piece.chars() {
        match (escaped, c) {
            (false, '\\') => {
                escaped = true;
                continue;
            }
            (true, 'n') => text.push('\n'),
            (true, 'r') => text.push('\r'),
            _ => text.push(c),
        }
        escaped = false;
    }
}

#[cfg(test)]
mod tests;
