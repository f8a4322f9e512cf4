use super::facts::{ContainerFacts, Facts};
use super::*;
use crate::rules::config::{Config, Reach};
use crate::rules::engine::compose::review::Review;
use crate::rules::host::observed::Observed;
use crate::rules::public_site::PublicSite;
use crate::rules::release::Slot;
use crate::testing::fixtures;

const PRINTED: &str = "time\t1000\nversion\tsystem\tDebian GNU/Linux 12 (bookworm)\nversion\tdocker\t20.10.24\nversion\tnginx\t1.22.1\n\
    starts\tdocker\tenabled\nstarts\tnginx\tenabled\nrenewal\tcertbot.timer\n\
    rollback\twhole\ncontainers\tknown\ncontainer\tshop-blue-web-1\tunless-stopped\tlocal\t\trunning\nenvironment\tshop-staging\t/srv/staging\nproject\tblog\t/srv/blog\nend\n";

fn told(change: impl FnOnce(&mut Config, &mut Observed, &mut Facts)) -> Vec<Finding> {
    let (mut config, mut observed) = (fixtures::config(), fixtures::server(Slot::Blue, 2));
    let mut facts = facts::parse(PRINTED).unwrap();
    for release in &observed.releases {
        let names = release.built.iter().map(|repository| (format!("{repository}:{}", release.id), 200_000_000));
        observed.images.extend(names);
    }
    change(&mut config, &mut observed, &mut facts);
    let public =
        PublicSite { url: "https://shop.example/health".to_owned(), problem: None, certificate_days: Some(60) };
    let asked = Server {
        observed: &observed,
        facts: &facts,
        asked: (1000, 1001),
        site: Ok(()),
        public: Some(&public),
        problems: &[],
    };
    server(&config, &asked)
}

fn bad(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| finding.mark == Mark::Bad).map(|finding| finding.about).collect()
}

#[test]
fn a_diagnosis_reads_like_this() {
    let here_is = Here {
        programs: vec![("git", None), ("ssh", None)],
        missing: None,
        env: Ok(["A", "B"].map(str::to_owned).into()),
        local: ["A", "C"].map(str::to_owned).into(),
        review: Ok(Review::default()),
    };
    let mut config = fixtures::config();
    config.environment.reach = Reach::Missing(vec!["PROD_SSH_HOST".to_owned(), "PROD_SSH_KEY".to_owned()]);
    let of =
        |findings: Vec<Finding>| Diagnosis { environment: "prod".to_owned(), findings, round_trips: 2, seconds: 1.0 };
    insta::assert_snapshot!("here", of(here(&config, here_is)).describe());
    insta::assert_snapshot!("well", of(told(|_, _, _| {})).describe());
    let ill = told(|_, observed, facts| {
        facts.time = Some(1400);
        facts.starts.insert("docker".to_owned(), "disabled".to_owned());
        facts.versions.insert("nginx".to_owned(), "1.30.0".to_owned());
        facts.sshd.insert("MaxSessions".to_owned(), "1".to_owned());
        facts.renewals.clear();
        let away = ContainerFacts {
            name: "shop-db-1".to_owned(),
            log_driver: "json-file".to_owned(),
            status: "running".to_owned(),
            ..ContainerFacts::default()
        };
        facts.containers.get_or_insert_default().push(away);
        observed.images.clear();
        observed.disk_free = 1_000_000;
        observed.bypasses.push("/etc/nginx/sites-enabled/old: proxy_pass http://127.0.0.1:8000;".to_owned());
    });
    insta::assert_snapshot!("ill", of(ill).describe());
}

#[test]
fn each_thing_that_is_wrong_has_a_cross_of_its_own() {
    assert_eq!(bad(&told(|_, _, _| {})), Vec::<&str>::new());
    assert_eq!(bad(&told(|_, _, facts| facts.time = Some(994))), ["clock"]);
    assert_eq!(bad(&told(|_, _, facts| facts.time = Some(1006))), Vec::<&str>::new());
    assert_eq!(bad(&told(|_, _, facts| facts.containers = None)), ["reboot"]);
    assert_eq!(bad(&told(|_, _, facts| facts.rollback = Some(facts::Files::Gone))), ["rollback"]);
    assert_eq!(bad(&told(|_, _, facts| facts.rollback = None)), ["rollback"]);
    let late = told(|_, _, facts| facts.rollback = Some(facts::Files::Late));
    assert!(bad(&late).is_empty());
    assert!(late.iter().any(|finding| finding.text.contains("could not be read within 20 s")));
    assert_eq!(bad(&told(|_, observed, _| observed.containers.clear())), ["site"]);
    assert_eq!(
        bad(&told(|_, observed, _| observed.releases.iter_mut().for_each(|one| one.settings = None))),
        ["rollback"]
    );
    assert_eq!(bad(&told(|_, observed, _| observed.nginx_running = false)), ["ready"]);
    let stopped = |facts: &mut Facts| facts.containers.as_mut().unwrap()[0].restart = "no".to_owned();
    assert_eq!(bad(&told(|_, _, facts| stopped(facts))), ["reboot"]);
}

#[test]
fn facts_that_break_off_are_none() {
    assert_eq!(facts::parse("time\t5\n"), None);
    assert_eq!(facts::parse("time\tx\nversion\nstarts\tdocker\nwhat\t1\nend\n"), Some(Facts::default()));
}
