//! What an administrator's ssh runs on a server that is set up, each a text for bash.

use super::text::plain;

/// Prints what the server is. Arguments: the user, the key, the site's file, the environment's folder.
pub const SURVEY: &str = plain!("fact.sh", "survey.sh");
/// Arguments: `yes` where docker's logs are to be limited, then packages.
pub const PACKAGES: &str = plain!("setup_packages.sh");
/// Arguments: the user, a line of `authorized_keys`.
pub const USER: &str = plain!("setup_user.sh");
/// Arguments: the site's name, an address for its letters.
pub const CERTIFICATE: &str = plain!("setup_certificate.sh");
