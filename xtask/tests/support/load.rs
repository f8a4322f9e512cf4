//! Traffic that does not lie: a fixed rate, each answer checked, every kind of failure counted apart. To 127.0.0.1 only,
//! bounded in rate and time.
//!
//! The rate is offered whatever the answers do: a client that waited too long for one sends the next at once, and at the end
//! what was due until then, so a pause of the site is not hidden by sending less.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An answer that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(15);
/// Requests a second, of all clients together, from which on a load needs the machine to itself.
const HEAVY: u32 = 200;
/// No load runs longer than this, whatever its test does.
const LONGEST: Duration = Duration::from_secs(300);
/// Clients of each kind, each with its share of the rate.
const CLIENTS: u32 = 4;

/// Where requests go: a port of this machine, and the name the site is asked by.
#[derive(Clone)]
pub struct Address {
    pub port: u16,
    pub host: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Client {
    /// Opens a connection per request.
    NewConnection,
    /// Keeps its connection and does not retry. A close that was announced in an answer is no failure.
    KeepAlive,
}

/// Both kinds of client.
pub const BOTH: [Client; 2] = [Client::NewConnection, Client::KeepAlive];

/// What became of the requests of one kind of client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub sent: u64,
    pub failed: BTreeMap<String, u64>,
    pub slowest: Duration,
    /// From the first request to the last answer.
    pub lasted: Duration,
    /// Every request, in the order of one client after the other.
    pub samples: Vec<Sample>,
}

/// One request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was to be sent.
    pub due: Instant,
    /// From then to the whole answer: what a client that was kept waiting by an earlier answer saw counts too.
    pub took: Duration,
    pub failed: bool,
}

impl Figures {
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    fn add(&mut self, outcome: Result<(), String>, took: Duration) {
        self.sent += 1;
        self.slowest = self.slowest.max(took);
        if let Err(failure) = outcome {
            *self.failed.entry(failure).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Figures) {
        self.sent += other.sent;
        self.slowest = self.slowest.max(other.slowest);
        self.lasted = self.lasted.max(other.lasted);
        self.samples.extend(other.samples);
        for (failure, count) in other.failed {
            *self.failed.entry(failure).or_default() += count;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} failed, slowest {} ms", self.sent, self.failures(), self.slowest.as_millis())?;
        if self.failed.is_empty() { Ok(()) } else { write!(f, ", {:?}", self.failed) }
    }
}

/// What is asked for, and what a right answer has in its body.
#[derive(Clone, Copy)]
pub struct Page {
    pub path: &'static str,
    pub says: &'static str,
}

/// The reference backend's own.
const HEALTH: Page = Page { path: "/health", says: "\"status\":\"ok\"" };

/// Running load.
pub struct Load {
    /// One heavy load at a time: two would take the processor from each other, and neither would hold its rate.
    _turn: Option<MutexGuard<'static, ()>>,
    ended: Arc<OnceLock<Instant>>,
    clients: Vec<(Client, JoinHandle<Figures>)>,
}

impl Load {
    /// Sends `rate` requests a second for `/health` by each kind of client, until it is finished.
    pub fn start(address: &Address, kinds: &[Client], rate: u32) -> Load {
        Load::of(HEALTH, address, kinds, rate)
    }

    /// The same for another page.
    pub fn of(page: Page, address: &Address, kinds: &[Client], rate: u32) -> Load {
        static TURN: Mutex<()> = Mutex::new(());
        let heavy = rate * u32::try_from(kinds.len()).unwrap() >= HEAVY;
        let turn = heavy.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = Arc::new(OnceLock::new());
        let mut clients = Vec::new();
        for kind in kinds {
            for number in 0..CLIENTS {
                let (address, ended, kind) = (address.clone(), Arc::clone(&ended), *kind);
                let interval = Duration::from_secs(1) * CLIENTS / rate;
                let offset = interval * number / CLIENTS;
                clients.push((kind, std::thread::spawn(move || run(page, &address, kind, [interval, offset], &ended))));
            }
        }
        Load { _turn: turn, ended, clients }
    }

    pub fn finish(self) -> BTreeMap<Client, Figures> {
        self.ended.get_or_init(Instant::now);
        let mut all: BTreeMap<Client, Figures> = BTreeMap::new();
        for (kind, client) in self.clients {
            all.entry(kind).or_default().merge(client.join().expect("a client of the load panicked"));
        }
        all
    }
}

/// Asserts that these kinds of client lost nothing, and prints the figures of all.
#[track_caller]
pub fn assert_none_failed(what: &str, figures: &BTreeMap<Client, Figures>, kinds: &[Client]) {
    for (kind, figures) in figures {
        println!("{what}: {kind:?}: {figures}");
    }
    for kind in kinds {
        let figures = &figures[kind];
        assert!(figures.sent > 0, "{what}: {kind:?} sent nothing");
        assert_eq!(figures.failures(), 0, "{what}: {kind:?}: {figures}");
    }
}

/// Requests a second, of all kinds of client together.
pub fn rate(figures: &BTreeMap<Client, Figures>) -> f64 {
    let sent: u64 = figures.values().map(|figures| figures.sent).sum();
    let lasted = figures.values().map(|figures| figures.lasted).max().unwrap_or_default();
    sent as f64 / lasted.as_secs_f64()
}

fn run(
    page: Page,
    address: &Address,
    kind: Client,
    [interval, offset]: [Duration; 2],
    ended: &OnceLock<Instant>,
) -> Figures {
    let begun = Instant::now();
    let mut next = begun + offset;
    let mut figures = Figures::default();
    let mut connection = None;
    while ended.get().is_none_or(|end| next <= *end) && begun.elapsed() < LONGEST {
        let due = next;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        next += interval;
        let sent = Instant::now();
        let outcome = ask(address, page.path, "", kind == Client::KeepAlive, &mut connection);
        let outcome = outcome.and_then(|answer| match (answer.status, answer.body.contains(page.says)) {
            (200, true) => Ok(()),
            (200, false) => Err("wrong body".to_owned()),
            (status, _) => Err(format!("status {status}")),
        });
        figures.samples.push(Sample { due, took: due.elapsed(), failed: outcome.is_err() });
        figures.add(outcome, sent.elapsed());
        figures.lasted = begun.elapsed();
    }
    figures
}

pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// One request on a connection of its own, or on `kept`, which is then opened where there is none.
///
/// `headers`: further lines, each with its end.
fn ask(
    address: &Address,
    path: &str,
    headers: &str,
    keep: bool,
    kept: &mut Option<TcpStream>,
) -> Result<Answer, String> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => connect(address)?,
    };
    let connection = if keep { "keep-alive" } else { "close" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n{headers}\r\n", address.host);
    stream.write_all(request.as_bytes()).map_err(|error| name(&error))?;
    let (head, body) = read_answer(&mut stream)?;
    let head = head.to_ascii_lowercase();
    if keep && !head.contains("connection: close") {
        *kept = Some(stream);
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status line")?;
    Ok(Answer { status, body })
}

/// One request by a new connection.
pub fn get(address: &Address, path: &str) -> Result<Answer, String> {
    ask(address, path, "", false, &mut None)
}

/// The same with a header line of one's own.
pub fn get_with(address: &Address, path: &str, header: &str) -> Result<Answer, String> {
    ask(address, path, &format!("{header}\r\n"), false, &mut None)
}

fn connect(address: &Address) -> Result<TcpStream, String> {
    let stream =
        TcpStream::connect(("127.0.0.1", address.port)).map_err(|error| format!("connect: {}", name(&error)))?;
    stream.set_read_timeout(Some(LIMIT)).map_err(|error| name(&error))?;
    stream.set_nodelay(true).map_err(|error| name(&error))?;
    Ok(stream)
}

/// The head and the whole body. An answer that ends early is a failure.
fn read_answer(stream: &mut TcpStream) -> Result<(String, String), String> {
    let mut seen = Vec::new();
    let end = loop {
        if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(stream, &mut seen)?;
    };
    let head = String::from_utf8_lossy(&seen[..end]).into_owned();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let length = length.ok_or("no content-length")?;
    while seen.len() < end + length {
        read_more(stream, &mut seen)?;
    }
    Ok((head, String::from_utf8_lossy(&seen[end..end + length]).into_owned()))
}

fn read_more(stream: &mut TcpStream, seen: &mut Vec<u8>) -> Result<(), String> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer) {
        Ok(0) if seen.is_empty() => Err("closed without an answer".to_owned()),
        Ok(0) => Err("closed in the middle of an answer".to_owned()),
        Ok(count) => {
            seen.extend_from_slice(&buffer[..count]);
            Ok(())
        }
        Err(error) => Err(name(&error)),
    }
}

fn name(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "time-out".to_owned(),
        kind => kind.to_string(),
    }
}

/// A websocket that echoes (RFC 6455, short text frames only).
pub struct WebSocket(TcpStream);

impl WebSocket {
    pub fn open(address: &Address, path: &str) -> Result<WebSocket, String> {
        let mut stream = connect(address)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            address.host
        );
        stream.write_all(request.as_bytes()).map_err(|error| name(&error))?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).map_err(|error| name(&error))?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.contains(" 101 ") { Ok(WebSocket(stream)) } else { Err(format!("not a websocket: {head}")) }
    }

    pub fn receive(&mut self) -> Result<String, String> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).map_err(|error| name(&error))?;
        let mut text = vec![0; usize::from(head[1] & 0x7f)];
        self.0.read_exact(&mut text).map_err(|error| name(&error))?;
        match head[0] & 0x0f {
            1 => Ok(String::from_utf8_lossy(&text).into_owned()),
            8 => Err("closed by the server".to_owned()),
            kind => Err(format!("a frame of kind {kind}")),
        }
    }

    /// Sends a short text and gives what comes back.
    pub fn echo(&mut self, text: &str) -> Result<String, String> {
        // A client masks its frames; a mask of zeros leaves them readable.
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).map_err(|error| name(&error))?;
        self.receive()
    }
}
