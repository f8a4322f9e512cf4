//! Reports as `inspect.sh` prints them, and what is read from them.

use super::*;
use crate::testing::fixtures::config;

fn read(lines: &[&str]) -> Observed {
    parse(&format!("{}\nend\n", lines.join("\n")), &config()).unwrap()
}

fn container(name: &str, status: &str, labels: &str, ports: &str, mounts: &str) -> String {
    let end = "0 unless-stopped";
    format!(
        "container\tid-{name}\t/{name}\t{status}\thealthy\t0\t2026-01-31T17:45:02Z\t{labels}\t{ports}\t{mounts}\t{end}"
    )
}

/// Labels as the script prints them.
fn labels(of: &[(usize, &str)]) -> String {
    let mut labels = [""; 9];
    of.iter().for_each(|(at, value)| labels[*at] = value);
    serde_json::to_string(&labels).unwrap()
}
const PROJECT: usize = 0;
const FOLDER: usize = 1;
const SLOT: usize = 2;
const RELEASE: usize = 3;
const COMPOSE_PROJECT: usize = 5;
const SERVICE: usize = 6;
const ONE_OFF: usize = 7;
const WORKING_DIR: usize = 8;

fn ours() -> Vec<(usize, &'static str)> {
    vec![
        (PROJECT, "shop"),
        (FOLDER, "/srv/shop"),
        (SLOT, "green"),
        (RELEASE, "20260131-174502-1a2b3c4"),
        (COMPOSE_PROJECT, "shop-green"),
        (ONE_OFF, "False"),
    ]
}

const ON_8001: &str = r#"{"8000/tcp":[{"HostIp":"127.0.0.1","HostPort":"8001"}]}"#;

#[test]
fn nginx_is_believed_before_its_file() {
    let site = "site\tserver {\r  location / { proxy_pass http://shop_backend; }\r}";
    let upstream = "upstream\tupstream shop_backend {\r  server 127.0.0.1:8000;\r}";
    let running = read(&["live\tshop green", upstream, site, "nginx\trunning"]);
    assert_eq!((running.running_slot, running.configured_slot), (Some(Slot::Green), Some(Slot::Blue)));
    assert_eq!((running.switching, running.live()), (Some(SwitchMode::Reload), Some(Slot::Green)));
    let stopped = read(&["live\t", upstream, site]);
    assert_eq!((stopped.nginx_running, stopped.live()), (false, Some(Slot::Blue)));
    let instant = read(&["live\t", "flag\tgreen", "site\tlocation / { proxy_pass http://$shop_backend; }"]);
    assert_eq!((instant.switching, instant.live()), (Some(SwitchMode::Instant), Some(Slot::Green)));
}

#[test]
fn a_slot_is_read_from_its_containers_labels() {
    let slot = container("shop-green", "running", &labels(&ours()), ON_8001, "[]");
    let hook = [ours(), vec![(ONE_OFF, "True")]].concat();
    let hook = container("hook", "running", &labels(&hook), "{}", "[]");
    let observed = read(&["live\tshop green", &slot, &hook]);
    assert_eq!(observed.containers.len(), 1, "a hook's container was taken for a slot's");
    assert_eq!(observed.live_release().map(ReleaseId::as_str), Some("20260131-174502-1a2b3c4"));
}

#[test]
fn a_container_of_before_the_first_deploy_is_told_from_a_strangers() {
    let before = labels(&[(COMPOSE_PROJECT, "shop"), (SERVICE, "web"), (WORKING_DIR, "/home/deploy/shop")]);
    let observed = read(&[&container("shop_web_1", "running", &before, ON_8001, "null")]);
    assert_eq!(observed.occupant(Slot::Green).map(|c| c.release.clone()), Some(None));
    let other = labels(&[(COMPOSE_PROJECT, "blog"), (SERVICE, "web")]);
    let observed = read(&[&container("other", "running", &other, ON_8001, "null")]);
    let foreign = Foreign {
        slot: Slot::Green,
        port: 8001,
        container: "other".to_owned(),
        compose_project: Some("blog".to_owned()),
    };
    assert_eq!((observed.containers.len(), observed.foreign), (0, vec![foreign]));
}

/// One host may hold several environments, projects and clones: name and folder together say whose a container is.
#[test]
fn what_carries_the_name_or_the_folder_of_another_is_not_taken_for_our_own() {
    let of = |project: &'static str, folder: &'static str| {
        let own = [(PROJECT, project), (FOLDER, folder)];
        let labels = labels(&[ours(), own.to_vec()].concat());
        read(&[&container("it", "running", &labels, ON_8001, "[]")])
    };
    assert_eq!(of("shop", "/srv/shop").containers.len(), 1);
    let clone = of("shop", "/home/deploy/shop/.deploy/local");
    assert_eq!(clone.namesakes, [("it".to_owned(), "/home/deploy/shop/.deploy/local".to_owned())]);
    assert_eq!((clone.containers.len(), clone.others.len()), (0, 0));
    let renamed = of("store", "/srv/shop");
    assert_eq!(renamed.tenants, [("it".to_owned(), "store".to_owned())]);
    assert_eq!(renamed.containers.len(), 0);
    let neighbour = of("blog", "/srv/blog");
    assert_eq!((neighbour.namesakes.len(), neighbour.tenants.len(), neighbour.foreign.len()), (0, 0, 1));
    // Before there was a label for the folder, the release that a container was started in told it.
    let earlier =
        labels(&[ours(), vec![(FOLDER, ""), (WORKING_DIR, "/srv/staging/releases/20260131-174502-1a2b3c4")]].concat());
    let observed = read(&[&container("it", "running", &earlier, ON_8001, "[]")]);
    assert_eq!(observed.namesakes, [("it".to_owned(), "/srv/staging".to_owned())]);
    // Compose by hand in the folder itself, under the name that it takes from it.
    let by_hand = labels(&[(COMPOSE_PROJECT, "shop-backend"), (SERVICE, "web"), (WORKING_DIR, "/srv/shop")]);
    let observed = read(&[&container("it", "running", &by_hand, "{}", "[]")]);
    assert_eq!(observed.tenants, [("it".to_owned(), "shop-backend".to_owned())]);
}

#[test]
fn a_slot_s_answer_to_the_health_check_comes_with_its_port() {
    let said = "HTTP/1.1 200 OK\rContent-Length: 15\r\r{\"status\":\"ok\"}";
    let observed =
        read(&["listening\t8001", &format!("answer\t8001\t{said}"), "listening\t8000", "answer\t8000\tSSH-2.0"]);
    assert_eq!(observed.listening.len(), 2);
    let answers: Vec<(Slot, u16, &str)> =
        observed.answers.iter().map(|(slot, answer)| (*slot, answer.status, answer.body.as_str())).collect();
    assert_eq!(answers, [(Slot::Green, 200, r#"{"status":"ok"}"#)]);
}

#[test]
fn a_release_whose_file_an_accessory_has_mounted_is_known() {
    let mounts = r#"[{"Source":"/srv/shop/releases/20260131-174502-1a2b3c4/prometheus.yml"},{"Source":"/etc/hosts"}]"#;
    let observed = read(&[&container("prometheus", "exited", &labels(&[]), "{}", mounts)]);
    assert_eq!(observed.mounted.iter().map(ReleaseId::as_str).collect::<Vec<_>>(), ["20260131-174502-1a2b3c4"]);
}

#[test]
fn releases_that_served_come_latest_first_and_other_folders_are_left_alone() {
    let observed = read(&[
        "release\t20260131-174502-1a2b3c4\tsum\tsum2\t100\tshop-web\\nshop-mailer\\n\tweb\\tr/web:1\\tr/web@sha256:1\\tthere\\n\t\tA=1\\nB=\\\\x\\ty\tkey 3\\nabc",
        "release\t20260131-174503-1a2b3c4\tsum\t\t\t\t\t\t\t",
        "release\t20260131-174504-1a2b3c4\tsum\t\t50\t\t\t\t\t",
        "release\t2026-notes\tsum\t\t1\t\t\t\t\t",
    ]);
    let good: Vec<&str> = observed.known_good_releases().into_iter().map(|release| release.id.as_str()).collect();
    assert_eq!(good, ["20260131-174502-1a2b3c4", "20260131-174504-1a2b3c4"]);
    assert_eq!(observed.releases.len(), 3);
    assert_eq!(observed.releases[0].built, ["shop-web", "shop-mailer"]);
    let (reference, digest) = ("r/web:1".to_owned(), "r/web@sha256:1".to_owned());
    assert_eq!(observed.releases[0].pulled, [PulledImage { reference, digest, is_there: true }]);
    assert_eq!(observed.releases[0].env.expose(), b"A=1\nB=\\x\ty");
    assert_eq!(
        (observed.releases[0].files_sum.as_str(), observed.releases[0].files.expose()),
        ("sum2", &b"key 3\nabc"[..])
    );
}

#[test]
fn a_report_that_is_cut_short_or_garbled_is_refused() {
    assert!(parse("live\tgreen\n", &config()).is_err());
    assert!(parse("live\tgreen\nwhat is this\nend\n", &config()).is_err());
    assert!(parse("container\tx\nend\n", &config()).is_err());
    assert!(parse("disk-free\tmuch\t/\nend\n", &config()).is_err());
}

proptest::proptest! {
    #[test]
    fn no_report_makes_it_panic(text in "([a-z-]{0,10}\t[^\n]{0,40}\n){0,6}") {
        drop(parse(&format!("{text}end\n"), &config()));
    }
}

#[test]
fn what_a_version_takes_and_what_there_is_of_it_are_read() {
    let observed = read(&[
        "user\tdeploy",
        "unwritable\t/srv/shop/live",
        "disk-free\t1000\t/",
        "docker-disk-free\t2000\t/var/lib/docker",
        "memory-free\t3000",
        "memory-free\t4000",
        "memory\tid-green\t500",
        // Two releases that are the same have one image.
        "image\t230000000\t[\"shop-web:20260131-174502-1a2b3c4\",\"shop-web:20260131-174503-1a2b3c4\"]",
    ]);
    assert_eq!((observed.disk_free, observed.capacity.releases_place.as_str()), (1000, "/"));
    assert_eq!(observed.capacity.docker_disk, Some((2000, "/var/lib/docker".to_owned())));
    assert_eq!((observed.capacity.memory_free, observed.capacity.memory_used["id-green"]), (Some(7000), 500));
    assert_eq!((observed.unwritable, observed.user.as_str()), (vec!["/srv/shop/live".to_owned()], "deploy"));
    assert_eq!(observed.images.len(), 2);
    assert_eq!(observed.images["shop-web:20260131-174503-1a2b3c4"], 230_000_000);
}

#[test]
fn a_cache_of_lookups_counts_where_neither_the_site_nor_its_include_turns_it_off() {
    let cache = "file-cache\t/etc/nginx/nginx.conf: open_file_cache max=1000 inactive=20s";
    let site = "site\tserver { include snippets/shop-switch.conf; proxy_pass http://$shop_backend; }";
    let on = read(&[
        cache,
        site,
        "included\t/etc/nginx/snippets/shop-switch.conf\tset $shop_backend shop_backend_blue;\r# open_file_cache off;",
    ]);
    assert_eq!((on.file_cache.is_some(), on.lookups_uncached), (true, false));
    assert!(
        read(&[
            cache,
            site,
            "included\t/etc/nginx/snippets/shop-switch.conf\topen_file_cache  off;\rset $shop_backend x;"
        ])
        .lookups_uncached
    );
    assert_eq!(read(&["file-cache\t"]).file_cache, None);
}

/// What comes after the headers is nothing, so the field ends with line ends.
#[test]
fn an_answer_without_a_body_is_one() {
    let head = "HTTP/1.1 204 No Content\rX-App: up\r\r";
    let observed = read(&[&format!("site-answer\t{head}"), &format!("answer\t8000\t{head}")]);
    assert_eq!(observed.site.map(|answer| answer.status), Some(204));
    assert_eq!(observed.answers[&Slot::Blue].status, 204);
}

/// Workers and accessories: how they do, and whether they are still what the compose file says.
#[test]
fn what_is_not_well_beside_the_slots_is_told() {
    let other = |service: &'static str, project: &'static str, definition: &'static str| {
        labels(&[
            (PROJECT, "shop"),
            (FOLDER, "/srv/shop"),
            (4, definition),
            (COMPOSE_PROJECT, project),
            (SERVICE, service),
        ])
    };
    let worker = container("bot", "restarting", &other("mailer", "shop-workers", ""), "{}", "[]")
        .replace("\thealthy\t0\t", "\t\t7\t");
    let sick =
        container("db", "running", &other("db", "shop", "aa"), "{}", "[]").replace("\thealthy\t", "\tunhealthy\t");
    let well = container("cache", "running", &other("cache", "shop", "bb"), "{}", "[]");
    let observed = read(&[&worker, &sick, &well]);
    assert_eq!(observed.unwell(true), ["the worker mailer (bot) does not keep running: 7 restarts, last exit code 0"]);
    assert_eq!(observed.unwell(false), ["the accessory db (db) is unhealthy"]);
    let definitions = |db: &str, cache: &str| {
        BTreeMap::from([("db".to_owned(), db.to_owned()), ("cache".to_owned(), cache.to_owned())])
    };
    let told = observed.of_accessories(&definitions("aa", "changed"));
    assert!(told[0].contains("the accessory cache runs as an earlier compose file defines it"), "{told:?}");
    assert_eq!(observed.of_accessories(&definitions("aa", "bb")).len(), 1, "the one that is unhealthy");
}
