//! The rows of docs/HEALTH.md, each against a server that behaves as that framework does.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use super::*;
use crate::io::host::ask::{Asker, Question};
use crate::io::process::Command;
use crate::rules::config::{Health, deploy_toml};
use crate::testing::fixtures::release;

/// What the server of a row was asked.
struct Request {
    path: String,
    host: String,
    https: bool,
}

struct Reply(u16, &'static str, String);

fn text(status: u16, body: &str) -> Reply {
    Reply(status, "text/plain", body.to_owned())
}

fn page(status: u16, body: &str) -> Reply {
    Reply(status, "text/html", format!("<!DOCTYPE html><html><body>{body}</body></html>"))
}

/// As the framework does where it is set up for `shop.example` behind TLS; `well`: the app and what it needs are.
fn answer(framework: &str, request: &Request, well: bool) -> Reply {
    let (known, at) = (request.host == "shop.example", |path: &str| request.path == path);
    match framework {
        "Django" if !known => page(400, "<h1>Bad Request (400)</h1>"),
        "Rails" if !known => page(403, &format!("<h1>Blocked hosts: {}</h1>", request.host)),
        "FastAPI" if !known => text(400, "Invalid host header"),
        "Django" | "Rails" | "Laravel" | "Phoenix" | "ASP.NET Core" | "Express" if !request.https => page(301, ""),
        "Django" if at("/healthz") => page(301, ""),
        "Django" if at("/healthz/") => page(if well { 200 } else { 500 }, "ok"),
        "Rails" | "Laravel" if at("/up") => {
            page(if well { 200 } else { 500 }, "<body style=\"background-color: green\">")
        }
        "Spring Boot" if at("/actuator/health") => match well {
            true => Reply(200, "application/vnd.spring-boot.actuator.v3+json", r#"{"status":"UP"}"#.to_owned()),
            false => Reply(503, "application/vnd.spring-boot.actuator.v3+json", r#"{"status":"DOWN"}"#.to_owned()),
        },
        "Next.js" if at("/") => page(if well { 200 } else { 500 }, "<div id=\"__next\">"),
        "Go" if at("/healthz") => text(200, if well { "ok\n" } else { "database: refused\n" }),
        "Phoenix" if at("/health") => text(if well { 200 } else { 503 }, if well { "ok" } else { "down" }),
        "ASP.NET Core" if at("/health") => {
            text(if well { 200 } else { 503 }, if well { "Healthy" } else { "Unhealthy" })
        }
        "FastAPI" if at("/health") => match well {
            true => Reply(200, "application/json", r#"{"status":"ok"}"#.to_owned()),
            false => Reply(200, "application/json", r#"{"status":"starting"}"#.to_owned()),
        },
        "Express" if at("/health") => text(if well { 204 } else { 500 }, ""),
        _ => page(404, "Not Found"),
    }
}

/// Serves as a framework does, until the test ends. Gives the port.
fn serve(framework: &str, well: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, framework) = (listener.local_addr().unwrap().port(), framework.to_owned());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let head = String::from_utf8(head).unwrap();
            let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let request =
                Request { path, host: header("Host:").to_owned(), https: header("X-Forwarded-Proto:") == "https" };
            let Reply(status, kind, body) = answer(&framework, &request, well);
            let length = body.len();
            let reply =
                format!("HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}");
            connection.write_all(reply.as_bytes()).unwrap();
        }
    });
    port
}

/// The rows of the table: the framework, and its lines of `[health]`.
fn rows() -> Vec<(String, String)> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/HEALTH.md"));
    let (_, table) = text.split_once("## What frameworks do").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).skip(1);
    let cells = rows.map(|row| row.split('|').map(str::trim).map(str::to_owned).collect::<Vec<String>>());
    cells.map(|cells| (cells[1].clone(), cells[2].trim_matches('`').replace("`, `", "\n"))).collect()
}

fn health_of(lines: &str) -> Health {
    let toml = format!(
        "[project]\nname = \"shop\"\napp = \"app\"\nweb = \"web\"\n[health]\n{lines}\n[environments.prod]\nssh = true\n\
         folder = \"/srv/shop\"\nurl = \"https://shop.example\"\nnginx = {{}}\n"
    );
    deploy_toml::load(&toml, Path::new("/repo/deploy.toml"), "prod", &std::collections::BTreeMap::new()).unwrap().health
}

fn judged(asker: &Asker, port: u16, host: &str, health: &Health) -> Result<(), (String, Option<&'static str>)> {
    let headers = health::request_headers(health, true);
    let question = Question { tls: false, port, host, headers: &headers, path: &health.path };
    let answer = asker.ask(&question, PROBE).unwrap();
    health::check(&answer, health, Some(&release(1))).map_err(|reason| (reason.shown(str::to_owned), reason.hint))
}

#[test]
fn each_row_of_the_docs_tells_a_healthy_version_from_one_that_is_not() {
    let script = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/ask.sh"));
    let asker = Asker::start(move || process::spawn(&Command::new("ask", ["bash", "-c", script])));
    let rows = rows();
    assert_eq!(rows.len(), 10, "{rows:?}");
    for (framework, lines) in rows {
        let health = health_of(&lines);
        let [well, ill] = [true, false].map(|well| serve(&framework, well));
        assert_eq!(judged(&asker, well, "shop.example", &health), Ok(()), "{framework}: {lines}");
        let told = judged(&asker, ill, "shop.example", &health);
        assert!(told.is_err(), "{framework}: {lines}");
        // By a name that the app does not know, those that look at it refuse, and the hint says so.
        if ["Django", "Rails", "FastAPI"].contains(&framework.as_str()) {
            let (reason, hint) = judged(&asker, well, "127.0.0.1", &health).unwrap_err();
            assert!(hint.is_some_and(|hint| hint.contains("[health] host")), "{framework}: {reason} {hint:?}");
        }
    }
}
