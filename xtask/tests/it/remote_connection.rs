//! What lies between two machines: a login that prints and ends what is idle, ssh settings of a person, a shell that is killed.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::server::Compose;
use crate::support::shared_server::on_a_server;
use crate::support::site::processes;
use crate::support::team::Team;

/// A login that prints, a time-out for idle shells as hardening guides set it, and variables that change what scripts do.
#[test]
fn a_login_changes_nothing() {
    on_a_server(Compose::V1, |server, site| {
        server.root(
        "cat >/home/deploy/.bashrc <<'RC'\necho welcome; printf 'no line end'; echo warning >&2\nexport TMOUT=1 BASH_ENV=/nowhere GREP_OPTIONS=-v LC_ALL=C POSIXLY_CORRECT=1\nRC\nchown deploy: /home/deploy/.bashrc",
    );
        site.configure("[[\"python\", \"migrate.py\"]]", "[[\"sleep\", \"4\"], [\"python\", \"migrate.py\"]]");
        site.new_version("behind a login that prints");
        let report = site.deploy();
        assert_eq!(report["receipt"]["failed"], 0, "{report}");
        site.status();
        site.configure("[[\"sleep\", \"4\"], [\"python\", \"migrate.py\"]]", "[[\"python\", \"migrate.py\"]]");
        server.root("rm /home/deploy/.bashrc");
    });
}

/// Fish reads no line as a shell does, and prints what its own settings say.
#[test]
fn a_login_shell_of_another_language_changes_nothing() {
    on_a_server(Compose::V1, |server, site| {
        server.root(
        "usermod -s /usr/bin/fish deploy\ninstall -d -o deploy -g deploy /home/deploy/.config /home/deploy/.config/fish\n\
         printf 'echo welcome\\nset -x LC_ALL C\\n' >/home/deploy/.config/fish/config.fish",
    );
        site.new_version("behind fish");
        let report = site.deploy();
        assert_eq!(report["receipt"]["failed"], 0, "{report}");
        site.xtask(&["rollback"]).must_end_with(0);
        site.status();
        server.root("usermod -s /bin/bash deploy");
    });
}

/// The shell on the server is killed, while nothing is asked of it or while it is at work: that is seen, and a signal ends the run
/// all the same.
#[test]
fn a_killed_shell_is_noticed() {
    on_a_server(Compose::V1, |server, site| {
        site.configure("bake = 1", "bake = 60");
        let (user, slow) = ("USER 10001:10001", "RUN sleep 15\nUSER 10001:10001");
        for (stage, signalled) in
            [("Watch the new version", false), ("Watch the new version", true), ("Build the images", false)]
        {
            let serving = site.status()["live_release"].clone();
            if stage == "Build the images" {
                site.rewrite("backend/Dockerfile", user, slow);
            }
            site.new_version("whose shell will be killed");
            let deploy = site.deploy_up_to(stage);
            server.root("pkill -KILL -f '^bash -c # Runs the scripts of one run'");
            let begun = Instant::now();
            if signalled {
                std::thread::sleep(Duration::from_secs(1));
                deploy.signal("-TERM");
            }
            let run = deploy.end();
            let took = begun.elapsed();
            let limit = if signalled { 11 } else { 30 };
            assert!(took < Duration::from_secs(limit), "{stage}: it took {took:.0?} (signalled: {signalled}): {run}");
            assert!(matches!(run.code, Some(6 | 130)), "{run}");
            println!("a killed shell was noticed after {took:.0?} (at {stage:?}, signalled: {signalled})");
            if stage == "Build the images" {
                site.change("backend/Dockerfile", slow, user);
            }
            site.configure("bake = 60", "bake = 1");
            let again = site.xtask(&["deploy", "--skip-tests", "--json", "--lock-wait", "60"]).must_end_with(0).json();
            assert_ne!(again["release"], serving);
            site.configure("bake = 1", "bake = 60");
        }
        site.configure("bake = 60", "bake = 1");
        site.status();
    });
}

/// A host that is there and takes nothing more, while it is sent a release.
#[test]
fn a_host_that_takes_no_more_is_noticed() {
    on_a_server(Compose::V1, |server, site| {
        let serving = site.status()["live_release"].clone();
        let noise: Vec<u8> =
            (0..4_000_000_u64).flat_map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24).to_le_bytes()).collect();
        std::fs::write(site.root().join("backend/noise"), noise).unwrap();
        site.commit("that is large");
        let deploy = site.deploy_up_to("Package release");
        server.root("pkill -STOP -u deploy");
        // Packing 32 MB takes a while on a machine with many servers.
        let packing = Instant::now();
        while !deploy.log().contains("Ship release") {
            assert!(packing.elapsed() < Duration::from_secs(60), "{}", deploy.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let begun = Instant::now();
        std::thread::sleep(Duration::from_secs(2));
        let memory = std::fs::read_to_string(format!("/proc/{}/status", deploy.child.id())).unwrap();
        let most = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
        let most: u64 = most.trim().parse().unwrap();
        // An archive of 32 MB, that is read as it is sent.
        assert!(most < 48_000, "{most} kB of memory");
        println!("while it is sent a release of 32 MB, the tool has {most} kB of memory");
        let run = deploy.end();
        let took = begun.elapsed();
        server.root("pkill -CONT -u deploy");
        // Sending what buffers take comes before.
        assert!(took < Duration::from_secs(45), "it took {took:.0?}: {run}");
        assert!(matches!(run.code, Some(6 | 12)), "{run}");
        println!("a host that takes no more was noticed after {took:.0?}");
        site.forget_last_commit();
        site.new_version("that is small again");
        let again = site.xtask(&["deploy", "--skip-tests", "--json", "--lock-wait", "60"]).must_end_with(0).json();
        assert_ne!(again["release"], serving);
        site.status();
    });
}

/// A login that runs nothing is named, and so is an sshd that takes too few sessions.
#[test]
fn a_server_that_does_not_take_what_is_needed_is_named() {
    on_a_server(Compose::V1, |server, site| {
        server.root("usermod -s /usr/sbin/nologin deploy");
        site.xtask(&["status"]).must_end_with(6).must_say(&["login shell of deploy", "chsh -s /bin/bash deploy"]);
        server.root("usermod -s /bin/bash deploy");
        server.restart_sshd("echo 'MaxSessions 2' >>/etc/ssh/sshd_config");
        site.new_version("over few sessions");
        let before = site.status()["live_release"].clone();
        site.xtask(&["deploy", "--skip-tests"]).must_end_with(6).must_say(&["MaxSessions 10"]);
        server.restart_sshd("sed -i '/MaxSessions 2/d' /etc/ssh/sshd_config");
        assert_eq!(site.status()["live_release"], before);
    });
}

/// A person's `~/.ssh/config` leads to the host, by another name or a jump, and decides nothing else.
#[test]
fn a_persons_ssh_settings_lead_to_the_host_and_no_further() {
    on_a_server(Compose::V1, |server, site| {
        let folder = tempfile::Builder::new().prefix("deploy-test-ssh-").tempdir().unwrap();
        let key = server.key_file();
        let config = folder.path().join("config");
        let hosts = format!(
            "Host jump\n  HostName 127.0.0.1\n  Port {port}\n  User deploy\n  IdentityFile {key}\n  IdentityAgent none\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n\
         Host inner\n  HostName 127.0.0.1\n  ProxyJump jump\n\
         Host 127.0.0.1 inner\n  IdentitiesOnly yes\n  PubkeyAuthentication no\n  RemoteCommand false\n  RequestTTY force\n  IdentityFile {key}\n  ForwardX11 yes\n",
            port = server.ssh_port(),
            key = key.display(),
        );
        std::fs::write(&config, hosts).unwrap();
        // ssh takes a person's settings from the home of the password file, so this stands in for that place alone.
        let stand_in = format!(
            "#!/bin/sh\ncase \" $* \" in *' -F '*) exec /usr/bin/ssh \"$@\" ;; *) exec /usr/bin/ssh -F '{}' \"$@\" ;; esac\n",
            config.display()
        );
        let program = folder.path().join("ssh");
        std::fs::write(&program, stand_in).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let right = site.variables.clone();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        site.set("PATH", &path);
        site.status();
        // A key of the person's own is not tried where the environment's is wrong.
        site.set("PROD_SSH_KEY", &other_key());
        site.xtask(&["status"]).must_end_with(6).must_say(&["Permission denied"]);
        site.variables.clone_from(&right);
        site.set("PATH", &path);
        site.set("PROD_SSH_HOST", "inner");
        site.set("PROD_SSH_PORT", "22");
        site.status();
        site.variables = right;
    });
}

fn other_key() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let words = ["-q", "-t", "ed25519", "-N", "", "-f"];
    assert!(std::process::Command::new("ssh-keygen").args(words).arg(&file).status().unwrap().success());
    std::fs::read_to_string(file).unwrap()
}

/// Folders for temporary files of any name, and known hosts that name no host.
#[test]
fn odd_folders_and_keys_are_taken_or_named() {
    on_a_server(Compose::V1, |server, site| {
        let right = site.variables.clone();
        for name in ["a b", "50%c", "quo'te", &"long".repeat(40)] {
            let folder = site.root().join(".deploy").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            site.set("TMPDIR", &folder.display().to_string());
            site.status();
        }
        site.variables.clone_from(&right);
        let line = server.known_hosts.clone();
        let key = line.split_once(' ').unwrap().1;
        for wrong in [
            key,
            "SHA256:YEEKXproW5ZItSLPBBb4w21tFXd24lC9cT0uT5tS4SQ",
            &format!("\"{line}\""),
            &line.replace("127.0.0.1", "10.9.8.7"),
        ] {
            site.set("PROD_SSH_KNOWN_HOSTS", wrong);
            let refused = site.xtask(&["status"]).must_end_with(3);
            refused.must_say(&["PROD_SSH_KNOWN_HOSTS has no line for", "ssh-keyscan"]);
        }
        site.variables = right;
        site.xtask(&["deploy", "--skip-tests", "--lock-wait", "18446744073709551615"]).must_end_with(2);
    });
}

/// The masters of connections that are kept.
fn kept() -> Vec<u32> {
    // ssh gives itself this title.
    processes()
        .into_iter()
        .filter(|(_, words)| words.contains("xtask-kept-") && words.contains("[mux]"))
        .map(|(number, _)| number)
        .collect()
}

/// A look leaves its connection to the next one; what changes the host has one of its own, and one that died or hangs is done without.
#[test]
fn a_kept_connection_serves_the_next_look_and_nothing_else() {
    on_a_server(Compose::V1, |_, site| {
        site.configure("# [ssh]\n# keep = \"10m\"", "[ssh]\nkeep = \"4s\"");
        site.status();
        let first = kept();
        assert_eq!(first.len(), 1, "{first:?}");
        site.status();
        assert_eq!(kept(), first, "the second look has made another one");
        // Looks at the same time share it; sshd takes ten sessions on one, so some open one of their own.
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| site.status()))));
        assert_eq!(kept(), first);

        // One that hangs, as after a change of networks.
        let pause = |signal: &str| assert!(send(signal, first[0]));
        pause("-STOP");
        site.new_version("over a connection of its own");
        let begun = Instant::now();
        site.deploy();
        println!("a deploy beside a kept connection that hangs took {:.1?}", begun.elapsed());
        let begun = Instant::now();
        site.status();
        assert!(begun.elapsed() < Duration::from_secs(5), "a look beside one that hangs took {:.1?}", begun.elapsed());
        pause("-CONT");
        send("-KILL", first[0]);

        // Only the socket of one that was killed is left.
        let second: Vec<u32> = kept().into_iter().filter(|number| *number != first[0]).collect();
        assert_eq!(second.len(), 1, "{second:?}");
        send("-KILL", second[0]);
        site.status();
        let third = kept();
        assert!(third.len() == 1 && third != second, "{third:?}");

        // It ends by itself, and its folder is nobody else's to read.
        let ended = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            kept().is_empty()
        });
        assert!(ended, "it stays: {:?}", kept());
        let folders = std::fs::read_dir(std::env::temp_dir())
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("xtask-kept-"));
        for folder in folders.map(|entry| entry.path()) {
            let permissions = std::fs::metadata(&folder).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, 0o700, "{}", folder.display());
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        site.xtask(&["status"])
            .must_end_with(0)
            .must_say(&["no connection is kept", "is not a folder of this user alone"]);
        assert!(kept().is_empty(), "{:?}", kept());
        let folders = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten().map(|entry| entry.path());
        for folder in folders
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("xtask-kept-")))
        {
            std::fs::remove_dir_all(folder).unwrap();
        }
        site.configure("[ssh]\nkeep = \"4s\"", "# [ssh]\n# keep = \"10m\"");
    });
}

fn send(signal: &str, process: u32) -> bool {
    std::process::Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success()
}
