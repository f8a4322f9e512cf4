//! Our own requests: they come as a user's would, and are in nobody's way.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::project::Project;
use crate::support::team::Team;

/// An app that answers its own name alone.
#[test]
fn an_app_that_checks_its_hosts_is_asked_by_its_name() {
    let project = Project::new("instant");
    let check = "from starlette.middleware.trustedhost import TrustedHostMiddleware\n";
    let main = std::fs::read_to_string(project.root().join("backend/app/main.py")).unwrap();
    let hosts = "app = TrustedHostMiddleware(app, allowed_hosts=[\"shop.local\"])\n";
    project.write("backend/app/main.py", &format!("{check}{main}\n{hosts}"));
    project.rewrite("deploy.toml", "url = \"http://127.0.0.1:", "url = \"http://shop.local:");
    project.rewrite("deploy.toml", "workers = [\"worker\"]", "workers = []");
    project.rewrite("backend/docker-compose.yml", "  worker:\n", "  worker:\n    profiles: [unused]\n");
    project.rewrite(
        "backend/docker-compose.yml",
        "test: [\"CMD\", \"python\", \"healthcheck.py\"]",
        "disable: true\n      test: [\"NONE\"]",
    );
    project.rewrite("backend/docker-compose.yml", "disable: true\n      test: [\"NONE\"]\n      interval: 15s\n      timeout: 3s\n      retries: 3\n      start_period: 20s", "disable: true");
    project.commit("an app that checks its hosts");
    let report = project.deploy();
    assert_eq!(report["receipt"]["failed"], 0, "{report:#}");
    project.status();
    // Asked by another name, it says so, and the error names what would help.
    project.change("backend/app/main.py", "allowed_hosts=[\"shop.local\"]", "allowed_hosts=[\"other.local\"]");
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 15");
    let failed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
    failed.must_say(&["status 400", "configure the app to accept it", "`[health] timeout`"]);
}

/// An answer with the status 200 and the wrong words is no good one, in the receipt as elsewhere.
#[test]
fn the_receipt_judges_as_the_health_check_does() {
    let project = Project::new("instant");
    project.rewrite("backend/docker-compose.yml", "      - .:/app\n", "      - .:/app\n      - ./state:/state\n");
    project.change(
        "backend/app/routes/service.py",
        "return Health(status=\"ok\", release=settings.release)",
        "import os; return Health(status=\"bad\" if os.path.exists(\"/state/bad\") else \"ok\", release=settings.release)",
    );
    project.deploy();
    project.change("backend/app/routes/service.py", "os.path.exists(\"/state/bad\")", "False");
    let mut deploy = project.start(project.command(&["deploy", "--skip-tests", "--json"]));
    deploy.wait_for("the build", |log| log.contains("Build the images"));
    std::fs::write(project.server("shared/state/bad"), "").unwrap();
    let report = deploy.end().json();
    assert!(report["receipt"]["failed"].as_u64().unwrap() > 0, "{report:#}");
    assert!(report["receipt"]["first_failure"].to_string().contains("`status` is not"), "{report:#}");
}

/// The tail of the log that is to explain a failure is not full of the requests that looked for it.
#[test]
fn a_failed_health_check_shows_the_app_s_own_words() {
    let project = Project::new("instant");
    project.rewrite("backend/docker-compose.yml", "    env_file: .env\n    depends_on:\n      redis:\n        condition: service_healthy\n    healthcheck:", "    env_file: .env\n    environment:\n      ACCESS_LOG: \"true\"\n    depends_on:\n      redis:\n        condition: service_healthy\n    healthcheck:");
    project.change("backend/app/routes/service.py", "    return Health(status=\"ok\", release=settings.release)", "    import random; print('the cause is', 'this' if random.random() < 2 else '', flush=True) if not globals().get('said') else None; globals().update(said=True)\n    return Health(status=\"bad\", release=settings.release)");
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 12");
    let failed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
    let failed = failed.must_say(&["the cause is", "`[health] expect` names fields of the JSON body"]);
    let own = failed.stderr.lines().filter(|line| line.contains("GET /health HTTP")).count();
    assert_eq!(own, 0, "our own requests are in the log: {failed}");
    let asked =
        failed.stderr.lines().find_map(|line| line.trim().split_once(" times: `status`")?.0.parse::<u32>().ok());
    assert!(asked.is_some_and(|count| count < 200), "{asked:?} requests in 12 s: {failed}");
}

/// Where docker keeps no log, the reason of a failure is not to be had there, and that is what is said.
#[test]
fn a_container_whose_log_is_kept_nowhere_is_told() {
    let project = Project::new("instant");
    project.rewrite("backend/docker-compose.yml", "  api:\n", "  api:\n    logging: {driver: none}\n");
    project.write("backend/gunicorn.conf.py", "import sys; print('the cause', flush=True); sys.exit(1)\n");
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 4");
    project.commit("a version without a log");
    let failed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
    failed.must_say(&["docker keeps no log of it", "`logging` in the compose file has the driver none"]);
}

/// A listener whose queue is full neither accepts nor refuses: nobody waits for it.
#[test]
fn a_port_that_never_answers_holds_nothing_up() {
    let project = Project::new("instant");
    project.deploy();
    project.new_version("to come back from");
    project.deploy();
    let (_, port) = project.free_slot();
    let listener = "import socket, sys\ns = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(0)\n\
                    fill = [socket.socket() for _ in range(4)]\nfor f in fill:\n    f.setblocking(False)\n    f.connect_ex(('127.0.0.1', int(sys.argv[1])))\nprint('full', flush=True)\nsys.stdin.read()\n";
    let mut child = Command::new("python3")
        .args(["-c", listener, &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "full\n");
    let here = SocketAddr::from(([127, 0, 0, 1], port));
    let asked = TcpStream::connect_timeout(&here, Duration::from_millis(500)).unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::TimedOut, "the port is not one that never answers: {asked}");
    for (command, code) in [("status", 0), ("rollback", 4)] {
        let begun = Instant::now();
        let run = project.xtask(&[command]).must_end_with(code);
        assert!(begun.elapsed() < Duration::from_secs(15), "it took {:.0?}: {run}", begun.elapsed());
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// The container's user has another number than the one who deploys, and reads the `.env` that it has mounted.
#[test]
fn a_container_of_any_user_reads_the_env_file() {
    let project = Project::new("instant");
    project.change("backend/Dockerfile", "USER 10001:10001", "USER 4242:4242");
    project.deploy();
    let web = project.containers(false).into_iter().find(|name| name.contains("api")).unwrap();
    assert!(project.docker(&["exec", &web, "cat", "/app/.env"]).contains("REDIS_URL="));
}
