//! A review as a person reads it.

use std::collections::BTreeMap;

use super::*;
use crate::rules::config::Slots;
use crate::rules::engine::compose::Commit;
use crate::rules::release::Slot;
use crate::testing::fixtures::release;

fn of(config: &str) -> Review {
    let (release, commit) = (release(1), Commit::new([]));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let (workers, none) = (words(&["mailer"]), Vec::new());
    let input = RenderInput {
        project: "shop",
        production: "shop",
        folder: "/srv/shop",
        web: "web",
        more_webs: &[],
        workers: &workers,
        off: &[],
        declared_accessories: &none,
        shared: &none,
        web_port: 8000,
        release: &release,
        slot: Slot::Blue,
        slots: Slots::default(),
        nginx_ports: &[80, 443],
        images: &BTreeMap::new(),
        commit: &commit,
        processors: &std::collections::BTreeSet::new(),
        found: &BTreeMap::new(),
        profiles: Some(""),
    };
    review(config, &input).unwrap()
}

const SERVICES: &str = "services:
  web: {build: {context: /srv/shop/releases/20260131-174501-1a2b3c4}, container_name: shop, ports: ['8000:8000', '9000:9000'], restart: always, depends_on: [db]}
  mailer: {build: {context: /srv/shop/releases/20260131-174501-1a2b3c4}, command: [mail]}
  db: {image: 'postgres:16', restart: always, depends_on: {init: {condition: service_completed_successfully}}}
  init: {image: busybox}
  adminer: {image: adminer, profiles: [tools]}
";

#[test]
fn a_project_that_can_be_deployed_reads_like_this() {
    let review = of(SERVICES);
    assert_eq!(review.refusals(), 0);
    insta::assert_snapshot!("deployable", review.describe());
}

#[test]
fn all_that_is_refused_is_told_beside_its_service() {
    let review = of(&SERVICES
        .replace("container_name: shop", "network_mode: host, scale: 2")
        .replace("image: busybox", "image: busybox, links: [web]")
        .replace("image: 'postgres:16'", "image: nginx, ports: ['80:80']"));
    assert!(review.refusals() >= 4, "{}", review.describe());
    insta::assert_snapshot!("refused", review.describe());
}

#[test]
fn a_service_that_is_not_there_is_named_with_those_that_are() {
    let review = of(&SERVICES.replace("  mailer:", "  posting:"));
    assert_eq!(review.refusals(), 1);
    assert!(review.refused[0].contains("there is no service `mailer`") && review.refused[0].contains("posting"));
    assert_eq!(review.services.iter().map(|service| service.role).collect::<Vec<Role>>(), [Role::Off]);
}
