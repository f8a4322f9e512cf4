//! A server on which something is wrong. Each time the live slot serves every request, and a deploy either says what is
//! in the way, where and what to do, before it has touched anything, or puts it right.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::load::{Address, Client, Load, assert_none_failed};
use crate::support::secrets::{only_releases_hold_secrets, shows_no_secret};
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;

const FOLDER: &str = "/app/gifty-backend";
const UPSTREAM: &str = "/etc/nginx/conf.d/gifty_upstream.conf";
const SITE_FILE: &str = "/etc/nginx/sites-enabled/gifty";
const OTHER_SITE: &str = "/etc/nginx/conf.d/of-another-site.conf";

/// What is wrong, how it came, how it goes, and what must be told.
struct Wrong<'a> {
    what: &'a str,
    spoil: String,
    mend: String,
    says: &'a [&'a str],
}

#[test]
fn a_hostile_server() {
    let server = Server::start(Compose::V2);
    let site = Site::new(&server, "reload");
    site.deploy();
    shows_no_secret(&server, || {
        for wrong in what_is_in_the_way() {
            refused(&server, &site, &wrong);
        }
        a_port_of_the_free_slot_that_is_taken(&server, &site);
        a_disk_that_fills_up_on_the_way(&server, &site);
        a_disk_that_fills_up_during_the_build(&server, &site);
        files_that_somebody_changed_and_a_clock_that_was_ahead(&server, &site);
        releases_that_somebody_deleted(&server, &site);
        a_live_container_that_somebody_stopped(&server, &site);
        a_live_container_that_starts_over_and_over(&server, &site);
        nginx_that_does_not_run(&server, &site);
        lookups_that_nginx_remembers(&server, &site);
    });
    only_releases_hold_secrets(&server);
    let [troubles, requests] = [&TROUBLES, &REQUESTS].map(|count| count.load(Ordering::Relaxed));
    println!("hostile server: {troubles} deploys in trouble, {requests} requests, 0 failed");
}

static TROUBLES: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Runs `act` while requests are sent; none of them may fail.
#[track_caller]
pub fn under_load<T>(what: &str, server: &Server, act: impl FnOnce() -> T) -> T {
    let address = Address { port: server.http_port(), host: "api.example".to_owned() };
    let load = Load::start(&address, &[Client::NewConnection], 40);
    let result = act();
    let figures = load.finish();
    assert_none_failed(what, &figures, &[Client::NewConnection]);
    TROUBLES.fetch_add(1, Ordering::Relaxed);
    REQUESTS.fetch_add(figures.values().map(|figures| figures.sent).sum(), Ordering::Relaxed);
    result
}

/// A deploy of something new ends like this while `wrong` is so, moves nothing, and all is well once that is put right.
fn refused(server: &Server, site: &Site, wrong: &Wrong) {
    let before = site.status();
    let containers = "docker ps -aq --no-trunc | sort";
    let running = server.root(containers);
    let run = under_load(wrong.what, server, || {
        server.root(&wrong.spoil);
        let run = site.xtask(&["deploy", "--skip-tests"]);
        server.root(&wrong.mend);
        run
    });
    run.must_end_with(4).must_say(&["this host is not ready, nothing was touched"]).must_say(wrong.says);
    assert_eq!(server.root(containers), running, "{}: a container came or went", wrong.what);
    let after = site.status();
    let live = |status: &serde_json::Value| (status["live_slot"].clone(), status["live_release"].clone());
    assert_eq!(live(&after), live(&before), "{}", wrong.what);
}

fn what_is_in_the_way() -> Vec<Wrong<'static>> {
    let wrong =
        |what, spoil: &str, mend: &str, says| Wrong { what, spoil: spoil.to_owned(), mend: mend.to_owned(), says };
    vec![
        wrong(
            "docker is down",
            "mv /run/docker.sock /run/away.sock",
            "mv /run/away.sock /run/docker.sock",
            &["docker does not answer", "Is the docker daemon running", "systemctl start docker"],
        ),
        wrong(
            "docker hangs",
            "mv /run/docker.sock /run/away.sock\n\
             setsid perl -MIO::Socket::UNIX -e 'my $socket = IO::Socket::UNIX->new(Local => \"/run/docker.sock\", Listen => 5) or die; \
             sleep 60' </dev/null >/dev/null 2>&1 & echo $! >/opt/listener\n\
             until [ -S /run/docker.sock ]; do sleep 0.05; done\nchgrp docker /run/docker.sock\nchmod 660 /run/docker.sock",
            "kill $(cat /opt/listener)\nmv -f /run/away.sock /run/docker.sock",
            &["docker does not answer (no answer within 10 s)", "systemctl start docker"],
        ),
        wrong(
            "no sudo rule",
            "mv /etc/sudoers.d/gifty-deploy /opt/rules",
            "mv /opt/rules /etc/sudoers.d/gifty-deploy",
            &["sudo nginx -t", "sudo nginx -s reload", "cargo xtask setup"],
        ),
        wrong(
            "another site is broken",
            &format!("echo 'nonsense on;' >{OTHER_SITE}"),
            &format!("rm {OTHER_SITE}"),
            &["nginx refuses its configuration", "unknown directive", OTHER_SITE, "until `sudo nginx -t` accepts it"],
        ),
        wrong(
            "the upstream file is included twice",
            &format!("sed -i '1i include {UPSTREAM};' {SITE_FILE}"),
            &format!("sed -i 1d {SITE_FILE}"),
            &["duplicate upstream", "reads /etc/nginx/conf.d/gifty_upstream.conf twice", "Remove the line", SITE_FILE],
        ),
        wrong(
            "the folder of the switch belongs to somebody else",
            &format!("chown root: {FOLDER}/live"),
            &format!("chown deploy: {FOLDER}/live"),
            &["/app/gifty-backend/live is not writable for deploy", "cargo xtask setup"],
        ),
        wrong(
            "the upstream file lies where only root writes",
            &format!("cp --remove-destination {FOLDER}/live/upstream.conf {UPSTREAM}"),
            &format!("ln -sf {FOLDER}/live/upstream.conf {UPSTREAM}"),
            &["/etc/nginx/conf.d is not writable for deploy", "cargo xtask setup"],
        ),
        wrong(
            "little memory",
            "sed -E 's/^(MemAvailable|SwapFree): .*/\\1: 20000 kB/' /proc/meminfo >/opt/meminfo\nmount --bind /opt/meminfo /proc/meminfo",
            "umount /proc/meminfo",
            &["40 MB of memory is available, and the live version uses", "a second one needs about", "add swap"],
        ),
        wrong(
            "little disk",
            &format!("mount -t tmpfs -o size=50m,uid=$(id -u deploy),mode=755 none {FOLDER}/releases"),
            &format!("umount {FOLDER}/releases"),
            &["the disk at /app/gifty-backend/releases has 52 MB free", "may take 100 MB", "docker builder prune"],
        ),
    ]
}

fn a_port_of_the_free_slot_that_is_taken(server: &Server, site: &Site) {
    let (slot, port) = site.free_slot();
    let told = format!("port {port} of the free slot {slot}");
    let listen = format!(
        "setsid perl -MIO::Socket::INET -e 'my $socket = IO::Socket::INET->new(LocalAddr => \"127.0.0.1:{port}\", Listen => 5) or die; sleep 60' \
         </dev/null >/dev/null 2>&1 & echo $! >/opt/listener\n\
         for _ in {{1..50}}; do (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && exit 0; sleep 0.05; done; exit 1"
    );
    let process = Wrong {
        what: "a process has the free slot's port",
        spoil: listen,
        mend: "kill $(cat /opt/listener)".to_owned(),
        says: &[&told, "is taken by another process", "ss -ltnp", "`slots` in deploy.toml"],
    };
    refused(server, site, &process);
}

/// Before the first byte there was room enough; then somebody else filled the disk.
fn a_disk_that_fills_up_on_the_way(server: &Server, site: &Site) {
    let large = site.root().join("backend/noise");
    let noise: Vec<u8> =
        (0..2_000_000_u64).flat_map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24).to_le_bytes()).collect();
    std::fs::write(&large, noise).unwrap();
    site.new_version("that is large");
    let before = site.status();
    let run = under_load("the disk fills up during the copy", server, || {
        let releases = format!("{FOLDER}/releases");
        server.root(&format!("mount -t tmpfs -o size=200m,uid=$(id -u deploy),mode=755 none {releases}"));
        let deploy = site.deploy_up_to("Package release");
        server.root(&format!("mount -o remount,size=1m {releases}"));
        let run = deploy.end();
        server.root(&format!("umount {releases}"));
        run
    });
    let run = run.must_end_with(12);
    run.must_say(&["could not be copied to", "1.0M are free on the disk at /app/gifty-backend/releases", "free some"]);
    assert_eq!(site.status()["live_release"], before["live_release"]);
    std::fs::remove_file(large).unwrap();
    site.new_version("without what was large");
}

/// The disk of a build: what it may write to in memory is 64 MB, and full it is as any other.
fn a_disk_that_fills_up_during_the_build(server: &Server, site: &Site) {
    let (user, full) = ("USER 10001:10001", "RUN dd if=/dev/zero of=/dev/shm/full bs=1M count=200\nUSER 10001:10001");
    site.change("backend/Dockerfile", user, full);
    let before = site.status();
    let run = under_load("the disk fills up during the build", server, || site.xtask(&["deploy", "--skip-tests"]));
    run.must_end_with(13).must_say(&[
        "Build the images",
        "the disk was full",
        "Docker's disk: ",
        "docker builder prune",
    ]);
    site.change("backend/Dockerfile", full, user);
    assert_eq!(site.status()["live_release"], before["live_release"]);
}

/// The upstream file is no configuration any more, and nginx obeys what it has read. The clock was a day ahead when
/// the live version was marked as good: what is marked after it is later all the same.
fn files_that_somebody_changed_and_a_clock_that_was_ahead(server: &Server, site: &Site) {
    let before = site.status();
    let live = before["live_release"].as_str().unwrap();
    server.root(&format!("echo 'mine;' >{FOLDER}/live/upstream.conf\ntouch -d '+1 day' {FOLDER}/meta/{live}/served"));
    let told = site.xtask(&["status"]).must_end_with(20);
    assert!(told.stdout.contains(&format!("the upstream file {UPSTREAM} names no slot any more")), "{told}");
    let report = deployed(server, site, "somebody changed the upstream file");
    let back = site.xtask(&["rollback", "--dry-run", "--json"]).must_end_with(0).json();
    assert_eq!(back["release"], live, "not the version that served before: {back:#}");
    assert_eq!(site.status()["releases"][0], report["release"]);

    let other = format!("sed -i 's/127.0.0.1:800[01]/127.0.0.1:9/' {FOLDER}/live/upstream.conf");
    server.root(&other);
    let told = site.xtask(&["status"]).must_end_with(20);
    assert!(told.stdout.contains("names no slot any more"), "{told}");
    under_load("and again, to lead nowhere", server, || site.xtask(&["rollback"]).must_end_with(0));
    site.status();
}

fn deployed(server: &Server, site: &Site, why: &str) -> serde_json::Value {
    site.new_version(why);
    let report = under_load(why, server, || site.deploy());
    assert_eq!(report["receipt"]["failed"], 0, "{why}: {report:#}");
    assert_eq!(site.status()["live_release"], report["release"], "{why}");
    report
}

fn releases_that_somebody_deleted(server: &Server, site: &Site) {
    under_load("somebody deletes releases/", server, || server.root(&format!("rm -rf {FOLDER}/releases")));
    deployed(server, site, "after releases/ was deleted");
    site.xtask(&["rollback"]).must_end_with(4).must_say(&["nothing to roll back to"]);
}

/// The name of the live slot's container.
fn live_container(site: &Site) -> String {
    let status = site.status();
    let slot = status["slots"].as_array().unwrap().iter().find(|slot| slot["live"] == true).unwrap();
    slot["container"]["name"].as_str().unwrap().to_owned()
}

/// Nobody is served then, until the next deploy, and it needs no help.
fn a_live_container_that_somebody_stopped(server: &Server, site: &Site) {
    let container = live_container(site);
    server.root(&format!("docker stop -t 5 {container}"));
    told_then_put_right(server, site, &[&format!("its container {container} is exited")]);
}

fn a_live_container_that_starts_over_and_over(server: &Server, site: &Site) {
    let (container, status) = (live_container(site), site.status());
    let code = format!("{FOLDER}/releases/{}/app", status["live_release"].as_str().unwrap());
    server.root(&format!(
        "mv {code} {code}.away\ndocker restart -t 0 {container}\n\
         for _ in {{1..100}}; do [ \"$(docker inspect -f '{{{{.State.Status}}}}' {container})\" != restarting ] || exit 0; sleep 0.1; done; exit 1"
    ));
    // Between two tries it runs for a moment.
    let restarted = "container of live slot green has restarted";
    told_then_put_right(
        server,
        site,
        &[&format!("its container {container} is restarting"), restarted, &restarted.replace("green", "blue")],
    );
}

/// The status says one of these, and the next deploy serves.
fn told_then_put_right(server: &Server, site: &Site, problems: &[&str]) {
    let told = site.xtask(&["status"]).must_end_with(20);
    assert!(problems.iter().any(|problem| told.stdout.contains(problem)), "{told}");
    site.new_version(problems[0]);
    let report = site.deploy();
    let status = under_load(problems[0], server, || site.status());
    assert_eq!(status["live_release"], report["release"]);
    let running = server.root("docker ps -aq --filter label=deploy.slot --filter status=restarting");
    assert_eq!(running, "", "one that crashes runs on");
}

fn nginx_that_does_not_run(server: &Server, site: &Site) {
    server.root("nginx -s stop\nfor _ in {1..100}; do pgrep -x nginx >/dev/null || exit 0; sleep 0.05; done; exit 1");
    let run = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
    server.root("nginx");
    run.must_say(&["nothing was touched", "nginx does not run", "systemctl start nginx"]);
    under_load("nginx runs again", server, || site.status());
}

/// nginx remembers for all sites whether files are there. The include of the instant mode turns that off for its own
/// site; where it does not, a deploy would not know when the traffic moves.
fn lookups_that_nginx_remembers(server: &Server, site: &Site) {
    let remember = format!("echo 'open_file_cache max=1000 inactive=300s; open_file_cache_valid 300s;' >{OTHER_SITE}");
    under_load("from one mode to the other", server, || {
        server.root(&format!("rm {SITE_FILE}"));
        let script = site.xtask(&["setup", "--mode", "instant", "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&format!("{script}\n{remember}\nnginx -t 2>&1\nnginx -s reload"));
    });
    deployed(server, site, "nginx remembers lookups for all sites");
    let include = "/etc/nginx/snippets/gifty-switch.conf";
    let wrong = Wrong {
        what: "nginx remembers lookups of the flag",
        spoil: format!("sed -i 's/open_file_cache off;/# open_file_cache off;/' {include}\nnginx -s reload"),
        mend: format!("sed -i 's/# open_file_cache off;/open_file_cache off;/' {include}\nnginx -s reload"),
        says: &["nginx remembers file lookups", OTHER_SITE, "max=1000", "add `open_file_cache off;`", SITE_FILE],
    };
    refused(server, site, &wrong);
}
