//! What `scripts/doctor.sh` printed. As with all that a host says, what is nothing that we know counts as not there.

use std::collections::BTreeMap;

/// Of a host, beside what a deploy looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Seconds since 1970 by its clock.
    pub time: Option<i64>,
    /// Of `system`, `docker` and `nginx`.
    pub versions: BTreeMap<String, String>,
    /// Whether a service starts with the machine, in systemd's word. Empty where systemd does not run.
    pub starts: BTreeMap<String, String>,
    /// What renews certificates.
    pub renewals: Vec<String>,
    /// Settings of sshd that are set.
    pub sshd: BTreeMap<String, String>,
    /// `None`: docker did not say.
    pub containers: Option<Vec<ContainerFacts>>,
    /// Other environments of this tool, by their folders: a name of each.
    pub environments: BTreeMap<String, String>,
    /// Compose projects that are none of its own: name and folder.
    pub projects: BTreeMap<String, String>,
    /// The files of the release that a rollback would go back to.
    pub rollback: Option<Files>,
}

/// How the files of a release are.
#[derive(Clone, Debug, PartialEq)]
pub enum Files {
    Whole,
    Gone,
    /// They could not be read in the time that there is for it.
    Late,
    /// Some of those that are not as they were shipped.
    Changed(String),
}

/// A container of the environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerFacts {
    pub name: String,
    /// What docker does when it ends, or the machine starts.
    pub restart: String,
    pub log_driver: String,
    /// How large its log grows; empty: without end.
    pub log_size: String,
    pub status: String,
}

/// Reads the facts, up to their `end`. `None`: they have none, so some are missing.
pub fn parse(text: &str) -> Option<Facts> {
    let mut facts = Facts::default();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let key = fields.next().unwrap_or_default();
        let fields: Vec<&str> = fields.collect();
        let pair = || Some((fields.first()?.to_string(), fields.get(1)?.to_string()));
        match key {
            "end" => return Some(facts),
            "time" => facts.time = fields.first().and_then(|seconds| seconds.parse().ok()),
            "version" => facts.versions.extend(pair().filter(|(_, version)| !version.is_empty())),
            "starts" => facts.starts.extend(pair()),
            "renewal" => facts.renewals.extend(fields.first().map(|name| (*name).to_owned())),
            "sshd" => facts.sshd.extend(pair()),
            "environment" => facts.environments.extend(pair().map(|(name, folder)| (folder, name))),
            "containers" => facts.containers = Some(Vec::new()),
            "rollback" => {
                facts.rollback = match fields.first().copied() {
                    Some("whole") => Some(Files::Whole),
                    Some("late") => Some(Files::Late),
                    Some("gone") => Some(Files::Gone),
                    Some("changed") => Some(Files::Changed(fields.get(1).copied().unwrap_or_default().to_owned())),
                    _ => None,
                }
            }
            "project" => facts.projects.extend(pair()),
            "container" => {
                let field = |number: usize| fields.get(number).copied().unwrap_or_default().to_owned();
                facts.containers.get_or_insert_default().push(ContainerFacts {
                    name: field(0),
                    restart: field(1),
                    log_driver: field(2),
                    log_size: field(3),
                    status: field(4),
                });
            }
            _ => {}
        }
    }
    None
}
