//! Images that are built on the machine that deploys, and carried to a server whose engine is another one.

use std::io::Read;
use std::process::Command;

use serde_json::Value;

use crate::support::server::{Compose, Server, said};
use crate::support::shared_server::on_a_server;
use crate::support::site::Site;
use crate::support::team::Team;

/// Bytes of a layer that stays the same.
const LARGE: u64 = 30 << 20;

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    assert!(output.status.success(), "docker {words:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The app as CI would build it: its code, much that stays, and a little that is new each time.
fn built(site: &Site, version: &str) -> String {
    let folder = site.root().join(".deploy/image");
    std::fs::create_dir_all(&folder).unwrap();
    let large = folder.join("large");
    if !large.exists() {
        let mut random = std::fs::File::open("/dev/urandom").unwrap().take(LARGE);
        std::io::copy(&mut random, &mut std::fs::File::create(&large).unwrap()).unwrap();
    }
    let app = site.root().join("backend").display().to_string();
    docker(&["build", "-q", "-t", "carried-base", &app]);
    std::fs::write(
        folder.join("Dockerfile"),
        format!("FROM carried-base\nCOPY large /large\nENV VERSION_OF_IMAGE={version}\nCOPY version /version\n"),
    )
    .unwrap();
    std::fs::write(folder.join("version"), version).unwrap();
    let image = format!("carried-{}:{version}", std::process::id());
    docker(&["build", "-q", "-t", &image, &folder.display().to_string()]);
    image
}

fn deployed(site: &Site, words: &[&str]) -> Value {
    site.xtask(&[&["deploy", "--skip-tests", "--json"], words].concat()).must_end_with(0).json()
}

/// Which image a live container runs.
fn versions(server: &Server) -> String {
    server.root("for one in $(docker ps -q --filter label=deploy.release); do docker exec $one sh -c 'echo $VERSION_OF_IMAGE'; done")
}

#[test]
fn only_layers_that_the_server_lacks_are_carried() {
    on_a_server(Compose::V2, |server, site| {
        site.rewrite("backend/docker-compose.yml", "    volumes:\n      - .:/app\n", "");
        site.rewrite("backend/docker-compose.yml", "    volumes:\n      - .:/app\n", "");
        site.commit("the code is the image's");
        let first = deployed(site, &["--carry", &built(site, "1")]);
        assert!(first["shipped_bytes"].as_u64() >= Some(LARGE), "{first:#}");
        assert_eq!(versions(server), "1\n1\n");
        let second = deployed(site, &["--carry", &built(site, "2")]);
        assert!(second["shipped_bytes"].as_u64() < Some(5 << 20), "{second:#}");
        println!("carried: {} bytes, and of the next image {}", first["shipped_bytes"], second["shipped_bytes"]);
        assert_ne!(first["release"], second["release"], "another image is another release");
        assert_eq!(versions(server), "2\n2\n");
        // The same image once more is the same release, and nothing travels.
        let again = deployed(site, &["--carry", &built(site, "2")]);
        assert_eq!((&again["release"], &again["shipped_bytes"]), (&second["release"], &0.into()));
        site.xtask(&["rollback"]).must_end_with(0);
        assert_eq!(versions(server), "1\n1\n");
        // `ship` alone brings it too, and changes nothing that runs.
        let third = built(site, "3");
        let shipped = site.xtask(&["ship", "--json", "--carry", &third]).must_end_with(0).json();
        let id = docker(&["image", "inspect", "--format", "{{.Id}}", &third]);
        server.root(&format!("docker image inspect {id} >/dev/null"));
        assert!(shipped["shipped_bytes"].as_u64() < Some(5 << 20), "{shipped:#}");
        assert_eq!(versions(server), "1\n1\n");
        site.xtask(&["deploy", "--skip-tests", "--carry", "carried-by-nobody"])
            .must_end_with(3)
            .must_say(&["carried-by-nobody"]);
        assert!(!site.root().join(".deploy/images/prod").exists(), "the image is left on this machine");
        for version in 1..=3 {
            docker(&["image", "rm", "-f", &format!("carried-{}:{version}", std::process::id())]);
        }
    });
}

/// Bytes of the engine's build cache.
fn build_cache(server: &Server) -> f64 {
    let text = server.root("docker system df --format '{{.Type}}|{{.Size}}' | sed -n 's/^Build Cache|//p'");
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = ["B", "kB", "MB", "GB"].iter().position(|unit| *unit == &text[digits.len()..]).expect(text);
    digits.parse::<f64>().unwrap() * 1000_f64.powi(i32::try_from(unit).unwrap())
}

#[test]
fn a_build_leaves_as_much_cache_as_is_allowed() {
    on_a_server(Compose::V2, |server, site| {
        // A layer that is built in two stages, of which the first is cache alone; one that no earlier run has left on the engine.
        let large = format!(
            "FROM python:3.11-slim AS large\nRUN echo {} && head -c 30000000 /dev/urandom >/large\nFROM python:3.11-slim\nCOPY --from=large /large /large\n",
            std::process::id()
        );
        site.rewrite("backend/Dockerfile", "FROM python:3.11-slim\n", &large);
        site.commit("with a large layer");
        site.deploy();
        assert!(build_cache(server) > 20e6, "{} bytes", build_cache(server));
        site.configure("# build_cache = \"10GB\"", "build_cache = \"5MB\"");
        site.new_version("with little cache");
        site.deploy();
        assert!(build_cache(server) <= 5e6, "{} bytes", build_cache(server));
        site.xtask(&["rollback"]).must_end_with(0);
        site.configure("build_cache = \"5MB\"", "# build_cache = \"10GB\"");
    });
}
