//! Against real servers on this machine: a socket that says what a test wants, and openssl for TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Instant;

use super::*;
use crate::io::process::{self, Child, Command};
use crate::rules::utc;

const LIMIT: Duration = Duration::from_secs(5);

fn at(path: &str) -> Health {
    Health { path: path.to_owned(), ..Health::default() }
}

/// A server that answers every request with `answer`. Gives its address.
fn server(answer: impl Fn(&mut TcpStream) + Send + 'static) -> SiteUrl {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _read = stream.read(&mut head).unwrap();
            answer(&mut stream);
        }
    });
    SiteUrl::parse(&format!("http://127.0.0.1:{port}")).unwrap()
}

fn says(text: String) -> impl Fn(&mut TcpStream) {
    move |stream| drop(stream.write_all(text.as_bytes()))
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn every_status_is_an_answer_and_a_redirect_is_not_followed() {
    for (line, status) in [("200 OK", 200), ("302 Found", 302), ("404 Not Found", 404), ("503 No", 503)] {
        let asked = ask(&server(says(answer(line, "body"))), &at("/health"), LIMIT);
        let answer = asked.answer.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (status, "body"), "{line}");
        assert_eq!(asked.certificate_ends, None);
    }
}

#[test]
fn a_server_without_an_end_is_given_up() {
    let begun = Instant::now();
    let slow = server(|stream| {
        // A letter now and then keeps a limit of each read from being reached.
        while stream.write_all(b"H").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert!(ask(&slow, &at("/"), Duration::from_secs(1)).answer.is_err());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn of_a_body_without_an_end_the_beginning_is_read() {
    let endless = server(|stream| {
        let _head = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[b'x'; 8192]).is_ok() {}
    });
    assert_eq!(ask(&endless, &at("/"), LIMIT).answer.unwrap().body, "x".repeat(65_536));
}

#[test]
fn a_name_that_leads_nowhere_and_a_closed_port_are_told_apart_from_an_answer() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [format!("http://127.0.0.1:{closed}"), "http://shop.invalid".to_owned()] {
        let said = ask(&SiteUrl::parse(&url).unwrap(), &at("/"), LIMIT).answer.unwrap_err();
        assert!(!said.is_empty(), "{url}");
    }
}

/// A server with TLS by openssl, with a certificate that nobody has signed; and its port. It ends when it is dropped.
fn tls_server(folder: &std::path::Path, days: &str) -> (Child, u16) {
    let make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        days,
    ]
    .into_iter()
    .chain([
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        "key",
        "-out",
        "certificate",
    ]);
    process::text(&Command::new("make a certificate", make).in_folder(folder)).unwrap();
    let serve = ["openssl", "s_server", "-accept", "0", "-key", "key", "-cert", "certificate", "-www"];
    let server = process::spawn(&Command::new("serve", serve).in_folder(folder)).unwrap();
    loop {
        // `ACCEPT 0.0.0.0:40123`
        let line = server.line(LIMIT).unwrap().expect("openssl serves");
        if line.starts_with("ACCEPT") {
            return (server, line.rsplit(':').next().unwrap().trim().parse().unwrap());
        }
    }
}

#[test]
fn a_certificate_that_nobody_trusts_is_refused_and_its_end_is_told_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = tls_server(folder.path(), "40");
    let site = SiteUrl::parse(&format!("https://localhost:{port}")).unwrap();
    let asked = ask(&site, &at("/"), LIMIT);
    let said = asked.answer.unwrap_err();
    assert!(said.to_lowercase().contains("cert"), "{said}");
    let days = (utc::seconds(asked.certificate_ends.unwrap()) - utc::seconds(SystemTime::now())) / 86_400;
    assert!((38..=40).contains(&days), "{days} days");
}
