//! A connection that stays for a while after a command that only looked, for the next such command.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Route;
use crate::io::console;
use crate::io::local::package;
use crate::io::process::{self, Command};
use crate::rules::config::SshTarget;
use crate::rules::script::Input;
use crate::rules::secret::Secret;

/// Where it is found again: by all that makes it this connection, the key and the known hosts too.
pub struct Kept {
    target: SshTarget,
    /// The master's socket.
    pub control: PathBuf,
    /// How long it stays once nobody uses it.
    pub keep: Duration,
}

impl Kept {
    /// `own`: a folder of this user. `None`: there is no place for it that is this user's alone, which has been told.
    pub fn of(target: &SshTarget, route: &Route, keep: Duration, own: &Path) -> Option<Kept> {
        match folder(target, route, own) {
            Ok(folder) => Some(Kept { target: target.clone(), control: folder.join("control"), keep }),
            Err(error) => {
                console::warning(&format!("no connection is kept: {error:#}"));
                None
            }
        }
    }

    /// Whether a connection stands there. The socket of one that has died is taken away.
    pub fn stands(&self) -> bool {
        if !self.control.exists() {
            return false;
        }
        let (socket, host) = (self.control.display().to_string(), self.target.host.as_str());
        let check = ["ssh", "-F", "none", "-S", &socket, "-O", "check", "--", host].map(str::to_owned);
        let look = Command::new("look for a kept connection", check).within(Duration::from_secs(2));
        let stands = process::finish(&look).is_ok_and(|end| end.code == Some(0));
        if !stands {
            // Gone already is as good.
            let _gone = std::fs::remove_file(&self.control);
        }
        stands
    }
}

/// Nobody else may reach through the socket, nor put one of his own there.
fn folder(target: &SshTarget, route: &Route, own: &Path) -> anyhow::Result<PathBuf> {
    let parts = [target.user.as_str(), &target.host, target.known_hosts.as_deref().unwrap_or_default()];
    let port = target.port.to_string();
    let options = route.options();
    let text = parts.into_iter().chain([port.as_str()]).chain(options.iter().map(String::as_str));
    let mut known_by: Vec<u8> = text.flat_map(|part| [part.as_bytes(), b"\0"].concat()).collect();
    known_by.extend(target.key.expose());
    let name = package::sha256(Input::Secret(Secret::new(known_by)))?;
    let folder = super::place()?.join(format!("xtask-kept-{}", &name[..16]));
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => return Ok(folder),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => anyhow::bail!("making {}: {error}", folder.display()),
    }
    let (there, own) = (std::fs::symlink_metadata(&folder)?, std::fs::metadata(own)?);
    if !there.is_dir() || there.uid() != own.uid() || there.mode() & 0o777 != 0o700 {
        anyhow::bail!("{} is not a folder of this user alone; remove it", folder.display());
    }
    Ok(folder)
}
