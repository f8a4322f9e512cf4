//! The script itself, by a real bash on this machine, against servers that answer as a test wants.

use super::*;
use crate::io::process::Command;
use std::io::{Read, Write};
use std::net::TcpListener;

fn asker() -> Asker {
    let words = ["bash", "-c", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/ask.sh"))];
    Asker::start(move || process::spawn(&Command::new("ask", words)))
}

/// A server that gives this answer to one request, and what it was sent.
fn server(answer: &'static [u8], stay: Duration) -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        // Who has had enough may be gone.
        let _gone = connection.write_all(answer);
        std::thread::sleep(stay);
        String::from_utf8(request).unwrap()
    };
    (port, std::thread::spawn(serve))
}

fn asked(answer: &'static [u8], stay: Duration, limit: Duration) -> (Result<Answer>, String) {
    let (port, server) = server(answer, stay);
    let question = Question { tls: false, port, host: "api.example", headers: &[], path: "/health?full=1&x='$(id)'" };
    let answer = asker().ask(&question, limit);
    (answer, server.join().unwrap())
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_answer_comes_as_it_was_given() {
    let (answer, request) = asked(
        b"HTTP/1.1 503 Busy\r\nContent-Length: 23\r\n\r\n{\"a\": \"\\n\\\\\xc3\xa9 'x'\",\n\n1}",
        Duration::ZERO,
        5 * SECOND,
    );
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (503, "{\"a\": \"\\n\\\\é 'x'\",\n\n1}"));
    assert!(request.starts_with("GET /health?full=1&x='$(id)' HTTP/1.0\r\nHost: api.example\r\n"), "{request}");
}

#[test]
fn an_app_behind_tls_is_told_so() {
    let (port, server) = server(b"HTTP/1.0 200 OK\r\n\r\n{}", Duration::ZERO);
    let headers = crate::rules::health::request_headers(&crate::rules::config::Health::default(), true);
    let question = Question { tls: false, port, host: "api.example", headers: &headers, path: "/" };
    asker().ask(&question, 5 * SECOND).unwrap();
    let request = server.join().unwrap();
    assert!(
        request.ends_with("\r\nUser-Agent: xtask\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"),
        "{request}"
    );
}

#[test]
fn no_whole_answer_is_none() {
    let reason = |answer, stay, limit| asked(answer, stay, limit).0.unwrap_err().to_string();
    let short = reason(b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n{}", Duration::ZERO, SECOND);
    assert_eq!(short, "the answer was cut short: 2 of 9 bytes");
    assert_eq!(reason(b"", Duration::ZERO, SECOND), "the connection was closed without an answer");
    assert_eq!(reason(b"HTTP/1.0 200", SECOND, SECOND / 4), "no complete answer within 0.250 s");
    assert_eq!(reason(b"nonsense", Duration::ZERO, SECOND), "the answer is not HTTP: nonsense");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let question = Question { tls: false, port, host: "x", headers: &[], path: "/" };
    let closed = asker().ask(&question, SECOND).unwrap_err().to_string();
    assert_eq!(closed, format!("nothing accepts connections on port {port}"));
}

#[test]
fn a_long_answer_comes_whole_and_of_a_longer_one_the_beginning() {
    let long: &'static str = "é\\\n".repeat(20_000).leak();
    let text: &'static str = format!("HTTP/1.0 200 OK\r\n\r\n{long}").leak();
    assert_eq!(asked(text.as_bytes(), Duration::ZERO, 5 * SECOND).0.unwrap().body, long);
    let longer: &'static str = format!("HTTP/1.0 200 OK\r\nContent-Length: 160000\r\n\r\n{long}{long}").leak();
    let body = asked(longer.as_bytes(), Duration::ZERO, 5 * SECOND).0.unwrap().body;
    assert!(longer.contains(&body) && (60_000..=65_536).contains(&body.chars().count()), "{} bytes", body.len());
}

#[test]
fn several_ask_at_once_and_each_gets_its_own() {
    let asker = asker();
    let body: &'static str = "x".repeat(30_000).leak();
    std::thread::scope(|scope| {
        for number in 0..8_usize {
            let asker = asker.clone();
            scope.spawn(move || {
                let text: &'static str = format!("HTTP/1.0 200 OK\r\n\r\n{number}{}", &body[..number * 4000]).leak();
                let (port, _) = server(text.as_bytes(), Duration::ZERO);
                let answer =
                    asker.ask(&Question { tls: false, port, host: "x", headers: &[], path: "/" }, 5 * SECOND).unwrap();
                assert_eq!(answer.body, format!("{number}{}", &body[..number * 4000]));
            });
        }
    });
}

#[test]
fn where_nothing_asks_any_more_the_error_says_why() {
    let refused = Asker::start(|| process::spawn(&Command::new("ask", ["sh", "-c", "echo 'session refused' >&2"])));
    let question = Question { tls: false, port: 9, host: "x", headers: &[], path: "/" };
    for _ in 0..2 {
        let begun = Instant::now();
        let reason = refused.ask(&question, 5 * SECOND).unwrap_err().to_string();
        // Where it ends while it is written to, that is the reason.
        assert!(reason.contains("session refused") || reason.contains("has ended"), "{reason}");
        assert!(begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
    }
    let never = Asker::start(|| bail!("there is no connection"));
    assert_eq!(never.ask(&question, SECOND).unwrap_err().to_string(), "there is no connection");
}

/// Docker's proxy takes connections for a container in which nobody listens yet, and closes them.
#[test]
fn a_port_that_takes_a_connection_and_closes_it_is_not_open() {
    let asker = asker();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let begun = Instant::now();
    asker.connects(port, 5 * SECOND).unwrap();
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    let closes = std::thread::spawn(move || drop(listener.accept().unwrap()));
    // The first connection is still in the queue.
    closes.join().unwrap();
    let closed = asker.connects(port, SECOND).unwrap_err().to_string();
    assert!(closed.contains(&format!("port {port}")), "{closed}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let closed = asker.connects(port, SECOND).unwrap_err().to_string();
    assert_eq!(closed, format!("port {port} takes connections and closes them at once"));
}

#[test]
fn nothing_gets_into_the_request_line() {
    let asker = asker();
    for (host, path) in [("x\r\nEvil: 1", "/"), ("x", "/a b"), ("x", "/\n"), ("", "/"), ("x", "")] {
        let refused =
            asker.ask(&Question { tls: false, port: 9, host, headers: &[], path }, SECOND).unwrap_err().to_string();
        assert!(refused.contains("can be asked"), "{refused}");
    }
}
