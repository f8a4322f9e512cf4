//! `deploy --canary`: a version that gets a share of all clients, and is judged by what it answers them.

use crate::support::clients::Clients;
use crate::support::project::Project;
use crate::support::server::Compose;
use crate::support::shared_server::on_a_server;
use crate::support::team::Team;

const PAGE: &str = "/api/v1/interests";

/// Steps of seconds, beside whatever else the machine does, say nothing of how fast a version is.
fn patient() -> Project {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "[test]\n", "[canary]\nlatency = 100\n\n[test]\n");
    project
}

fn errors_of(project: &Project, share: &str) {
    let begins = "async def list_interests(catalogue: CurrentCatalogue) -> list[str]:\n";
    let fails = format!("{begins}    if random.random() < {share}:\n        raise HTTPException(500)\n");
    project.rewrite(
        "backend/app/routes/gifts.py",
        "from typing import Annotated\n",
        "import random\nfrom typing import Annotated\n",
    );
    project.change("backend/app/routes/gifts.py", begins, &fails);
}

#[test]
fn a_version_that_does_as_well_is_promoted_step_by_step() {
    let project = patient();
    let first = project.deploy()["release"].clone();
    let clients = Clients::start(&project.address(), PAGE, 120);
    for steps in ["5,40", "20"] {
        project.new_version(&format!("as good, by {steps}"));
        let run = project
            .xtask(&["deploy", "--skip-tests", "--json", "--steps", steps, "--every", "4s"])
            .must_end_with(0)
            .json();
        assert_eq!(
            (&run["serves"], run["decisions"].as_array().unwrap().len()),
            (&run["release"], steps.split(',').count()),
            "{run:#}"
        );
        assert!(run["decisions"].to_string().contains("well: new 0 errors of"), "{run:#}");
        assert_ne!(run["serves"], first);
    }
    let seen = clients.finish();
    assert!(seen.counts.keys().all(|status| status == "200"), "{:?}", seen.counts);
    let slowest = seen.took.iter().map(|(_, milliseconds)| *milliseconds).fold(0.0, f64::max);
    assert!(slowest < 3000.0, "an answer took {slowest} ms");
    assert_eq!(std::fs::read_dir(project.server("live/routes")).unwrap().count(), 0);
    project.status();
}

#[test]
fn a_version_that_does_worse_is_taken_back_and_the_reason_told() {
    let project = patient();
    let first = project.deploy()["release"].clone();
    let before = project.containers(true);
    errors_of(&project, "0.2");
    let clients = Clients::start(&project.address(), PAGE, 120);
    let run = project.xtask(&["deploy", "--skip-tests", "--json", "--steps", "10,60", "--every", "10s"]);
    let run = run.must_end_with(18).must_say(&["it has more errors", "is taken back", "Give slot", "undo: "]);
    let seen = clients.finish().counts;
    assert_eq!((&run.json()["serves"], project.containers(true)), (&first, before));
    // Its own errors, while few had it, and no others.
    let (well, failed) = (seen["200"], seen.get("500").copied().unwrap_or_default());
    assert!(failed > 0 && failed * 20 < well && seen.len() == 2, "{seen:?}");
    project.status();

    // Where nobody asks, nothing can be said.
    project.forget_last_commit();
    project.new_version("of which nobody asks");
    let run = project.xtask(&["deploy", "--skip-tests", "--canary", "10%", "--every", "1s"]).must_end_with(18);
    run.must_say(&["of less than 100 nothing can be said", "larger shares or more time"]);
    assert_eq!(project.status()["live_release"], first);
}

#[test]
fn what_a_canary_cannot_be_is_refused_first() {
    let project = Project::new("reload");
    project.deploy();
    project.new_version("by canary");
    let deploy = |words: &[&str]| project.xtask(&[&["deploy", "--skip-tests"], words].concat());
    deploy(&["--canary", "10%"]).must_end_with(4).must_say(&["in reload mode"]);
    for (words, says) in [
        (&["--every", "5s"][..], "none is given"),
        (&["--steps", "50,10"], "shares that grow"),
        (&["--canary", "10%", "--every", "0s"], "from 1 second to a day"),
        (&["--canary", "10%", "--hold"], "cannot be used with"),
        (&["--canary", "100%"], "from 1% to 99%"),
    ] {
        deploy(words).must_end_with(2).must_say(&[says]);
    }
    project.status();
}

/// nginx has a log of its own for the site, or one for all sites; both go on as they are.
#[test]
fn on_a_server_requests_are_counted_beside_the_logs_that_are_there() {
    on_a_server(Compose::V1, |server, site| {
        site.configure("# [canary] ", "[canary]\nmin_requests = 20\nlatency = 100\n# ");
        let lines = |file: &str| {
            server
                .root(&format!("{{ cat /var/log/nginx/{file} 2>/dev/null || true; }} | wc -l"))
                .trim()
                .parse::<u32>()
                .unwrap()
        };
        for own in [false, true] {
            if own {
                server.root("sed -i 's|^    server_name .*;|&\\n    access_log /var/log/nginx/own.log;|' /etc/nginx/sites-enabled/gifty");
            }
            let script = site.xtask(&["setup", "--mode", "instant", "--user", "deploy"]).must_end_with(0).stdout;
            server.root(&script);
            site.new_version(&format!("by canary, with a log of its own: {own}"));
            let before = [lines("access.log"), lines("own.log")];
            server.root(&format!(
                "nohup bash -c 'for pass in 1 2 3 4 5 6; do for client in {{1..200}}; do \
                 curl -s -o /dev/null --interface 127.0.1.$client -H \"Host: api.example\" http://127.0.0.1{PAGE}; done; done' >/dev/null 2>&1 &"
            ));
            let run = site
                .xtask(&["deploy", "--skip-tests", "--json", "--canary", "30%", "--every", "4s"])
                .must_end_with(0)
                .json();
            println!("{}", run["decisions"]);
            server.root("pkill -f 'for pass in 1 2' || true");
            let after = [lines("access.log"), lines("own.log")];
            let written = [after[0] > before[0], after[1] > before[1]];
            assert_eq!(written, [!own, own], "what nginx logged of the site before: {before:?}, {after:?}");
        }
        server.root("sed -i '/access_log .*own.log;/d' /etc/nginx/sites-enabled/gifty");
        let script = site.xtask(&["setup", "--mode", "instant", "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&script);
        site.configure("[canary]\nmin_requests = 20\nlatency = 100\n# ", "# [canary] ");
        // nginx opens its logs anew, as each night.
        server.root("nginx -s reopen");
        site.new_version("after the logs were opened anew");
        site.deploy();
    });
}

/// Watched for longer than a deploy takes: a version that turns bad is gone back from, and one that does not is left alone.
#[test]
fn a_version_that_turns_bad_while_it_is_guarded_is_gone_back_from() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", "bake = 1", "bake = 2");
    project.xtask(&["guard", "--for", "5s"]).must_end_with(4).must_say(&["no release serves"]);
    let first = project.deploy()["release"].clone();
    let bad = "if __import__('os').path.exists('/tmp/bad'):\n        raise HTTPException(500)\n    ";
    let begins = "async def list_interests(catalogue: CurrentCatalogue) -> list[str]:\n    ";
    project.change("backend/app/routes/gifts.py", begins, &format!("{begins}{bad}"));
    let clients = Clients::start(&project.address(), PAGE, 120);
    let deployed = project.deploy();
    assert!(deployed["before"]["requests"].as_u64().unwrap() > 20, "{deployed:#}");
    let well = project.xtask(&["guard", "--for", "6s"]).must_end_with(0);
    assert!(well.stdout.contains("did well for 6s: 0 errors of"), "{well}");

    // Its health check says nothing of it.
    let mut guard = project.start(project.command(&["guard", "--for", "60s"]));
    guard.wait_for("the watch", |log| log.contains("watching release"));
    let container = project.containers(false).into_iter().find(|name| name.contains("-api-")).unwrap();
    project.docker(&["exec", &container, "touch", "/tmp/bad"]);
    let run =
        guard.end().must_end_with(18).must_say(&["has turned bad, and the traffic goes back", "it has more errors"]);
    assert_eq!(project.status()["live_release"], first, "{run}");
    clients.finish();

    // Another deploy is its own guard's business.
    let mut guard = project.start(project.command(&["guard", "--for", "60s"]));
    guard.wait_for("the watch", |log| log.contains("watching release"));
    project.new_version("which takes over");
    project.deploy();
    guard.end().must_end_with(0).must_say(&["serves now, so nothing is left to be watched"]);
}
