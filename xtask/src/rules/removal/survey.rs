//! What a server says it has of an environment: the words of `scripts/removal_survey.sh`.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::host::observed::unescaped;

/// A file of the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFile {
    /// Where it leads, if it is a link.
    pub link: String,
    /// At most 64 KiB of it.
    pub content: String,
    /// It is a link that leads nowhere.
    pub is_gone: bool,
}

/// A container that this tool has started.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedContainer {
    pub service: String,
    /// As docker calls it: `running`, `exited`.
    pub state: String,
}

/// The user that deploys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    /// What `passwd` says of it.
    pub comment: String,
    pub home: String,
    pub has_key: bool,
    /// The key is in a line that `setup` did not write.
    pub has_key_otherwise: bool,
    /// Files in its home that neither a new user has nor this tool made.
    pub in_home: Vec<String>,
    /// Programs that run as it.
    pub runs: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// The environment's folder, where it really is.
    pub folder: String,
    pub has_folder: bool,
    pub is_locked: bool,
    pub has_docker_program: bool,
    /// It answers the user that deploys.
    pub has_docker: bool,
    /// Containers of others run or lie there.
    pub has_foreign_containers: bool,
    pub user: Option<User>,
    pub releases: Vec<String>,
    pub containers: Vec<ManagedContainer>,
    /// Services of the compose project that somebody else has started.
    pub unmanaged: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Other environments of this tool.
    pub others: BTreeSet<String>,
    files: BTreeMap<String, ServerFile>,
}

impl Survey {
    /// `None`: it breaks off.
    pub fn parse(text: &str) -> Option<Survey> {
        let mut survey = Survey::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let field = |number: usize| fields.get(number).copied().unwrap_or_default().to_owned();
            match fields[0] {
                "end" => return Some(survey),
                "folder" => survey.folder = field(1),
                "file" => {
                    let file =
                        ServerFile { link: field(2), content: unescaped(&field(3)), is_gone: field(4) == "gone" };
                    survey.files.insert(field(1), file);
                }
                "other" => drop(survey.others.insert(field(1))),
                "has" if field(1) == "folder" => survey.has_folder = true,
                "has" if field(1) == "lock" => survey.is_locked = true,
                "has" if field(1) == "docker-program" => survey.has_docker_program = true,
                "foreign" => survey.has_foreign_containers = true,
                "has" if field(1) == "docker" => survey.has_docker = true,
                "release" => survey.releases.push(field(1)),
                "container" => survey.containers.push(ManagedContainer { service: field(1), state: field(2) }),
                "unmanaged" => drop(survey.unmanaged.insert(field(1))),
                "volume" => drop(survey.volumes.insert(field(1))),
                "user" => survey.user = Some(User { comment: field(1), home: field(2), ..User::default() }),
                of_user => survey.add_of_user(of_user, field(1)),
            }
        }
        None
    }

    fn add_of_user(&mut self, fact: &str, value: String) {
        let Some(user) = &mut self.user else { return };
        match fact {
            "key" => user.has_key = true,
            "key-otherwise" => user.has_key_otherwise = true,
            "in-home" => user.in_home.push(value),
            "runs-as" => user.runs.push(value),
            _ => {}
        }
    }

    /// `kind`: `upstream`, `include`, `static`, `site`, `sudo` or `limits`.
    pub fn file(&self, kind: &str) -> Option<&ServerFile> {
        self.files.get(kind)
    }
}
