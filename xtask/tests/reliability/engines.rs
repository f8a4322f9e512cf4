//! Engines other than the one that root has started: rootless docker serves as well, Podman is refused by its name.

use crate::support::load::{Address, BOTH, Load, assert_none_failed};
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";
const RATE: u32 = 30;

/// An engine of the deploying user, who may not ask that of root any more. A server has all of this from docker's own
/// `dockerd-rootless-setuptool.sh install`, but systemd.
const ROOTLESS: &str = r#"
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
chmod 0666 /dev/net/tun
for file in /etc/subuid /etc/subgid; do grep -q ^deploy: "$file" || echo deploy:100000:65536 >>"$file"; done
user=$(id -u deploy)
gpasswd -d deploy docker
chmod 0711 /var/lib/docker
rm -rf /var/lib/docker/rootless
install -d -m 0700 -o deploy -g deploy "/run/user/$user" /var/lib/docker/rootless
cat >/usr/local/bin/rootless-engine <<'END'
export XDG_RUNTIME_DIR=/run/user/$(id -u) PATH="$PATH:/usr/sbin:/sbin:/usr/share/docker.io/contrib"
exec dockerd-rootless.sh --data-root /var/lib/docker/rootless
END
setsid su - deploy -c 'bash /usr/local/bin/rootless-engine' >/var/log/rootless.log 2>&1 </dev/null &
socket=unix:///run/user/$user/docker.sock
for _ in $(seq 300); do docker -H "$socket" version >/dev/null 2>&1 && break; sleep 0.1; done
docker -H "$socket" info --format '{{.SecurityOptions}}' | grep rootless || { tail -n 20 /var/log/rootless.log >&2; exit 1; }
docker save python:3.11-slim redis:7-alpine | docker -H "$socket" load -q
su - deploy -c "docker context create rootless --docker host=$socket && docker context use rootless"
"#;

/// Files of a container are those of another user on the host than with root's engine.
#[test]
fn a_rootless_engine_serves_as_the_one_of_root_does() {
    for (compose, mode) in [(Compose::V2, "instant"), (Compose::V1, "reload")] {
        let server = Server::start(compose);
        let site = Site::not_set_up(&server);
        server.root(ROOTLESS);
        let script = site.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&script);
        let groups = server.root("id -Gn deploy");
        assert!(!groups.split_whitespace().any(|group| group == "docker"), "the user may do all again: {groups}");
        site.rewrite(COMPOSE, "      - .:/app\n", "      - .:/app\n      - ./uploads:/uploads\n");
        site.configure("# keep = 5 ", "keep = 2 ");
        site.commit("with uploads");
        let first = site.deploy()["release"].clone();
        let engine = format!("unix:///run/user/{}/docker.sock", server.root("id -u deploy").trim());
        let docker = |words: &str| server.root(&format!("docker -H {engine} {words}"));
        let api = format!("$(docker -H {engine} ps -q --filter name=api-)");
        docker(&format!("exec {api} sh -c 'umask 077; echo kept >/uploads/first'"));
        let address = Address { port: server.http_port(), host: "api.example".to_owned() };
        let clients = if mode == "instant" { &BOTH[..] } else { &BOTH[..1] };
        let load = Load::start(&address, clients, RATE);
        site.new_version("the second");
        let second = site.deploy();
        assert_eq!(second["receipt"]["failed"], 0, "{second:#}");
        site.xtask(&["rollback"]).must_end_with(0);
        assert_eq!(site.status()["live_release"], first);
        for number in 0..3 {
            site.new_version(&format!("number {number} after it"));
            site.deploy();
        }
        site.change("backend/app/main.py", "app = ", "raise SystemExit(\"broken\")\napp = ");
        site.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
        let figures = load.finish();
        assert_none_failed("a rootless engine", &figures, clients);
        let sent: u64 = figures.values().map(|figures| figures.sent).sum();
        println!("rootless docker, compose {compose:?}, {mode} mode: {sent} requests, 0 failed");
        assert_eq!(docker(&format!("exec {api} cat /uploads/first")), "kept\n");
        assert_eq!(server.root("docker ps -aq"), "", "the engine of root has a part in it");
        assert_eq!(site.status()["problems"], serde_json::json!([]));
    }
}

const PODMAN: &str = r#"
setsid podman system service --time 0 unix:///run/podman.sock >/var/log/podman.log 2>&1 </dev/null &
for _ in $(seq 100); do [ -S /run/podman.sock ] && break; sleep 0.1; done
chown deploy /run/podman.sock
su - deploy -c 'docker context create podman --docker host=unix:///run/podman.sock && docker context use podman'
"#;

/// Behind docker's socket, and in the place of docker's command.
#[test]
fn podman_is_refused_before_anything_is_touched() {
    let server = Server::start(Compose::V1);
    let site = Site::new(&server, "instant");
    let refused = || {
        let run = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
        run.must_say(&["is Podman, which this tool does not support", "nothing was touched"]);
        assert_eq!(server.root("ls /app/gifty-backend/releases 2>/dev/null || true"), "");
    };
    server.root(PODMAN);
    refused();
    server.root("su - deploy -c 'docker context use default'; ln -s /usr/bin/podman /usr/local/bin/docker");
    refused();
}
