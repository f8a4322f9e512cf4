//! What becomes of each key of a compose service, by what the service is to a deploy. The table in docs/COMPOSE.md is this one;
//! a test holds them together.

use std::fmt;

/// What a deploy makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    Kept,
    /// How it is changed.
    Adapted(&'static str),
    /// Why it cannot be had.
    Refused(&'static str),
}

use Treatment::{Adapted, Kept, Refused};

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept => f.write_str("kept"),
            Adapted(how) => write!(f, "adapted: {how}"),
            Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

/// How a service is read follows from its own rules; this tells a reader, in the docs and in a review.
pub struct Key {
    pub name: &'static str,
    pub web: Treatment,
    pub worker: Treatment,
    pub accessory: Treatment,
}

const fn key(name: &'static str, web: Treatment, worker: Treatment, accessory: Treatment) -> Key {
    Key { name, web, worker, accessory }
}

const fn kept(name: &'static str) -> Key {
    key(name, Kept, Kept, Kept)
}

const ONE_IN_A_SLOT: Treatment = Refused("other than 1: a slot is one container on one port");
const OUT_OF_ITS_FILE: Treatment =
    Refused("`service:` and `container:`: the other one is not in its file, and is not the same in both slots");
const OF_THE_WEB: Treatment = Refused("`service:` of the web service or of a worker: they are replaced at each deploy");
const OF_ANOTHER_PROCESSOR: Treatment = Refused("one that the host cannot run");
const RESOLVED: Treatment = Adapted("resolved by compose before it is read");
const NOT_PULLED: Treatment = Adapted("left out where the image is built; else kept");

/// Every key of a service (compose-spec, "Services top-level element").
pub const KEYS: &[Key] = &[
    kept("annotations"),
    kept("attach"),
    kept("blkio_config"),
    key(
        "build",
        Adapted("built per release, without the `.env` in its context"),
        Adapted("as for the web service"),
        Adapted("built where its image is not there, without the `.env` in its context"),
    ),
    kept("cap_add"),
    kept("cap_drop"),
    kept("cgroup"),
    kept("cgroup_parent"),
    kept("command"),
    kept("configs"),
    key(
        "container_name",
        Adapted("left out: two versions run at once"),
        Adapted("left out"),
        Adapted("kept in `prod`; elsewhere a name on its networks alone: docker has it once on a host"),
    ),
    kept("cpu_count"),
    kept("cpu_percent"),
    kept("cpu_period"),
    kept("cpu_quota"),
    kept("cpu_rt_period"),
    kept("cpu_rt_runtime"),
    kept("cpu_shares"),
    kept("cpus"),
    kept("cpuset"),
    kept("credential_spec"),
    key(
        "depends_on",
        Adapted("kept among web services; else left out: accessories run and are healthy before"),
        Adapted("left out: the web service serves before"),
        Adapted("web and workers left out of it; a one-shot is waited for"),
    ),
    key("deploy", Adapted("kept; `replicas` must be 1"), Kept, Kept),
    kept("develop"),
    kept("device_cgroup_rules"),
    kept("devices"),
    kept("dns"),
    kept("dns_opt"),
    kept("dns_search"),
    kept("domainname"),
    kept("driver_opts"),
    kept("entrypoint"),
    key("env_file", RESOLVED, RESOLVED, RESOLVED),
    key("environment", Adapted("kept, and `RELEASE_ID`"), Adapted("kept, and `RELEASE_ID`"), Kept),
    kept("expose"),
    key("extends", RESOLVED, RESOLVED, RESOLVED),
    kept("external_links"),
    kept("extra_hosts"),
    kept("gpus"),
    kept("group_add"),
    kept("healthcheck"),
    key("hostname", Adapted("`-blue` or `-green` is added: docker makes a name of it"), Kept, Kept),
    key(
        "image",
        Adapted("a name of the release; where it is not built, it is pulled under its own"),
        Adapted("as for the web service"),
        Adapted("where it is built and has no name: of its definition"),
    ),
    kept("init"),
    key("ipc", OUT_OF_ITS_FILE, OUT_OF_ITS_FILE, OF_THE_WEB),
    kept("isolation"),
    key("label_file", RESOLVED, RESOLVED, RESOLVED),
    key(
        "labels",
        Adapted("kept, and those of the deploy"),
        Adapted("kept, and those of the deploy"),
        Adapted("kept, and those of the deploy"),
    ),
    key(
        "links",
        Adapted("left out; one that gives another name is refused"),
        Adapted("left out; one that gives another name is refused"),
        Adapted("kept; one to the web service or a worker is refused"),
    ),
    kept("logging"),
    key("mac_address", Adapted("left out: two versions run at once"), Kept, Kept),
    kept("mem_limit"),
    kept("mem_reservation"),
    kept("mem_swappiness"),
    kept("memswap_limit"),
    kept("models"),
    key(
        "network_mode",
        Refused("two versions are told apart by their networks"),
        Refused("it has to be on the network of its slot"),
        OF_THE_WEB,
    ),
    key(
        "networks",
        Adapted("kept, but for aliases and fixed addresses; and the slot's own, where it has its names"),
        Adapted("kept, and that of its slot"),
        Kept,
    ),
    kept("oom_kill_disable"),
    kept("oom_score_adj"),
    key("pid", OUT_OF_ITS_FILE, OUT_OF_ITS_FILE, OF_THE_WEB),
    kept("pids_limit"),
    key("platform", OF_ANOTHER_PROCESSOR, OF_ANOTHER_PROCESSOR, Kept),
    key(
        "ports",
        Adapted("`web_port` on the slot's port of the loopback; others are not published, and named"),
        Adapted("kept: the old one has gone before"),
        Adapted("kept; a slot's port, and 80 and 443 of a proxy, are refused"),
    ),
    kept("post_start"),
    kept("pre_stop"),
    kept("privileged"),
    key(
        "profiles",
        Adapted("taken for on"),
        Adapted("taken for on"),
        Adapted("a service whose profile is off is left alone"),
    ),
    key("provider", Refused("it is no container"), Refused("it is no container"), Kept),
    key(
        "pull_policy",
        Adapted("where the image is not built: pulled with each release, but with `never`"),
        Adapted("as for the web service"),
        NOT_PULLED,
    ),
    kept("read_only"),
    key(
        "restart",
        Adapted("`unless-stopped` where there is none: it has to be there after a reboot"),
        Adapted("`unless-stopped` where there is none"),
        Adapted("kept; named where there is none"),
    ),
    kept("runtime"),
    key("scale", ONE_IN_A_SLOT, Kept, Kept),
    kept("secrets"),
    kept("security_opt"),
    kept("shm_size"),
    kept("stdin_open"),
    kept("stop_grace_period"),
    kept("stop_signal"),
    kept("storage_opt"),
    kept("sysctls"),
    kept("tmpfs"),
    kept("tty"),
    kept("ulimits"),
    kept("use_api_socket"),
    kept("user"),
    kept("userns_mode"),
    kept("uts"),
    key(
        "volumes",
        Adapted("code from the release, data from `shared/`; a named volume over the image's code is refused"),
        Adapted("as for the web service"),
        Adapted("code from the release it was started with, data from `shared/`"),
    ),
    key(
        "volumes_from",
        Refused("name the volume or folder itself"),
        Refused("name the volume or folder itself"),
        OF_THE_WEB,
    ),
    kept("working_dir"),
];

/// Whether a key is one that the table tells of.
pub fn is_known(name: &str) -> bool {
    name.starts_with("x-") || KEYS.iter().any(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_docs_is_this_one() {
        let docs =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/COMPOSE.md")).split_once("## Keys").unwrap().1;
        for Key { name, web, worker, accessory } in KEYS {
            let row = format!("| `{name}` | {web} | {worker} | {accessory} |\n");
            assert!(docs.contains(&row), "docs/COMPOSE.md lacks the row\n{row}");
        }
        let rows = docs.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, KEYS.len(), "docs/COMPOSE.md has other rows too");
    }

    #[test]
    fn keys_are_sorted() {
        assert!(KEYS.is_sorted_by_key(|key| key.name));
    }
}
