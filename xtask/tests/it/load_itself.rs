//! The load itself: against servers that do wrong on purpose, it counts exactly what they did.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::load::{Address, Client, Figures, Load};

/// What a server does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Answer,
    /// Answers, says that it will close, and closes.
    Announce,
    /// Closes without an answer.
    Close,
    /// Closes in the middle of its answer.
    Break,
    Reset,
    Refuse,
    /// 200, but of something else.
    Mistake,
    /// Answers, 400 ms late.
    Wait,
}

#[derive(Default)]
struct BadServer {
    requests: AtomicU64,
    done: [AtomicU64; 8],
}

impl BadServer {
    fn start(choose: fn(u64) -> Fault) -> (Address, Arc<BadServer>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = Address { port: listener.local_addr().unwrap().port(), host: "localhost".to_owned() };
        let server = Arc::new(BadServer::default());
        let of_connections = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (Arc::clone(&of_connections), stream.unwrap());
                std::thread::spawn(move || server.serve(stream, choose));
            }
        });
        (address, server)
    }

    fn serve(&self, mut stream: TcpStream, choose: fn(u64) -> Fault) {
        stream.set_nodelay(true).unwrap();
        while stream.peek(&mut [0]).is_ok_and(|count| count == 1) {
            let fault = choose(self.requests.fetch_add(1, Ordering::SeqCst) + 1);
            self.done[fault as usize].fetch_add(1, Ordering::SeqCst);
            if fault == Fault::Reset {
                // To close while a request lies there unread is what makes the system send a reset.
                return;
            }
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /health HTTP/1.1\r\n") && request[..read].ends_with(b"\r\n\r\n"));
            let keep = request[..read].windows(10).any(|word| word == b"keep-alive") && fault != Fault::Announce;
            let head = if keep { "" } else { "Connection: close\r\n" };
            let ok = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 15\r\n\r\n{{\"status\":\"ok\"}}");
            let answer = match fault {
                Fault::Close => return,
                Fault::Break => ok[..ok.len() - 4].to_owned(),
                Fault::Refuse => format!("HTTP/1.1 503 No\r\n{head}Content-Length: 2\r\n\r\nno"),
                Fault::Mistake => ok.replace("ok\"}", "no\"}"),
                _ => ok,
            };
            if fault == Fault::Wait {
                std::thread::sleep(Duration::from_millis(400));
            }
            stream.write_all(answer.as_bytes()).unwrap();
            if !keep || fault == Fault::Break {
                return;
            }
        }
    }

    fn done(&self, fault: Fault) -> u64 {
        self.done[fault as usize].load(Ordering::SeqCst)
    }

    /// What clients must have seen of it.
    fn failures(&self) -> BTreeMap<String, u64> {
        let named = [
            (Fault::Close, "closed without an answer"),
            (Fault::Break, "closed in the middle of an answer"),
            (Fault::Reset, "connection reset"),
            (Fault::Refuse, "status 503"),
            (Fault::Mistake, "wrong body"),
        ];
        let done = named.map(|(fault, name)| (name.to_owned(), self.done(fault)));
        done.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

fn load(address: &Address, kind: Client) -> Figures {
    let load = Load::start(address, &[kind], 500);
    std::thread::sleep(Duration::from_secs(2));
    load.finish().remove(&kind).unwrap()
}

fn mostly_well(number: u64) -> Fault {
    match number {
        n if n % 150 == 0 => Fault::Reset,
        n if n % 100 == 0 => Fault::Close,
        n if n % 70 == 0 => Fault::Refuse,
        n if n % 60 == 0 => Fault::Mistake,
        n if n % 45 == 0 => Fault::Break,
        n if n % 30 == 0 => Fault::Announce,
        400 => Fault::Wait,
        _ => Fault::Answer,
    }
}

#[test]
fn every_kind_of_failure_is_counted_exactly() {
    for kind in [Client::NewConnection, Client::KeepAlive] {
        let (address, server) = BadServer::start(mostly_well);
        let figures = load(&address, kind);
        assert!(figures.sent > 900, "the offered rate was not held: {figures}");
        assert_eq!(figures.sent, server.requests.load(Ordering::SeqCst), "{figures}");
        assert_eq!(server.failures().len(), 5);
        assert_eq!(figures.failed, server.failures(), "{kind:?}");
        assert!(server.done(Fault::Announce) > 0, "an announced close is no failure, but none was tried");
    }
}

/// Every 1,000th request is dropped and every 1,500th connection reset, at the rate of a measurement.
#[test]
fn the_few_among_many_are_counted_exactly() {
    let (address, server) = BadServer::start(|number| match number {
        n if n % 1_500 == 0 => Fault::Reset,
        n if n % 1_000 == 0 => Fault::Close,
        _ => Fault::Answer,
    });
    let load = Load::start(&address, &[Client::NewConnection], 1_200);
    std::thread::sleep(Duration::from_secs(4));
    let figures = load.finish().remove(&Client::NewConnection).unwrap();
    assert!(figures.sent > 4_000, "the offered rate was not held: {figures}");
    assert_eq!((figures.sent, &figures.failed), (server.requests.load(Ordering::SeqCst), &server.failures()));
    assert_eq!(figures.failures(), figures.samples.iter().filter(|sample| sample.failed).count() as u64);
}

/// The request that such a close loses is one that nobody answers.
#[test]
fn a_close_without_announcement_costs_a_kept_connection_one_request() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = Address { port: listener.local_addr().unwrap().port(), host: "localhost".to_owned() };
    let closes = Arc::new(AtomicU64::new(0));
    let of_server = Arc::clone(&closes);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, closes) = (stream.unwrap(), Arc::clone(&of_server));
            std::thread::spawn(move || {
                for _ in 0..20 {
                    let Ok(1..) = stream.read(&mut [0; 1024]) else { return };
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}").unwrap();
                }
                closes.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    let figures = load(&address, Client::KeepAlive);
    let closes = closes.load(Ordering::SeqCst);
    assert!(closes > 30, "{closes} connections were closed");
    // The last close of each of the clients may have come when they had nothing more to send.
    assert!((closes - 4..=closes).contains(&figures.failures()), "{closes} connections were closed: {figures}");
}

/// What is not asked while the site pauses is asked after it.
#[test]
fn a_pause_is_not_hidden_by_sending_less() {
    let (address, server) = BadServer::start(|number| if number % 100 == 0 { Fault::Wait } else { Fault::Answer });
    let figures = load(&address, Client::NewConnection);
    assert!(server.done(Fault::Wait) >= 8 && figures.slowest >= Duration::from_millis(400), "{figures}");
    assert!(figures.sent > 900 && figures.failures() == 0, "{figures}");
}

#[test]
fn where_nobody_listens_every_request_has_failed() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let figures = load(&Address { port, host: "localhost".to_owned() }, Client::KeepAlive);
    assert!(figures.sent > 900, "{figures}");
    assert_eq!(figures.failed, BTreeMap::from([("connect: connection refused".to_owned(), figures.sent)]));
}
