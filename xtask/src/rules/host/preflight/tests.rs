//! Hosts on which something is wrong, without any host.

use std::collections::BTreeMap;

use super::*;
use crate::rules::host::observed::Ports;
use crate::rules::release::Slot;
use crate::rules::secret::Secret;
use crate::testing::fixtures::{config, container, foreign, release, server};

/// What is told of it, in one text; the host itself must be refused for it.
fn told(observed: &Observed) -> String {
    let error = host(&config(), observed, capacity(&config(), observed, &release(9))).unwrap_err();
    assert_eq!(Kind::of(&error), Some(Kind::Preflight), "{error:#}");
    format!("{error:#}")
}

fn fits(observed: &Observed) -> bool {
    host(&config(), observed, capacity(&config(), observed, &release(9))).is_ok()
}

fn reloading() -> Observed {
    Observed { switching: Some(SwitchMode::Reload), ..server(Slot::Blue, 2) }
}

#[test]
fn an_upstream_file_that_is_read_twice_is_told_with_the_line_to_remove() {
    let of = |problem: &str| Observed { nginx_problem: Some(problem.to_owned()), ..reloading() };
    let ours = of("nginx: [emerg] duplicate upstream \"backend\" in /etc/nginx/conf.d/x.conf:2");
    let nginx = config().environment.nginx;
    assert_eq!(nginx.upstream, "shop_backend");
    assert!(told(&ours).contains("fix what it names"), "an upstream of another site was taken for ours");
    let ours = of("nginx: [emerg] duplicate upstream \"shop_backend\" in /etc/nginx/conf.d/x.conf:2");
    let text = told(&ours);
    for part in ["Remove the line that includes it", &nginx.site_file, &nginx.upstream_file] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    // Where nothing is reloaded, that is not in the way.
    assert!(fits(&Observed { switching: Some(SwitchMode::Instant), ..ours }));
}

#[test]
fn an_upstream_file_that_somebody_spoiled_is_written_anew_by_the_deploy() {
    let file = config().environment.nginx.upstream_file;
    let problem = format!("nginx: [emerg] unknown directive \"nonsense\" in {file}:1");
    let spoiled = Observed { nginx_problem: Some(problem), configured_slot: None, ..reloading() };
    assert!(fits(&spoiled));
    let plan =
        crate::rules::plan::deploy(&config(), &spoiled, &release(9), crate::rules::plan::TestStage::Skip).unwrap();
    assert!(
        plan.steps.contains(&crate::rules::plan::step::Step::AlignUpstream { live: Slot::Blue }),
        "{}",
        plan.describe()
    );
    // Where nginx does not say what it obeys, there is nothing to write.
    assert!(
        told(&Observed { running_slot: None, configured_slot: Some(Slot::Blue), ..spoiled })
            .contains("fix what it names")
    );
}

#[test]
fn a_site_over_tls_is_asked_with_what_the_host_has_for_it() {
    let mut config = config();
    config.environment.url.tls = true;
    let ready = server(Slot::Blue, 2);
    let bare = Observed { curl: false, ..ready.clone() };
    let text = format!("{:#}", host(&config, &bare, Vec::new()).unwrap_err());
    assert!(text.contains("curl is not on the host") && text.contains("apt-get install curl"), "{text}");
    assert!(host(&config, &ready, Vec::new()).is_ok());
}

#[test]
fn remembered_lookups_are_in_the_way_of_the_flag_only_and_where_nothing_turns_them_off() {
    let line = "/etc/nginx/nginx.conf:open_file_cache max=1000".to_owned();
    let cached = Observed { file_cache: Some(line.clone()), ..server(Slot::Blue, 2) };
    let text = told(&cached);
    assert!(text.contains(&line) && text.contains("`open_file_cache off;`"), "{text}");
    assert!(fits(&Observed { lookups_uncached: true, ..cached.clone() }));
    assert!(fits(&Observed { switching: Some(SwitchMode::Reload), ..cached }));
}

#[test]
fn what_is_not_writable_is_told_with_its_place_and_for_whom() {
    let place = "/srv/shop/live".to_owned();
    let closed = Observed { unwritable: vec![place.clone()], user: "deploy".to_owned(), ..reloading() };
    let text = told(&Observed { unwritable_upstream: Some(place.clone()), ..closed.clone() });
    assert_eq!(text.matches("/srv/shop/live is not writable for deploy").count(), 1, "{text}");
    let upstream = Observed { unwritable_upstream: Some("/etc/nginx/conf.d".to_owned()), ..reloading() };
    assert!(told(&upstream).contains("/etc/nginx/conf.d is not writable"));
    // The instant mode never writes there.
    assert!(fits(&Observed { switching: Some(SwitchMode::Instant), ..upstream }));
}

#[test]
fn a_port_of_the_live_slot_is_nobodys_business_and_one_of_the_free_slot_is_told() {
    let listening = |slot: Slot| Observed { listening: [slot].into(), ..server(Slot::Blue, 2) };
    assert!(fits(&listening(Slot::Blue)));
    let text = told(&listening(Slot::Green));
    assert!(text.contains("port 8001 of the free slot green") && text.contains("ss -ltnp"), "{text}");
    let foreign = Observed { foreign: vec![foreign(Slot::Green, "grafana")], ..server(Slot::Blue, 2) };
    assert!(told(&foreign).contains("the container grafana, which does not belong"));
}

/// Blue is live and has an image of 200 MB.
fn with_room(disk: u64, docker_disk: Option<(u64, &str)>) -> Observed {
    let mut observed = Observed { disk_free: disk, ..server(Slot::Blue, 2) };
    observed.capacity.releases_place = "/".to_owned();
    observed.capacity.docker_disk = docker_disk.map(|(free, place)| (free, place.to_owned()));
    observed.images = BTreeMap::from([(format!("shop-web:{}", release(2)), 200_000_000)]);
    observed
}

#[test]
fn a_disk_must_hold_a_release_and_an_image_like_the_live_one() {
    assert!(fits(&with_room(300_000_000, Some((300_000_000, "/")))));
    let text = told(&with_room(299_000_000, Some((299_000_000, "/"))));
    for part in ["the disk at / has 299 MB free", "may take 300 MB", "200 MB for an image", "docker builder prune"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(text.matches("the disk at").count(), 1, "{text}");

    assert!(fits(&with_room(100_000_000, Some((200_000_000, "/data")))));
    let text = told(&with_room(99_000_000, Some((199_000_000, "/data"))));
    assert!(text.contains("at / has 99 MB free") && text.contains("at /data has 199 MB free"), "{text}");

    // What is built already takes nothing, and a disk of which nothing is known is not in the way.
    let mut built = with_room(100_000_000, Some((0, "/data")));
    built.images.insert(format!("shop-web:{}", release(9)), 0);
    assert!(fits(&built));
    assert!(fits(&with_room(300_000_000, None)));
}

#[test]
fn memory_must_hold_a_second_version_and_a_way_back_is_not_held_up() {
    let with = |free: Option<u64>, used: u64| {
        let mut observed = server(Slot::Blue, 2);
        observed.capacity.memory_free = free;
        observed.capacity.memory_used = BTreeMap::from([(container(Slot::Blue, 2, "running").id, used)]);
        observed
    };
    assert!(fits(&with(Some(110_000_000), 100_000_000)));
    assert!(fits(&with(None, u64::MAX)));
    let narrow = with(Some(109_000_000), 100_000_000);
    let text = told(&narrow);
    for part in ["109 MB of memory is available", "uses 100 MB", "about 110 MB", "swap", "cargo xtask rollback"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(crate::rules::plan::rollback(&config(), &narrow, &release(1)).is_ok());
    assert!(!fits(&with(Some(0), 1)));
    assert!(fits(&server(Slot::Blue, 2)), "nothing is known of its memory");
}

#[test]
fn all_that_is_in_the_way_is_told_at_once() {
    let mut bad = with_room(0, None);
    bad.docker_problem = Some("Cannot connect".to_owned());
    bad.nginx_running = false;
    let text = told(&bad);
    assert!(text.contains("nothing was touched"), "{text}");
    for part in ["docker does not answer (Cannot connect)", "nginx does not run", "the disk at"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn podman_is_refused_by_its_name() {
    let mut podman = server(Slot::Blue, 2);
    podman.podman = true;
    let text = told(&podman);
    assert!(
        text.contains("is Podman, which this tool does not support") && text.contains("nothing was touched"),
        "{text}"
    );
}

/// What is another environment's, project's or clone's is told with whose it is and what to set.
#[test]
fn what_is_not_this_environment_s_is_in_the_way() {
    let base = || server(Slot::Blue, 2);
    let namesake = Observed { namesakes: vec![("shop-api-1".into(), "/srv/other".into())], ..base() };
    assert!(told(&namesake).contains("the name shop is taken") && told(&namesake).contains("/srv/other"));
    let tenant = Observed { tenants: vec![("x_web_1".into(), "shop-backend".into())], ..base() };
    assert!(told(&tenant).contains("set the name to \"shop-backend\""));
    let mut publisher = foreign(Slot::Blue, "shop-backend-api-1");
    publisher.compose_project = Some("shop-backend".to_owned());
    let mut clone = foreign(Slot::Blue, "shop-api-1");
    clone.compose_project = Some("shop-blue".to_owned());
    let clone = Observed { foreign: vec![clone], containers: Vec::new(), releases: Vec::new(), ..base() };
    assert!(told(&clone).contains("give this environment a name of its own"), "{}", told(&clone));
    let publisher = Observed { foreign: vec![publisher], containers: Vec::new(), releases: Vec::new(), ..base() };
    let text = told(&publisher);
    assert!(
        text.contains("published by the container shop-backend-api-1 of the compose project shop-backend"),
        "{text}"
    );
    let volumes = |volumes: &[(&str, &str)]| Observed {
        folder: "/srv/shop-backend".to_owned(),
        volumes: volumes.iter().map(|(project, name)| ((*project).to_owned(), (*name).to_owned())).collect(),
        ..base()
    };
    assert!(told(&volumes(&[("shop-backend", "shop-backend_data")])).contains("new and empty ones"));
    assert!(fits(&volumes(&[("shop-backend", "shop-backend_data"), ("shop", "shop_data")])), "its own are there too");
    assert!(fits(&volumes(&[("blog", "blog_data")])));
}

/// Where nginx's answer, its files and ours disagree in a way that no crash of ours explains, nothing is touched.
#[test]
fn an_nginx_that_speaks_for_another_is_not_listened_to() {
    let says = |said: &str, running_slot: Option<Slot>, configured_slot: Slot| Observed {
        said: Some(said.to_owned()),
        running_slot,
        configured_slot: Some(configured_slot),
        ports: Some(Ports { slots: crate::rules::config::Slots::default(), live: 8002, further: BTreeMap::new() }),
        ..server(Slot::Blue, 2)
    };
    assert!(fits(&says("shop blue", Some(Slot::Blue), Slot::Blue)));
    assert!(told(&says("blog blue", None, Slot::Blue)).contains("answered \"blog blue\""));
    assert!(told(&says("blue", None, Slot::Blue)).contains("earlier version of this tool"));
    // In instant mode nginx looks at each request, so what it says and the flag are one.
    assert!(told(&says("shop blue", Some(Slot::Blue), Slot::Green)).contains("the flag in /srv/shop/live says green"));
    let elsewhere = Observed { flag_elsewhere: Some("/srv/blog/live/green".into()), ..server(Slot::Blue, 2) };
    assert!(told(&elsewhere).contains("looks for the flag /srv/blog/live/green"));
    // Before the first set-up, the port may be answered for somebody else: that is no business of ours.
    let by_hand = Observed { ports: None, ..says("blog blue", None, Slot::Blue) };
    assert!(fits(&by_hand));
}

/// `slots` was changed in deploy.toml, or the file of nginx by hand, while a slot serves.
#[test]
fn the_port_of_what_serves_stays() {
    let on = |port: u16| {
        let mut observed = server(Slot::Blue, 2);
        observed
            .containers
            .iter_mut()
            .filter(|container| container.slot == Slot::Blue)
            .for_each(|container| container.ports = vec![port]);
        observed
    };
    assert!(fits(&on(8000)));
    let text = told(&on(8010));
    for part in
        ["slot blue serves on port 8010", "its port would be 8000", "shop_backend_blue", "server 127.0.0.1:8010;"]
    {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let mut given = config();
    given.fixed.slots = true;
    let text = format!("{:#}", host(&given, &on(8010), Vec::new()).unwrap_err());
    assert!(text.contains("set it to 8010 (`slots` in deploy.toml)"), "{text}");
    // Of the slot that is free, nobody is served.
    let mut free = server(Slot::Blue, 2);
    free.containers
        .push(crate::rules::host::observed::Container { ports: vec![9000], ..container(Slot::Green, 1, "running") });
    assert!(fits(&free));
}

#[test]
fn a_site_that_could_not_be_verified_is_told_before_the_first_step() {
    let answer = |status, body: &str| crate::rules::health::Answer::new(status, body);
    let site = |answer| Observed { site: answer, ..server(Slot::Blue, 2) };
    assert!(told(&site(None)).contains("does not answer on the host"));
    assert!(told(&site(Some(answer(403, "")))).contains("gives status 403"));
    let limited = "<html><hr><center>nginx/1.22.1</center></html>";
    assert!(fits(&site(Some(answer(503, limited)))), "a limit of the site says nothing");
    // A version that is not well itself is what the deploy is to mend.
    let broken = BTreeMap::from([(Slot::Blue, answer(500, ""))]);
    assert!(fits(&Observed { answers: broken, ..site(Some(answer(500, ""))) }));
    let nobody = Observed {
        answers: BTreeMap::new(),
        listening: Default::default(),
        containers: Vec::new(),
        releases: Default::default(),
        ..site(None)
    };
    assert!(fits(&Observed { site: Some(answer(502, limited)), ..nobody.clone() }));
    assert!(told(&Observed { site: Some(answer(404, limited)), ..nobody }).contains("does not lead to the slots"));
}

#[test]
fn a_way_back_that_is_not_ready_is_told_before_a_deploy() {
    let mut observed = server(Slot::Blue, 2);
    let told = |observed: &Observed| way_back(observed).unwrap_or_default();
    assert!(told(&observed).contains("not all of its images"), "{}", told(&observed));
    observed.images.insert(format!("shop-web:{}", release(2)), 1);
    assert_eq!(way_back(&observed), None);
    observed.releases[1].settings = None;
    assert!(told(&observed).contains("another version of this tool"));
    observed.releases.pop();
    assert!(told(&observed).contains("not on the host any more"));
    assert_eq!(way_back(&Observed::default()), None);
}

#[test]
fn a_variable_that_the_next_version_lacks_is_named_without_its_value() {
    let mut observed = server(Slot::Blue, 2);
    observed.releases[1].env = Secret::new("TOKEN=hunter2\nMOTTO=hunter3\n");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let told = lost_variables(&observed, &names(&["TOKEN", "NEW"])).unwrap();
    assert!(told.ends_with(": MOTTO") && !told.contains("hunter"), "{told}");
    assert_eq!(lost_variables(&observed, &names(&["TOKEN", "MOTTO"])), None);
    assert_eq!(lost_variables(&Observed::default(), &names(&[])), None);
}
