//! `setup`: what a server lacks, and what is done about it. Pure; the script that moves nginx is `nginx::server_setup`.

use std::collections::BTreeSet;

use crate::rules::config::{Config, SwitchMode};
use crate::rules::failure::Kind;
use crate::rules::host::observed::unescaped;
use crate::rules::nginx::server_setup;
use crate::rules::release;
use crate::rules::shared_constants::USER_MARK;

/// What docker is told where nobody has told it anything: a container's log is kept up to 30 MB.
pub const DOCKER_LOG_LIMITS: &str =
    "{\n  \"log-driver\": \"json-file\",\n  \"log-opts\": { \"max-size\": \"10m\", \"max-file\": \"3\" }\n}\n";

/// The last word of the lines of `authorized_keys` that `setup` writes. It names the environment, so that another one with the same key
/// keeps its own.
pub fn key_mark(config: &Config) -> String {
    format!("{USER_MARK}:{}", config.project.name)
}

/// The line of `authorized_keys` that lets a key in for commands alone.
pub fn authorized_line(config: &Config, key: &str) -> String {
    format!("restrict {key} {}", key_mark(config))
}

/// What a server said of itself before it was set up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// As `/etc/os-release` has them: `debian`, `12`, and for a person.
    pub system: String,
    pub version: String,
    pub shown: String,
    /// Programs and things that are there.
    pub has: BTreeSet<String>,
    /// Who listens on the ports of HTTP and HTTPS: port and program.
    pub listens: Vec<(u16, String)>,
    /// What runs by compose: project, service, folder.
    pub runs: Vec<(String, String, String)>,
    /// The site's file, where there is one: at most 64 KiB.
    pub site: Option<String>,
    /// Kind and key of the host, as `known_hosts` has them.
    pub host_key: String,
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
                "system" => (survey.system, survey.version, survey.shown) = (field(1), field(2), field(3)),
                "has" => drop(survey.has.insert(field(1))),
                "listens" => survey.listens.extend(field(1).parse().ok().map(|port| (port, field(2)))),
                "runs" => survey.runs.push((field(1), field(2), field(3))),
                "file" if field(1) == "site" => survey.site = Some(unescaped(&field(3))),
                "host-key" => survey.host_key = field(1),
                _ => {}
            }
        }
        None
    }

    fn has(&self, what: &str) -> bool {
        self.has.contains(what)
    }
}

/// What will be done to a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What a person should know of what is there.
    pub found: Vec<String>,
    pub packages: Vec<&'static str>,
    pub limits_logs: bool,
    pub makes_user: bool,
    pub lets_key_in: bool,
    pub writes_site: bool,
    /// Whom certbot writes to.
    pub certificate: Option<String>,
    /// What is left for a person.
    pub left: Vec<String>,
}

/// What a person asks for.
pub struct Wishes<'a> {
    pub mode: SwitchMode,
    /// Whom certbot writes to.
    pub tls: Option<&'a str>,
}

/// # Errors
/// [`Kind::Preflight`] with all that keeps this server from being set up; nothing was touched.
pub fn plan(config: &Config, survey: &Survey, wishes: &Wishes) -> anyhow::Result<Plan> {
    let mut problems = Vec::new();
    let packages = packages(survey).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    for (port, program) in &survey.listens {
        // A port that docker forwards is held by its proxy.
        if program != "nginx" {
            let who = if program.is_empty() { "another program" } else { program };
            problems.push(format!(
                "port {port} is held by {who}, and nginx is to listen there: stop it, or move what it serves into a site of nginx \
                 (`ss -ltnp 'sport = :{port}'` shows it)"
            ));
        }
    }
    if survey.host_key.is_empty() {
        problems.push(
            "the server has no ed25519 host key (/etc/ssh/ssh_host_ed25519_key.pub): ssh-keygen -A makes one"
                .to_owned(),
        );
    }
    problems.extend(survey.site.as_ref().and_then(|site| site_that_leads_elsewhere(config, site, wishes.mode)));
    if !problems.is_empty() {
        return Err(Kind::Preflight
            .error(format!("this server cannot be set up, nothing was touched:\n- {}", problems.join("\n- "))));
    }
    let tls = config.environment.url.tls;
    let mut left = Vec::new();
    if tls && wishes.tls.is_none() && survey.site.is_none() {
        left.push(format!(
            "the site gets no certificate: run this again with `--tls EMAIL`, once {} leads to the server, or add the lines for one to {}",
            config.environment.url.host, config.environment.nginx.site_file
        ));
    }
    Ok(Plan {
        found: found(config, survey),
        limits_logs: !survey.has("daemon.json"),
        makes_user: !survey.has("user"),
        lets_key_in: !survey.has("key"),
        writes_site: survey.site.is_none(),
        certificate: wishes.tls.filter(|_| tls).map(str::to_owned),
        packages,
        left,
    })
}

/// What a site that a person has written lacks.
fn site_that_leads_elsewhere(config: &Config, site: &str, mode: SwitchMode) -> Option<String> {
    let needed = server_setup::needed_in_site(config, mode);
    // What comes after its first part, and what this could not read, the script of `setup` sees.
    if site.contains(&needed.word) || site.len() >= 65536 || site.is_empty() {
        return None;
    }
    let other = if mode == SwitchMode::Instant { SwitchMode::Reload } else { SwitchMode::Instant };
    let of_other = site.contains(&server_setup::needed_in_site(config, other).word);
    let keep = if of_other {
        format!("It is of the {other} mode: `--mode {other}` keeps that. Else let")
    } else {
        "Let".to_owned()
    };
    Some(format!(
        "{} is there and stays yours, and it does not lead to what a deploy switches in {mode} mode. {keep} its server block have\n    {}\n  do not \
         reload nginx yet, and run this again",
        config.environment.nginx.site_file,
        needed.lines.join("\n    ")
    ))
}

/// Whether what runs there was started by a deploy of this environment.
fn is_of_a_release(config: &Config, place: &str) -> bool {
    let below =
        |folder: &str| place.strip_prefix(&config.environment.folder).is_some_and(|rest| rest.starts_with(folder));
    below("/meta/") || below("/releases/")
}

/// What is there already, of this project and of others.
fn found(config: &Config, survey: &Survey) -> Vec<String> {
    let mut found = Vec::new();
    let own: Vec<&str> = survey
        .runs
        .iter()
        .filter(|(project, _, place)| *project == config.project.name && !is_of_a_release(config, place))
        .map(|(_, service, _)| service.as_str())
        .collect();
    if !own.is_empty() {
        found.push(format!(
            "the compose project {} runs here ({}): the first deploy takes it over, without a pause",
            config.project.name,
            own.join(", ")
        ));
    }
    let own_projects = release::own_projects(&config.project.name);
    let others: BTreeSet<&str> = survey
        .runs
        .iter()
        .map(|(project, _, _)| project.as_str())
        .filter(|project| !own_projects.iter().any(|own| own == project))
        .collect();
    if !others.is_empty() {
        let others: Vec<&str> = others.into_iter().collect();
        found.push(format!("beside it, untouched: {}", others.join(", ")));
    }
    if survey.has("folder") {
        found.push(format!("{} is there", config.environment.folder));
    }
    if survey.site.is_some() {
        found.push(format!("the site {} is there, and stays as it is", config.environment.nginx.site_file));
    }
    found
}

/// Packages that are missing, by the names that this distribution has for them.
fn packages(survey: &Survey) -> Result<Vec<&'static str>, String> {
    let compose = match (survey.system.as_str(), survey.version.as_str()) {
        ("debian", "12" | "13") => "docker-compose",
        ("ubuntu", "22.04" | "24.04") => "docker-compose-v2",
        _ => "",
    };
    let has_compose = survey.has("docker compose") || survey.has("docker-compose");
    let wanted = [
        ("docker", "docker.io", survey.has("docker")),
        ("compose", compose, has_compose),
        ("nginx", "nginx", survey.has("nginx")),
        ("curl", "curl", survey.has("curl")),
        ("sudo", "sudo", survey.has("sudo")),
    ];
    let missing: Vec<(&str, &'static str)> =
        wanted.into_iter().filter(|(_, _, has)| !has).map(|(name, package, _)| (name, package)).collect();
    if !missing.is_empty() && (compose.is_empty() || !survey.has("apt-get")) {
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        let shown = if survey.shown.is_empty() { "this system" } else { &survey.shown };
        return Err(format!(
            "{shown} is none of Debian 12 and 13, Ubuntu 22.04 and 24.04, for which this knows the packages: install {} by hand, and run this again",
            names.join(", ")
        ));
    }
    let mut packages: Vec<&'static str> = missing.into_iter().map(|(_, package)| package).collect();
    // Docker's firewall rules need it, and recommended packages are not installed.
    if packages.contains(&"docker.io") {
        packages.extend(["iptables", "ca-certificates"]);
    }
    Ok(packages)
}

impl Plan {
    /// For a person, before anything is done.
    pub fn describe(&self, server: &str, user: &str) -> String {
        let mut lines: Vec<String> = self.found.iter().map(|found| format!("found    {found}")).collect();
        let mut act = |is_needed: bool, text: String| {
            lines.push(format!("{}  {text}", if is_needed { "will do" } else { "is done" }));
        };
        match self.packages.as_slice() {
            [] => act(false, "docker, compose, nginx, curl and sudo are installed".to_owned()),
            packages => act(true, format!("install {}", packages.join(", "))),
        }
        act(
            self.limits_logs,
            "limit what docker keeps of each container's log to 30 MB (/etc/docker/daemon.json)".to_owned(),
        );
        act(self.makes_user, format!("the user {user}, who may use docker"));
        act(self.lets_key_in, format!("a key lets this tool in as {user}"));
        act(true, "folders, free ports, nginx's switch, and the right to reload nginx (the script of `cargo xtask setup --print`)".to_owned());
        act(self.writes_site, "the site's file".to_owned());
        if self.certificate.is_some() {
            act(true, "a certificate, by certbot".to_owned());
        }
        lines.extend(self.left.iter().map(|left| format!("left     {left}")));
        format!("{server}:\n{}", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures;

    const BARE: &str =
        "system\tdebian\t12\tDebian GNU/Linux 12 (bookworm)\nhas\tapt-get\nhost-key\tssh-ed25519 AAAA\nend\n";

    fn planned(survey: &str) -> anyhow::Result<Plan> {
        plan(&fixtures::config(), &Survey::parse(survey).unwrap(), &Wishes { mode: SwitchMode::Instant, tls: None })
    }

    #[test]
    fn a_plan_reads_like_this() {
        insta::assert_snapshot!("bare", planned(BARE).unwrap().describe("root@203.0.113.7", "deploy"));
        let full = ["docker", "docker compose", "nginx", "curl", "sudo", "daemon.json", "user", "key", "folder"];
        let has: String = full.into_iter().map(|what| format!("has\t{what}\n")).collect();
        let serving = format!(
            "{has}file\tsite\t\tserver {{\\n  proxy_pass http://$shop_backend;\\n}}\nlistens\t80\tnginx\nruns\tshop\tweb\t/srv/old\nruns\tshopping\tweb\t/srv/shopping\n{BARE}"
        );
        insta::assert_snapshot!("serving", planned(&serving).unwrap().describe("root@203.0.113.7", "deploy"));
    }

    #[test]
    fn each_distribution_has_its_own_names() {
        for (system, compose) in [("debian\t13", "docker-compose"), ("ubuntu\t24.04", "docker-compose-v2")] {
            let plan = planned(&BARE.replace("debian\t12", system)).unwrap();
            assert!(plan.packages.contains(&compose), "{plan:?}");
        }
        let other = BARE.replace("debian\t12\tDebian GNU/Linux 12 (bookworm)", "fedora\t41\tFedora Linux 41");
        let refused = format!("{:#}", planned(&other).unwrap_err());
        assert!(refused.contains("Fedora Linux 41") && refused.contains("docker, compose, nginx"), "{refused}");
        let by_hand = format!("has\tdocker\nhas\tdocker compose\nhas\tnginx\nhas\tcurl\nhas\tsudo\n{other}");
        assert!(planned(&by_hand).unwrap().packages.is_empty());
    }

    #[test]
    fn what_another_program_holds_is_not_taken() {
        let refused = format!("{:#}", planned(&format!("listens\t80\tcaddy\n{BARE}")).unwrap_err());
        assert!(refused.contains("port 80 is held by caddy"), "{refused}");
    }

    #[test]
    fn a_site_that_does_not_lead_to_the_switch_is_told_what_it_needs() {
        let site = "file\tsite\t\tserver {\\n  proxy_pass http://127.0.0.1:8000;\\n}\n";
        let refused = format!("{:#}", planned(&format!("{site}{BARE}")).unwrap_err());
        for part in ["stays yours", "include /etc/nginx/snippets/shop-switch.conf;", "proxy_pass http://$shop_backend;"]
        {
            assert!(refused.contains(part), "{part}\n{refused}");
        }
        let reload =
            format!("{:#}", planned(&format!("{}{BARE}", site.replace("127.0.0.1:8000", "shop_backend"))).unwrap_err());
        assert!(reload.contains("`--mode reload` keeps that"), "{reload}");
    }

    #[test]
    fn a_survey_that_breaks_off_is_none() {
        assert_eq!(Survey::parse("system\tdebian\n"), None);
    }
}
