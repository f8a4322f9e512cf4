//! Who gets in, and what they may do there: the server's user, its host key, the variables that lead to it.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::server::{Compose, Server, said};
use crate::support::shared_server::on_a_server;
use crate::support::site::Site;
use crate::support::team::Team;

/// The user is the documented one: not root, in the docker group, with two commands of nginx and nothing else.
#[test]
fn the_user_may_do_two_things_as_root() {
    on_a_server(Compose::V1, |server, _| {
        let listed = server.try_deploy_user("id -u\nid -Gn\nsudo -n -l");
        assert!(listed.status.success(), "{}", said(&listed));
        let text = String::from_utf8(listed.stdout).unwrap();
        let mut lines = text.lines();
        assert_ne!(lines.next(), Some("0"), "the user is root");
        assert_eq!(lines.next(), Some("deploy docker"));
        let rules: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with('(')).collect();
        assert_eq!(rules, ["(root) NOPASSWD: /usr/sbin/nginx -t, /usr/sbin/nginx -s reload"]);
        for forbidden in
            ["true", "nginx", "nginx -s stop", "nginx -t -c /home/deploy/own.conf", "-u www-data true", "sh -c id"]
        {
            let refused = server.try_deploy_user(&format!("sudo -n {forbidden}"));
            assert!(!refused.status.success(), "the user may run `sudo {forbidden}`");
        }
        for allowed in ["nginx -t", "nginx -s reload"] {
            let done = server.try_deploy_user(&format!("sudo -n {allowed}"));
            assert!(done.status.success(), "sudo {allowed}: {}", said(&done));
        }
        server.root("visudo -cq\nvisudo -cqf /etc/sudoers.d/gifty-deploy\n[ \"$(stat -c '%a %U' /etc/sudoers.d/gifty-deploy)\" = '440 root' ]");
    });
}

/// What is not there or wrong is told before anything happens on the server.
#[test]
fn what_is_missing_or_wrong_is_told_first() {
    on_a_server(Compose::V2, |server, site| {
        let before = untouched(server);
        let right = site.variables.clone();
        let required = ["PROD_SSH_HOST", "PROD_SSH_USER", "PROD_SSH_KEY", "PROD_ENV_FILE"];
        site.variables.retain(|(name, _)| !required.contains(&name.as_str()));
        site.xtask(&["deploy"]).must_end_with(3).must_say(&required);

        let refused =
            |site: &Site, code: i32, parts: &[&str]| drop(site.xtask(&["deploy"]).must_end_with(code).must_say(parts));
        let mut wrong = |name: &str, value: &str, code: i32, parts: &[&str]| {
            site.variables.clone_from(&right);
            site.set(name, value);
            refused(site, code, parts);
        };
        // Nobody listens on a port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        wrong("PROD_SSH_PORT", &free.to_string(), 6, &["Connection refused", &format!("deploy@127.0.0.1:{free}")]);
        wrong("PROD_SSH_PORT", "22a", 3, &["PROD_SSH_PORT"]);
        wrong("PROD_SSH_KEY", "this is no key", 6, &["refused the private key"]);
        wrong("PROD_SSH_KEY", &new_key("").0, 6, &["Permission denied"]);
        wrong("PROD_SSH_KEY", &new_key("passphrase").0, 6, &["unencrypted"]);
        wrong("PROD_SSH_USER", "nobody", 6, &["Permission denied"]);
        site.variables = right;
        assert_eq!(untouched(server), before, "the server was touched");
    });
}

/// What a deploy would change on the server. The lock may be taken to look around.
fn untouched(server: &Server) -> String {
    server
        .root("{ find /app/gifty-backend ! -name deploy.lock -printf '%p %T@\\n' | sort; docker ps -aq; } | sha256sum")
}

/// A new key pair: the private key and the public one as `known_hosts` has it.
fn new_key(passphrase: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let words = ["-q", "-t", "ed25519", "-C", "", "-N", passphrase, "-f"];
    assert!(Command::new("ssh-keygen").args(words).arg(&file).status().unwrap().success());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap().trim().to_owned();
    (read("key"), read("key.pub"))
}

/// The first connection accepts the server's key, says so and keeps it.
#[test]
fn an_unknown_host_key_is_shown_and_kept() {
    on_a_server(Compose::V1, |server, _| {
        let site = Site::not_set_up(server);
        let kept = site.root().join(".deploy/known_hosts");
        assert!(!kept.exists());
        let fingerprint = server.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
        let fingerprint = fingerprint.split_whitespace().nth(1).unwrap();
        let first = site.xtask(&["status"]);
        let first =
            first.must_say(&["warning", "was not known and has been accepted", fingerprint, "PROD_SSH_KNOWN_HOSTS"]);
        first.must_say(&[&server.known_hosts]);
        assert_eq!(std::fs::read_to_string(&kept).unwrap().trim(), server.known_hosts);
        let second = site.xtask(&["status"]);
        assert!(!second.stderr.contains("host key"), "{second}");
    });
}

/// A server that shows another key than before may be somebody else: it gets nothing.
#[test]
fn a_changed_host_key_stops_everything() {
    on_a_server(Compose::V2, |server, site| {
        let before = untouched(server);
        let kept = site.root().join(".deploy/known_hosts");
        let lines = std::fs::read_to_string(&kept).unwrap();
        let address = format!("[127.0.0.1]:{}", server.ssh_port());
        let other = format!("{address} {}", new_key("").1);

        server.restart_sshd("mkdir /opt/keys && mv /etc/ssh/ssh_host_* /opt/keys && ssh-keygen -A >/dev/null");
        let changed = site.xtask(&["deploy", "--skip-tests"]).must_end_with(7);
        changed.must_say(&["is not the one known", "PROD_SSH_KNOWN_HOSTS", &address]);
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), lines, "the known key was replaced");
        server.restart_sshd("mv /opt/keys/* /etc/ssh/ && rmdir /opt/keys");

        site.set("PROD_SSH_KNOWN_HOSTS", &other);
        site.xtask(&["deploy", "--skip-tests"]).must_end_with(7).must_say(&["is not the one known"]);
        site.set("PROD_SSH_KNOWN_HOSTS", &server.known_hosts);
        // The pinned line counts, not what was accepted once.
        std::fs::write(&kept, format!("{other}\n")).unwrap();
        let pinned = site.xtask(&["status"]);
        assert_ne!(pinned.code, Some(7), "{pinned}");
        site.variables.retain(|(name, _)| name != "PROD_SSH_KNOWN_HOSTS");
        std::fs::write(&kept, lines).unwrap();
        assert_eq!(untouched(server), before, "the server was touched");
    });
}

/// Nothing but commands is asked of sshd, so a key may be allowed nothing else.
#[test]
fn a_key_that_may_only_run_commands_suffices() {
    on_a_server(Compose::V2, |server, site| {
        let keys = "/home/deploy/.ssh/authorized_keys";
        server.root(&format!("sed -i.before 's/^/restrict /' {keys}"));
        site.new_version("with a restricted key");
        site.deploy();
        site.status();
        server.root(&format!("cp {keys}.before {keys}"));
    });
}

/// The network between both is cut without a word: the tool notices, and so does the lock on the server.
#[test]
fn a_cut_network_frees_the_lock() {
    on_a_server(Compose::V1, |server, site| {
        let rules = |action: &str| {
            server.root(&format!("for rule in 'INPUT --dport' 'OUTPUT --sport'; do set -- $rule; iptables {action} $1 -p tcp $2 22 -j DROP; done"));
        };
        site.new_version("on its way when the network is cut");
        let deploy = site.deploy_up_to("Build the images");
        rules("-I");
        let begun = Instant::now();
        let told = deploy.end().must_end_with(6).must_say(&["was lost"]);
        let noticed = begun.elapsed();
        while !server.root("cat /app/gifty-backend/deploy.lock").is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(50), "the lock is still held; the tool said:\n{told}");
            std::thread::sleep(Duration::from_millis(200));
        }
        println!(
            "a cut network was noticed here after {noticed:.0?}, and the lock was free after {:.0?}",
            begun.elapsed()
        );
        rules("-D");
        site.deploy();
        site.status();
    });
}
