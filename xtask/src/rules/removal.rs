//! `setup --remove`: what a server has of an environment, and what is taken away of it. Pure. Data stays, and so does what is not
//! provably of this tool.

mod survey;

use std::collections::BTreeSet;

pub use survey::{ManagedContainer, ServerFile, Survey};

use crate::rules::config::{Config, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::nginx::{self, server_setup};
use crate::rules::release::ReleaseId;
use crate::rules::script;
use crate::rules::setup::DOCKER_LOG_LIMITS;
use crate::rules::shared_constants::{FLAG_FILE, LIVE_UPSTREAM_FILE, STATIC_FOLDER, USER_MARK};

/// What is taken away of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What ends by it, for a person.
    pub ends: Vec<String>,
    /// Files of nginx, the site's apart.
    pub nginx_files: Vec<String>,
    pub site: Option<Site>,
    /// The port on which nginx says which slot it obeys.
    pub live_port: Option<u16>,
    pub has_containers: bool,
    /// Oldest first.
    pub releases: Vec<ReleaseId>,
    pub has_folder: bool,
    /// Files outside of nginx: sudo's rule, docker's log limit.
    pub files: Vec<String>,
    pub takes_key: bool,
    pub removes_user: bool,
    /// What stays, and how it goes if that is wanted.
    pub stays: Vec<String>,
}

/// The site's file.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    pub file: String,
    /// Where lines have been added to what `setup` wrote, a copy is kept there.
    pub copy: Option<String>,
}

/// `now`: as it can stand in a file's name.
///
/// # Errors
/// [`Kind::Preflight`] with all that keeps it from being taken away; nothing was touched.
pub fn plan(config: &Config, survey: &Survey, user: &str, now: &str) -> anyhow::Result<Plan> {
    let mut problems = Vec::new();
    let mut plan = Plan { stays: stays(config, survey), ..Plan::default() };
    if survey.is_locked {
        problems.push("a deploy is at work: run this again when it has ended".to_owned());
    }
    let runs = survey.containers.iter().any(|container| container.state == "running");
    if survey.user.is_none() && (survey.has_folder || runs) {
        problems.push(format!("there is no user {user} on this server; name the one that deploys: --user NAME"));
    }
    if !survey.has_docker && (survey.has_docker_program || survey.has_folder) {
        problems.push(format!(
            "docker does not answer {user}, so nobody knows which containers run: start it (systemctl start docker), or let {user} use it \
             (usermod -aG docker {user})"
        ));
    }
    match of_nginx(config, survey, now) {
        Ok(found) => (plan.nginx_files, plan.site, plan.live_port) = found,
        Err(problem) => problems.push(problem),
    }
    if !problems.is_empty() {
        return Err(Kind::Preflight
            .error(format!("nothing can be taken away yet, nothing was touched:\n- {}", problems.join("\n- "))));
    }
    plan.ends = ends(config, survey);
    plan.has_containers = survey.user.is_some() && !survey.containers.is_empty();
    plan.has_folder = survey.has_folder;
    plan.releases = survey.releases.iter().filter_map(|release| ReleaseId::parse(release).ok()).collect();
    plan.releases.sort();
    plan.files.extend(
        survey
            .file("sudo")
            .filter(|file| is_our_sudo_rule(&file.content, user))
            .map(|_| server_setup::sudo_file(config)),
    );
    of_account(survey, user, &mut plan);
    Ok(plan)
}

type OfNginx = (Vec<String>, Option<Site>, Option<u16>);

/// The files that nginx reads and that are provably this environment's.
fn of_nginx(config: &Config, survey: &Survey, now: &str) -> Result<OfNginx, String> {
    let nginx = &config.environment.nginx;
    let mut files = Vec::new();
    let mut live_port = None;
    let folders = [survey.folder.as_str(), config.environment.folder.as_str()];
    let is_of_folder = |text: &str, name: &str| folders.iter().any(|folder| text.contains(&format!("{folder}/{name}")));
    if let Some(upstream) = survey.file("upstream") {
        let flag = nginx::flag_of_upstream(&upstream.content).unwrap_or_default();
        let of_this = folders.iter().any(|folder| {
            upstream.link == format!("{folder}/{LIVE_UPSTREAM_FILE}") || flag == format!("{folder}/{FLAG_FILE}")
        });
        let names = upstream.content.contains(&format!("return 200 \"{} ", config.project.name));
        if !of_this || !(names || upstream.is_gone) {
            return Err(format!(
                "{} is not of the environment {} in {}: look which one it is of, and what `name` and `folder` say in deploy.toml",
                nginx.upstream_file, config.project.name, survey.folder
            ));
        }
        live_port = nginx::live_port_in(&upstream.content);
        files.push(nginx.upstream_file.clone());
    }
    let snippets = [
        ("include", nginx::switch_include_file(&config.project.name), FLAG_FILE),
        ("static", nginx::static_include_file(&config.project.name), STATIC_FOLDER),
    ];
    for (kind, path, names) in snippets {
        let of_this = |file: &&ServerFile| file.content.trim().is_empty() || is_of_folder(&file.content, names);
        files.extend(survey.file(kind).filter(of_this).map(|_| path));
    }
    // Made for those files, which say so.
    let log = script::request_log(config);
    let names_log = |kind: &&str| survey.file(kind).is_some_and(|file| file.content.contains(&log));
    if ["upstream", "include"].iter().any(names_log) {
        files.push(log);
    }
    let Some(site) = survey.file("site") else { return Ok((files, None, live_port)) };
    let path = nginx.site_file.clone();
    let written = [SwitchMode::Instant, SwitchMode::Reload].map(|mode| server_setup::site(config, mode));
    if site.link.is_empty() && written.contains(&server_setup::without_ipv6(&site.content)) {
        return Ok((files, Some(Site { file: path, copy: None }), live_port));
    }
    let is_of_one_name = is_of_one_name(&site.content, &config.environment.url.host);
    if site.link.is_empty() && is_of_one_name && written.iter().any(|written| has_all_lines(&site.content, written)) {
        let copy = format!("/var/backups/nginx-site-{}-{now}.conf", config.project.name);
        return Ok((files, Some(Site { file: path, copy: Some(copy) }), live_port));
    }
    let lines = lines_that_need(config, &site.content);
    if lines.is_empty() || files.is_empty() {
        return Ok((files, None, live_port));
    }
    Err(format!(
        "{path} is not as `setup` writes it, so it stays yours, and nginx would refuse it without this environment's files. Take these lines out, \
         or the file (mv {path} ~), reload nginx, and run this again:\n    {}",
        lines.join("\n    ")
    ))
}

/// Whether each line of a text is in another one, by whatever it is indented.
fn has_all_lines(content: &str, of: &str) -> bool {
    let there: BTreeSet<&str> = content.lines().map(str::trim).collect();
    of.lines().map(str::trim).all(|line| there.contains(line))
}

/// Whether each server block is of this name and of no other: a site of a person's own may have been added to the file.
fn is_of_one_name(content: &str, host: &str) -> bool {
    let code: Vec<&str> = content.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let code = code.join(" ");
    let directives: Vec<&str> = code.split(['{', '}', ';']).map(str::trim).collect();
    let servers = directives.iter().filter(|directive| **directive == "server").count();
    let names: Vec<&str> = directives.iter().filter_map(|directive| directive.strip_prefix("server_name ")).collect();
    names.len() == servers && names.iter().flat_map(|names| names.split_whitespace()).all(|name| name == host)
}

/// Lines of the site that name what this environment's files define.
fn lines_that_need<'a>(config: &Config, content: &'a str) -> Vec<&'a str> {
    let name = &config.project.name;
    let mut names = vec![nginx::switch_include_file(name), nginx::static_include_file(name)];
    let further = config.more_webs.iter().map(|web| &web.upstream);
    for upstream in [&config.environment.nginx.upstream].into_iter().chain(further) {
        names.extend([format!("http://${upstream};"), format!("http://{upstream};"), format!("http://{upstream}/")]);
    }
    let needs = |line: &&str| !line.starts_with('#') && names.iter().any(|name| line.contains(name.as_str()));
    content.lines().map(str::trim).filter(needs).take(20).collect()
}

/// The rule that `setup` writes, wherever nginx is.
fn is_our_sudo_rule(content: &str, user: &str) -> bool {
    let lines: Vec<&str> = content.lines().collect();
    let [defaults, rule] = lines[..] else { return false };
    let Some(program) = defaults.strip_prefix("Defaults!").and_then(|rest| rest.strip_suffix(" !requiretty")) else {
        return false;
    };
    rule == format!("{user} ALL=(root) NOPASSWD: {program} -t, {program} -s reload")
}

/// The user, its key, and what the whole server was given: what others need stays.
fn of_account(survey: &Survey, user: &str, plan: &mut Plan) {
    let others: Vec<&str> = survey.others.iter().map(String::as_str).collect();
    let others = others.join(", ");
    if survey.file("limits").is_some_and(|file| file.content == DOCKER_LOG_LIMITS) {
        if others.is_empty() && !survey.has_foreign_containers && survey.unmanaged.is_empty() {
            plan.files.push("/etc/docker/daemon.json".to_owned());
        } else {
            plan.stays.push("/etc/docker/daemon.json, which limits the logs of other containers too".to_owned());
        }
    }
    let Some(account) = &survey.user else { return };
    if account.has_key_otherwise {
        plan.stays
            .push(format!("the key in {}/.ssh/authorized_keys, in a line that `setup` did not write", account.home));
    }
    plan.takes_key = account.has_key;
    let reason = if !others.is_empty() {
        format!("{others} may need it")
    } else if account.comment != USER_MARK {
        format!("it was not made by `setup`. It is in the group docker; to take it out: gpasswd -d {user} docker")
    } else if !account.in_home.is_empty() {
        format!("its home {} has files of its own: {}", account.home, account.in_home.join(", "))
    } else if !account.runs.is_empty() {
        format!("programs run as it: {}", account.runs.join(", "))
    } else {
        plan.removes_user = true;
        return;
    };
    plan.stays.push(format!("the user {user}: {reason}"));
}

fn ends(config: &Config, survey: &Survey) -> Vec<String> {
    let running: Vec<&ManagedContainer> = survey.containers.iter().filter(|one| one.state == "running").collect();
    if running.is_empty() {
        return Vec::new();
    }
    let services: BTreeSet<&str> = running.iter().map(|one| one.service.as_str()).collect();
    let services: Vec<&str> = services.into_iter().collect();
    vec![format!("{}, and all that runs for it: {}", config.environment.url, services.join(", "))]
}

/// What has data, and what others have made.
fn stays(config: &Config, survey: &Survey) -> Vec<String> {
    let mut stays = Vec::new();
    if !survey.volumes.is_empty() {
        let volumes: Vec<&str> = survey.volumes.iter().map(String::as_str).collect();
        let volumes = volumes.join(" ");
        stays.push(format!("the data in volumes; for who wants it gone: docker volume rm {volumes}"));
    }
    if survey.has_folder {
        stays.push(format!("what lies in {} and is no release: `shared`, `leftovers`, files of yours", survey.folder));
    }
    if !survey.unmanaged.is_empty() {
        let unmanaged: Vec<&str> = survey.unmanaged.iter().map(String::as_str).collect();
        stays.push(format!(
            "containers of {} that this tool did not start: {}",
            config.project.name,
            unmanaged.join(", ")
        ));
    }
    if survey.user.is_none() && !survey.containers.is_empty() {
        let stopped: BTreeSet<&str> = survey.containers.iter().map(|container| container.service.as_str()).collect();
        let stopped: Vec<&str> = stopped.into_iter().collect();
        stays.push(format!("containers that have written into themselves, stopped: {}", stopped.join(", ")));
    }
    let host = &config.environment.url.host;
    if survey.file("site").is_some_and(|site| site.content.contains(&format!("/etc/letsencrypt/live/{host}/"))) {
        stays.push(format!("the certificate; to end it: certbot delete --cert-name {host}"));
    }
    stays
}

impl Plan {
    /// Whether there is nothing to take away.
    pub fn is_empty(&self) -> bool {
        self.nginx_files.is_empty()
            && self.site.is_none()
            && !self.has_containers
            && self.releases.is_empty()
            && !self.has_folder
            && self.files.is_empty()
            && !self.takes_key
            && !self.removes_user
    }

    /// For a person, before anything is done.
    pub fn describe(&self, server: &str, user: &str) -> String {
        let mut lines: Vec<String> = self.ends.iter().map(|what| format!("ends     {what}")).collect();
        let mut remove = |is_there: bool, what: String| {
            if is_there {
                lines.push(format!("removes  {what}"));
            }
        };
        remove(!self.nginx_files.is_empty(), self.nginx_files.join(", "));
        if let Some(Site { file, copy }) = &self.site {
            let kept = copy.as_ref().map(|copy| format!("; it has lines of others, so a copy is kept: {copy}"));
            remove(true, format!("{file}{}", kept.unwrap_or_default()));
        }
        let containers = "containers and networks of this environment; volumes without a name go with those of web services and workers, as in each deploy";
        remove(self.has_containers, containers.to_owned());
        let releases = self.releases.len();
        remove(releases > 0, format!("{releases} releases, with their images and their `.env`"));
        remove(self.has_folder, "the record of deploys".to_owned());
        remove(!self.files.is_empty(), self.files.join(", "));
        remove(self.takes_key && !self.removes_user, format!("the key that lets this tool in as {user}"));
        remove(self.removes_user, format!("the user {user}, with the key"));
        let packages = "packages (docker, compose, nginx, curl, sudo), and images of accessories".to_owned();
        lines.extend(self.stays.iter().chain([&packages]).map(|what| format!("stays    {what}")));
        format!("{server}:\n{}", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests;
