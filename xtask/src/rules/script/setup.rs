//! What an administrator's ssh runs on a server that is set up, each a text for bash.

use super::text::{MINUTES, SHORT, changing, plain, script};
use super::{Script, shipping};
use crate::rules::config::Config;
use crate::rules::release::{self, ReleaseId};

/// Prints what the server is. Arguments: the user, the key and its line, the site's file, the environment's folder.
pub const SURVEY: &str = plain!("shared_constants.sh", "fact.sh", "survey.sh");
/// Arguments: docker's settings where it is to have some, or nothing; then packages.
pub const PACKAGES: &str = plain!("setup_packages.sh");
/// Arguments stand above it.
pub const USER: &str = plain!("shared_constants.sh", "setup_user.sh");
/// Arguments: the site's name, an address for its letters.
pub const CERTIFICATE: &str = plain!("setup_certificate.sh");

/// Prints what a server has of an environment. Arguments: its name and folder, the user, the key and its line, then the files of nginx (upstream,
/// include, static, site) and of sudo, the compose projects as one word.
pub const REMOVAL_SURVEY: &str = plain!("shared_constants.sh", "fact.sh", "removal_survey.sh");
/// Arguments stand above it.
pub const REMOVAL_NGINX: &str = plain!("shared_constants.sh", "plain_request.sh", "removal_nginx.sh");
/// Arguments stand above it.
pub const REMOVAL_ACCOUNT: &str = plain!("fact.sh", "removal_account.sh");

/// Ends all that runs of an environment. The user that deploys runs it.
pub fn removal_of_containers(config: &Config) -> Script {
    let arguments = [config.environment.folder.clone()].into_iter().chain(release::own_projects(&config.project.name));
    script("end what runs", changing!("removal_lock.sh", "removal_containers.sh"), MINUTES, arguments)
}

/// Removes all releases. The user that deploys runs it. An image of the newest removes what a container has written, so it goes last.
pub fn removal_of_releases(config: &Config, newest: &ReleaseId, releases: &[ReleaseId]) -> Script {
    let text = changing!("removal_lock.sh", "build_cache.sh", "prune.sh");
    Script { text, ..shipping::prune(config, newest, releases) }
}

/// Removes what the tool keeps of an environment beside releases. The user that deploys runs it.
pub fn removal_of_folder(config: &Config, releases: &[ReleaseId]) -> Script {
    let arguments = [config.environment.folder.clone()].into_iter().chain(releases.iter().map(ToString::to_string));
    script("empty the folder", changing!("removal_lock.sh", "removal_folder.sh"), SHORT, arguments)
}
