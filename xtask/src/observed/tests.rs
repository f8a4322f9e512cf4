//! Reports as `inspect.sh` prints them, and what is read from them.

use super::*;
use crate::plan::tests::config;

fn read(lines: &[&str]) -> Observed {
    parse(&format!("{}\nend\n", lines.join("\n")), &config()).unwrap()
}

fn container(name: &str, status: &str, labels: &str, ports: &str, mounts: &str) -> String {
    format!("container\tid-{name}\t/{name}\t{status}\thealthy\t0\t2026-01-31T17:45:02Z\t{labels}\t{ports}\t{mounts}")
}

const OURS: &str = r#"{"deploy.project":"shop","deploy.slot":"green","deploy.release":"20260131-174502-1a2b3c4","com.docker.compose.project":"shop-green","com.docker.compose.oneoff":"False"}"#;
const ON_8001: &str = r#"{"8000/tcp":[{"HostIp":"127.0.0.1","HostPort":"8001"}]}"#;

#[test]
fn nginx_is_believed_before_its_file() {
    let site = "site\tserver {\r  location / { proxy_pass http://shop_backend; }\r}";
    let upstream = "upstream\tupstream shop_backend {\r  server 127.0.0.1:8000;\r}";
    let running = read(&["live\tgreen", upstream, site, "nginx\trunning"]);
    assert_eq!((running.answered, running.filed), (Some(Slot::Green), Some(Slot::Blue)));
    assert_eq!((running.switching, running.live()), (Some(Switching::Reload), Some(Slot::Green)));
    let stopped = read(&["live\t", upstream, site]);
    assert_eq!((stopped.nginx_running, stopped.live()), (false, Some(Slot::Blue)));
    let instant = read(&["live\t", "flag\tgreen", "site\tlocation / { proxy_pass http://$shop_backend; }"]);
    assert_eq!((instant.switching, instant.live()), (Some(Switching::Instant), Some(Slot::Green)));
}

#[test]
fn a_slot_is_read_from_its_containers_labels() {
    let slot = container("shop-green", "running", OURS, ON_8001, "[]");
    let hook = container("hook", "running", &OURS.replace("False", "True"), "{}", "[]");
    let observed = read(&["live\tgreen", &slot, &hook]);
    assert_eq!(observed.containers.len(), 1, "a hook's container was taken for a slot's");
    assert_eq!(observed.live_release().map(ReleaseId::as_str), Some("20260131-174502-1a2b3c4"));
}

#[test]
fn a_container_of_before_the_first_deploy_is_told_from_a_strangers() {
    let before = r#"{"com.docker.compose.project":"shop","com.docker.compose.service":"web"}"#;
    let observed = read(&[&container("shop_web_1", "running", before, ON_8001, "null")]);
    assert_eq!(observed.occupant(Slot::Green).map(|c| c.release.clone()), Some(None));
    let observed = read(&[&container("other", "running", "null", ON_8001, "null")]);
    assert_eq!((observed.containers.len(), observed.foreign), (0, vec![(Slot::Green, "other".to_owned())]));
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
    let observed = read(&[&container("prometheus", "exited", "{}", "{}", mounts)]);
    assert_eq!(observed.mounted.iter().map(ReleaseId::as_str).collect::<Vec<_>>(), ["20260131-174502-1a2b3c4"]);
}

#[test]
fn releases_that_served_come_latest_first_and_other_folders_are_left_alone() {
    let observed = read(&[
        "release\t20260131-174502-1a2b3c4\tsum\t100",
        "release\t20260131-174503-1a2b3c4\tsum\t",
        "release\t20260131-174504-1a2b3c4\tsum\t50",
        "release\t2026-notes\tsum\t1",
    ]);
    let good: Vec<&str> = observed.good_releases().into_iter().map(|release| release.id.as_str()).collect();
    assert_eq!(good, ["20260131-174502-1a2b3c4", "20260131-174504-1a2b3c4"]);
    assert_eq!(observed.releases.len(), 3);
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
    assert_eq!((observed.disk_free, observed.room.releases_place.as_str()), (1000, "/"));
    assert_eq!(observed.room.docker_disk, Some((2000, "/var/lib/docker".to_owned())));
    assert_eq!((observed.room.memory_free, observed.room.memory_used["id-green"]), (Some(7000), 500));
    assert_eq!((observed.unwritable, observed.user.as_str()), (vec!["/srv/shop/live".to_owned()], "deploy"));
    assert_eq!(observed.images.len(), 2);
    assert_eq!(observed.images["shop-web:20260131-174503-1a2b3c4"], 230_000_000);
}

#[test]
fn a_cache_of_lookups_counts_where_neither_the_site_nor_its_include_turns_it_off() {
    let cache = "file-cache\t/etc/nginx/nginx.conf: open_file_cache max=1000 inactive=20s";
    let site = "site\tserver { include snippets/shop-switch.conf; proxy_pass http://$shop_backend; }";
    let on = read(&[cache, site, "included\tset $shop_backend shop_backend_blue;\r# open_file_cache off;"]);
    assert_eq!((on.file_cache.is_some(), on.lookups_uncached), (true, false));
    assert!(read(&[cache, site, "included\topen_file_cache  off;\rset $shop_backend x;"]).lookups_uncached);
    assert_eq!(read(&["file-cache\t"]).file_cache, None);
}
