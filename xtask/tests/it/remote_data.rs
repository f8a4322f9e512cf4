//! Data and files on a server that the deploying user may not look at: what is not seen is not gone.

use crate::support::server::Compose;
use crate::support::shared_server::on_a_server;
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";

/// A container has had its data in a folder that is closed to the deploying user, since before there was this tool.
#[test]
fn data_in_a_closed_folder_is_used_where_it_lies() {
    on_a_server(Compose::V2, |server, site| {
        let labels = [("project", "gifty"), ("service", "ledger"), ("oneoff", "False")];
        let labels: String =
            labels.iter().map(|(name, value)| format!("--label com.docker.compose.{name}={value} ")).collect();
        server.root(&format!(
            "install -d -m 0700 /opt/closed /opt/closed/ledger\necho first >/opt/closed/ledger/rows\n\
         docker run -d --init --name gifty-ledger-1 {labels} -v /opt/closed/ledger:/ledger redis:7-alpine sleep 600"
        ));
        let ledger = "  ledger:\n    image: redis:7-alpine\n    init: true\n    command: [\"sleep\", \"600\"]\n    restart: unless-stopped\n    volumes:\n      - ./ledger:/ledger\n";
        site.rewrite(COMPOSE, "services:\n", &format!("services:\n{ledger}"));
        site.commit("with a ledger");
        let run = site.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
        run.must_say(&["`ledger` is used where it lies, /opt/closed/ledger"]);
        server.root("docker rm -f gifty-ledger-1");
        site.new_version("after the ledger's container was removed");
        site.deploy();
        let of_ledger = "docker ps -q --filter label=com.docker.compose.service=ledger";
        assert_eq!(server.root(&format!("docker exec $({of_ledger}) cat /ledger/rows")), "first\n");
        // Nothing of it stays for what comes after.
        site.rewrite(COMPOSE, ledger, "");
        site.commit("without the ledger");
        site.deploy();
        server.root(&format!("docker rm -f $({of_ledger}); rm -r /app/gifty-backend/shared/ledger /opt/closed"));
        site.status();
    });
}

/// A file that came with a release, and has been taken by another user since: it goes to the leftovers, and no other release
/// has to stay for it. What Python has compiled as root is removed by a container, and an image may be gone.
#[test]
fn a_file_that_cannot_be_read_stops_no_pruning() {
    on_a_server(Compose::V2, |server, site| {
        site.configure("# keep = 5 ", "keep = 2 ");
        site.new_version("of which a file will be closed");
        let first = site.deploy()["release"].as_str().unwrap().to_owned();
        server.root(&format!(
        "cd /app/gifty-backend/releases/{first}\nchown root: healthcheck.py\nchmod 0600 healthcheck.py\necho secret >>healthcheck.py\n\
         install -d app/__pycache__\n: >app/__pycache__/main.cpython-311.pyc\nchmod 0755 app/__pycache__\n\
         docker image rm -f gifty-worker:{first}"
    ));
        let mut told = false;
        for number in 0..4 {
            site.new_version(&format!("number {number} after it"));
            let run = site.xtask(&["deploy", "--skip-tests"]).must_end_with(0);
            told |= run.stderr.contains(&format!("leftovers/{first}"));
        }
        assert!(told, "nobody was told where the file is now");
        let left =
            server.root(&format!("cd /app/gifty-backend/leftovers/{first}\nfind . -type f; tail -n 1 healthcheck.py"));
        assert_eq!(left, "./healthcheck.py\nsecret\n");
        let releases = server.root("ls -A /app/gifty-backend/releases");
        assert!(releases.lines().count() <= 3, "more than two releases and the one before are left: {releases}");
        site.configure("keep = 2 ", "# keep = 5 ");
        server.root("rm -r /app/gifty-backend/leftovers");
        site.status();
    });
}
