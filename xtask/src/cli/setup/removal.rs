//! `cargo xtask setup --remove`.

use anyhow::Result;

use super::Setup;
use crate::io::console;
use crate::io::host::admin::Admin;
use crate::rules::config::Config;
use crate::run::removal;
use crate::run::setup;

impl Setup {
    pub(super) fn take_away(&self, config: &Config, admin: &str, user: &str) -> Result<()> {
        let key = setup::known_key(config)?.map_or(String::new(), |key| key.public);
        let prepared = removal::prepare(config, Admin::connect(admin, self.admin_port)?, user, &key)?;
        let name = &config.environment.name;
        if prepared.plan.is_empty() {
            console::result(&format!("{admin} has nothing of {} ({name})", config.project.name));
            return Ok(());
        }
        console::result(&prepared.plan.describe(admin, user));
        self.confirm()?;
        removal::carry_out(config, user, &prepared)?;
        console::result(&format!(
            "\n{} ({name}) is taken away from {admin}. Requests for {} are answered by the first site that nginx has, as long as DNS leads them there. \
             Here is left what led there, .deploy/keys/{name}*, and at GitHub the secrets of its environment {name}",
            config.project.name, config.environment.url.host
        ));
        Ok(())
    }
}
