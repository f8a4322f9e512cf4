//! Whether a deploy could be verified: the site is asked before the first step as it will be asked after the switch.

use crate::rules::config::{Config, NginxOwner};
use crate::rules::health;
use crate::rules::host::observed::Observed;

/// Where the live version answers well on its own port, it must do so through nginx too. Where none is live, or it is not well,
/// nginx's own answer shows at least whether the address leads to the slots.
pub fn problem(config: &Config, observed: &Observed) -> Option<String> {
    // An nginx of the tool's own is made, and made to run, by the deploy.
    if config.environment.nginx.owner != NginxOwner::System || !observed.nginx_running || observed.switching.is_none() {
        return None;
    }
    // The host's own requests may be among those that are led elsewhere, or meet a site that is closed for all.
    if observed.leads_elsewhere() || observed.maintenance.is_some() {
        return None;
    }
    if let Some(another) = &observed.site_of_another {
        return Some(format!(
            "the address {url} is that of the site in {another}, not of {own}: what answers there is not this \
             environment. Set `url` in deploy.toml to this environment's own address, or give its site that `server_name`",
            url = config.environment.url,
            own = config.environment.nginx.site_file,
        ));
    }
    let asked = format!("{}{}", config.environment.url, config.health.path);
    let live = observed.live()?;
    let well = observed.answers_well(config, live, None);
    let remedy = format!(
        "Each deploy is proven by this request, which is sent on the host to 127.0.0.1:{port} with the name {host}: set `url` in \
         deploy.toml to the address under which the site serves {path} (or `path` in [health]), let 127.0.0.1 pass where the site has a \
         list of allowed addresses, and see with `sudo nginx -T` that {site} is included",
        port = config.environment.url.port,
        host = config.environment.url.host,
        path = config.health.path,
        site = config.environment.nginx.site_file,
    );
    // A version that hangs or fails is what a deploy mends, and a rollback leaves behind.
    let ever_served = observed.live_release().is_some() || !observed.known_good_releases().is_empty();
    let Some(answer) = &observed.site else {
        let shown = well || !(ever_served || observed.listening.contains(&live));
        return shown.then(|| format!("{asked} does not answer on the host. {remedy}"));
    };
    if answer.is_turned_away() {
        return None;
    }
    if well {
        let release = observed.live_release();
        let reason = health::check(answer, &config.health, release).err()?;
        // Quoted is only the status: the body is the app's.
        return Some(format!(
            "the live version is healthy on its own port, and through nginx {asked} gives {}. {remedy}",
            reason.shown(|_| String::new())
        ));
    }
    // Nobody listens on the slot's port, so nginx can only say so.
    let leads_there = answer.status >= 500 || observed.listening.contains(&live) || ever_served;
    (!leads_there).then(|| {
        format!(
            "nothing listens in slot {live} yet, so nginx should say that it reaches nobody (502), but {asked} gives status {}: the \
             address does not lead to the slots. {remedy}",
            answer.status
        )
    })
}
