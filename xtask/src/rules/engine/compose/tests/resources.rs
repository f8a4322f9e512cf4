//! Networks and volumes: those that are made, and those of others.

use super::{rendered, with};

/// What only web and workers use is made by docker itself, with all that the compose file says of it.
#[test]
fn every_option_of_a_network_and_a_volume_is_passed_on() {
    let resources = "networks: {own: {driver: macvlan, driver_opts: {parent: eth0}, attachable: true, enable_ipv6: true, internal: true, \
                     labels: [a=b, c], ipam: {driver: default, options: {x: y}, config: [{subnet: 10.1.0.0/16, gateway: 10.1.0.1, \
                     ip_range: 10.1.2.0/24, aux_addresses: {host: 10.1.0.2}}]}}}\n\
                     volumes: {media: {driver: local, driver_opts: {type: nfs, o: addr=10.2.3.4, device: ':/media'}, labels: {of: us}}}";
    let config = format!(
        "services:\n  api: {{image: x, networks: [own, default], volumes: ['media:/media']}}\n  scheduler: {{image: x}}\n  scraper: {{image: x}}\n{resources}"
    );
    let files = rendered(&config).unwrap();
    let made = files.made.iter().flat_map(|made| &made.options).cloned().collect::<Vec<String>>().join(" ");
    for part in [
        "macvlan",
        "parent=eth0",
        "--attachable",
        "--ipv6",
        "--internal",
        "a=b",
        "--ipam-driver",
        "x=y",
        "10.1.0.0/16",
        "10.1.0.1",
        "10.1.2.0/24",
        "host=10.1.0.2",
        "type=nfs",
        "addr=10.2.3.4",
        "device=:/media",
        "of=us",
        "--driver",
    ] {
        assert!(made.contains(part), "{part} is not in {made}");
    }
}

#[test]
fn what_others_make_is_known_by_its_name() {
    let resources = "networks: {outer: {external: true, name: proxy}, own: {}}\nvolumes: {media: {external: true}}";
    let files =
        with(&format!("db: {{image: y, networks: [outer, own], volumes: ['media:/media']}}\n{resources}")).unwrap();
    let external = files.resources.iter().filter(|(kind, _)| kind.starts_with("external"));
    let external: Vec<(&str, &str)> = external.map(|(kind, name)| (kind.as_str(), name.as_str())).collect();
    assert_eq!(external, [("external-network", "proxy"), ("external-volume", "media")]);
}
