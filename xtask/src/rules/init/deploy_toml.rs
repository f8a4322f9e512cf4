//! The `deploy.toml` that `init` writes for a project that has none.

use super::Found;
use super::test_runner::Tests;
use crate::rules::config::deploy_toml::is_project_name;
use crate::rules::engine::compose::proposal::{Health, Proposal, ProposedWeb};

/// Ports of this machine for the environment `local`.
#[derive(Clone, Copy, Debug)]
pub struct LocalPorts {
    pub blue: u16,
    pub green: u16,
    /// Where nginx names the slot that it obeys.
    pub live: u16,
    pub site: u16,
}

impl Default for LocalPorts {
    fn default() -> LocalPorts {
        LocalPorts { blue: 8000, green: 8001, live: 8002, site: 8080 }
    }
}

impl LocalPorts {
    pub fn all(self) -> [u16; 4] {
        [self.blue, self.green, self.live, self.site]
    }
}

/// The first ports of which `is_free` says yes to all.
pub fn free_ports(is_free: impl Fn(u16) -> bool) -> LocalPorts {
    let usual = LocalPorts::default();
    let further = |by: u16| LocalPorts { blue: 8000 + by, green: 8001 + by, live: 8002 + by, site: 8080 + by };
    let tried = [0, 1000, 10_000, 11_000, 12_000, 13_000].into_iter().map(further);
    tried.into_iter().find(|ports| ports.all().into_iter().all(&is_free)).unwrap_or(usual)
}

/// Two neighbouring ports for the slots of a server, where another service of the project has the usual ones.
pub fn slots_beside(published: &[u16]) -> Option<(u16, u16)> {
    let taken = |port: u16| published.contains(&port);
    let pairs = (0..50).map(|number| (8000 + 10 * number, 8001 + 10 * number));
    pairs.into_iter().find(|(blue, green)| !taken(*blue) && !taken(*green)).filter(|pair| *pair != (8000, 8001))
}

/// The name that compose gives a project in a folder of this name (compose-go, `NormalizeProjectName`), as far as this tool takes it.
pub fn project_name(folder: &str) -> String {
    let lower = folder.to_lowercase();
    let letters = lower.chars().filter(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '_'));
    let name: String = letters.take(40).collect();
    let name = name.trim_start_matches(['-', '_']).to_owned();
    match is_project_name(&name) {
        true => name,
        false => format!("app{}", name.chars().filter(char::is_ascii_digit).collect::<String>()),
    }
}

/// The file. Each guess is marked as one.
pub fn text(found: &Found) -> String {
    let mut text = "# What `cargo xtask` deploys, and where to. Written by `cargo xtask init`; what is marked with (?) is a guess, so look at it.\n\
                    # Paths are relative to this file. The tool's own deploy.toml lists every setting there is.\n\n"
        .to_owned();
    text.push_str(&project(found));
    if let Some((blue, green)) = found.slots {
        text.push_str(&format!(
            "\n[slots]   # the usual ones are published by another service\nblue = {blue}\ngreen = {green}\n"
        ));
    }
    let webs = &found.proposal.webs;
    text.push_str(&format!("\n[health]\n{}", health(webs.first().map_or(&Health::AnyAnswer, |web| &web.health))));
    webs.iter().skip(1).for_each(|web| text.push_str(&further(&found.name, web)));
    let before_boot = &found.proposal.before_boot;
    if !before_boot.is_empty() {
        let commands: Vec<String> = before_boot.iter().map(|words| list(words)).collect();
        let commands = commands.join(", ");
        text.push_str(&format!("\n[hooks]\nbefore_boot = [{commands}]   # each must be safe to run twice, and while the old version serves\n"));
    }
    text.push_str(&tests(&found.tests));
    text.push_str(&environments(found));
    text
}

fn project(found: &Found) -> String {
    let Proposal { webs, workers, accessories, off, .. } = &found.proposal;
    let mut lines = vec![
        (
            "name",
            quoted(&found.name),
            "(?) the compose project; where its databases run already, the name they run under",
        ),
        ("app", quoted(&found.app), "the folder that is shipped, as committed"),
    ];
    if !found.compose.is_empty() {
        lines.push(("compose", list(&found.compose), "inside `app`"));
    }
    match webs.first() {
        Some(web) if webs.len() == 1 => lines.push(("web", quoted(&web.service), "the service that users reach")),
        Some(web) => lines.push(("web", quoted(&web.service), "(?) the first of those that users reach")),
        None => lines.push(("web", quoted("web"), "(?) no service has a port, so name the one that users reach")),
    }
    if let Some(web) = webs.first().filter(|web| web.port != 8000) {
        lines.push(("web_port", web.port.to_string(), "inside its container"));
    }
    let names: Vec<String> = off.iter().map(|(name, _)| name.clone()).collect();
    for (key, names, comment) in [
        ("workers", workers, "replaced after the switch"),
        ("accessories", accessories, "(?) they look like code of the release, and stay as they are"),
        ("off", &names, "run by no host"),
        ("shared", &found.shared, "(?) data: outlives releases"),
    ] {
        if !names.is_empty() {
            lines.push((key, list(names), comment));
        }
    }
    let lines: String = lines.iter().map(|(key, value, comment)| format!("{key} = {value}   # {comment}\n")).collect();
    let why: String = off.iter().map(|(name, why)| format!("# {name}: {why}\n")).collect();
    format!("[project]\n{lines}{why}")
}

/// Answers of an app that works, to a page that may want to know who asks, or is elsewhere.
const ANY_ANSWER: &str = "[200, 204, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 426]";

fn health(health: &Health) -> String {
    match health {
        Health::Path(path) => {
            format!(
                "path = {}   # as the service's own health check asks\nstatus = [200, 204, 301, 302, 307, 308]   # all that such a check is well with\n",
                quoted(path)
            )
        }
        Health::Route { path, file } => format!(
            "path = {}   # (?) a route of {file}; where it lies below a prefix, add that\nstatus = [200, 204]\n",
            quoted(path)
        ),
        Health::AnyAnswer => format!(
            "path = \"/\"   # (?) nothing tells how this app says that it is healthy; a route for it is better: path = \"/health\", status = 200\n\
             status = {ANY_ANSWER}   # all but a failure of its own\n"
        ),
    }
}

/// What the site passes to, where the default would be that of another one, or too long (`deploy_toml::checks::upstream`).
fn upstream(project: &str, service: &str) -> String {
    let is_usual = service != "backend" && project.len() + service.len() < 50;
    if is_usual {
        return String::new();
    }
    let plain = |text: &str, most: usize| -> String {
        text.chars().take(most).map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
    };
    format!("upstream = {}\n", quoted(&format!("{}_{}_web", plain(project, 25), plain(service, 25))))
}

fn further(project: &str, web: &ProposedWeb) -> String {
    let health = match &web.health {
        Health::Path(path) => {
            format!("health = {{ path = {}, status = [200, 204, 301, 302, 307, 308] }}\n", quoted(path))
        }
        Health::Route { path, file } => {
            format!("health = {{ path = {}, status = [200, 204] }}   # (?) a route of {file}\n", quoted(path))
        }
        Health::AnyAnswer => {
            let status = ANY_ANSWER.replace("404, ", "");
            format!("health = {{ path = \"/\", status = {status} }}   # (?) a route for it is better\n")
        }
    };
    let ProposedWeb { service, port, .. } = web;
    let path = quoted(&format!("/{service}/"));
    format!(
        "\n[web.{}]   # (?) moves with the first one; users reach it below its path, which nginx passes on as it is\nport = {port}\npath = {path}\n{}{health}",
        key(service),
        upstream(project, service)
    )
}

/// A name as TOML's key.
fn key(name: &str) -> String {
    let is_bare = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if is_bare { name.to_owned() } else { quoted(name) }
}

fn tests(tests: &Tests) -> String {
    match tests {
        Tests::Unknown => {
            "\n[test]\noff = true   # (?) no test runner was found; or command = [\"npm\", \"test\"]\n".to_owned()
        }
        Tests::Commands(commands) => match commands.as_slice() {
            [words] => format!("\n[test]\ncommand = {}\n", list(words)),
            several => {
                let several: Vec<String> = several.iter().map(|words| list(words)).collect();
                format!("\n[test]\ncommand = [{}]\n", several.join(", "))
            }
        },
        Tests::Pytest { requirements, folder } => {
            let above =
                folder.rsplit_once('/').map(|(above, _)| format!("env = {{ PYTHONPATH = {} }}\n", quoted(above)));
            format!(
                "\n[test]   # pytest, in an environment of its own; tests_config.yaml switches groups on and off\nrequirements = {}\nfolder = {}\n\
                 groups = {{ all = [{}] }}\n{}",
                quoted(requirements),
                quoted(folder),
                quoted(folder),
                above.unwrap_or_default()
            )
        }
    }
}

/// `tests_config.yaml`, where pytest is run.
pub const TEST_SELECTION: &str = "# Which groups of tests run before a deploy; `groups` ([test] in deploy.toml) says what is in each.\ntest_groups:\n  all: true\n";

fn environments(found: &Found) -> String {
    let Found { name, ports, .. } = found;
    let short: String = name.chars().take(34).collect();
    let local = format!("name = {}\n", quoted(&format!("{}-local", short.trim_end_matches(['-', '_']))));
    let has_env = found.env_file.is_some();
    let env_file = found.env_file.as_ref().map_or("false".to_owned(), |file| quoted(file));
    let of_prod = if has_env { "" } else { "env_file = false\n" };
    let needs = if has_env { ". PROD_ENV_FILE has the content of the `.env`" } else { "" };
    let entries = |value: &dyn Fn(&str, &str) -> String| -> String {
        let entries: Vec<String> = found
            .files
            .iter()
            .map(|(path, variable)| format!("{} = {}", quoted(path), value(path, variable)))
            .collect();
        if entries.is_empty() {
            String::new()
        } else {
            format!("files = {{ {} }}   # git does not have them\n", entries.join(", "))
        }
    };
    let here = entries(&|path, _| {
        let path = if found.app == "." { path.to_owned() } else { format!("{}/{path}", found.app) };
        format!("{{ file = {} }}", quoted(&path))
    });
    let there = entries(&|_, variable| quoted(variable));
    let url = match &found.url {
        Some(url) => format!("url = {}\n", quoted(url)),
        None => format!(
            "url = {}   # (?) the address that users call\n",
            quoted(&format!("https://{}.example", name.replace('_', "-")))
        ),
    };
    format!(
        "\n# This machine: real containers, and an nginx of the tool's own. Its project has another name, so data of development stays apart.\n\
         [environments.local]\n{local}folder = \".deploy/local\"\nurl = \"http://127.0.0.1:{site}\"\nenv_file = {env_file}\n{here}\
         slots = {{ blue = {blue}, green = {green} }}\nnginx = {{ private = true, live_port = {live} }}\n\n\
         # The server. The variables PROD_SSH_HOST, PROD_SSH_USER and PROD_SSH_KEY lead there{needs}.\n[environments.prod]\nssh = true\n\
         folder = \"/srv/{name}\"\n{url}{of_prod}{there}nginx = {{}}\n",
        site = ports.site,
        blue = ports.blue,
        green = ports.green,
        live = ports.live,
    )
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        control if control.is_control() => format!("\\u{:04X}", u32::from(control)),
        other => other.to_string(),
    });
    format!("\"{}\"", letters.collect::<String>())
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::config::deploy_toml::load;
    use std::collections::BTreeMap;
    use std::path::Path;

    fn web(service: &str, port: u16, health: Health) -> ProposedWeb {
        ProposedWeb { service: service.to_owned(), port, health, code: None }
    }

    fn found() -> Found {
        let proposal = Proposal {
            webs: vec![web("api", 9000, Health::Path("/up?a=\"b\"".to_owned())), web("front", 3000, Health::AnyAnswer)],
            workers: vec!["celery".to_owned()],
            before_boot: vec![vec!["python".to_owned(), "manage.py".to_owned(), "migrate".to_owned()]],
            off: vec![("nginx".to_owned(), "the host's nginx is the proxy")],
            ..Proposal::default()
        };
        Found { name: "shop".to_owned(), app: ".".to_owned(), proposal, ..Found::default() }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
        let pytest =
            Tests::Pytest { requirements: "back/requirements.txt".to_owned(), folder: "back/tests".to_owned() };
        let route = |file: &str| Health::Route { path: "/healthz".to_owned(), file: file.to_owned() };
        let with_routes = Proposal {
            webs: vec![web("api", 8000, route("a b.py")), web("front", 3000, route("é.js"))],
            ..Proposal::default()
        };
        for found in [
            found(),
            Found { env_file: Some("env.local".to_owned()), url: Some("https://shop.org/api".to_owned()), ..found() },
            Found { tests: Tests::Commands(vec![words(&["npm", "ci"]), words(&["npm", "test"])]), ..found() },
            Found { tests: pytest, slots: Some((8010, 8011)), ..found() },
            Found { proposal: with_routes, ..found() },
            Found { proposal: Proposal::default(), compose: words(&["ops/stack.yml"]), ..found() },
            Found {
                files: [("keys/a.pem".to_owned(), "PROD_KEYS_A_PEM".to_owned())].into(),
                app: "back".to_owned(),
                ..found()
            },
        ] {
            for environment in ["local", "prod"] {
                let text = text(&found);
                let config = load(&text, Path::new("/repo/deploy.toml"), environment, &BTreeMap::new());
                let config = config.unwrap_or_else(|error| panic!("{error:#}\n{text}"));
                assert_eq!(config.project.name, if environment == "prod" { "shop" } else { "shop-local" }, "{text}");
            }
        }
    }

    #[test]
    fn it_reads_like_this() {
        insta::assert_snapshot!("proposed", text(&Found { env_file: Some(".env".to_owned()), ..found() }));
    }

    #[test]
    fn a_folder_s_name_becomes_that_of_compose() {
        for (folder, name) in
            [("My Shop_2", "myshop_2"), ("2048", "2048"), ("--", "app"), ("shop-blue", "app"), ("été", "t")]
        {
            assert_eq!(project_name(folder), name);
        }
    }

    #[test]
    fn ports_that_are_taken_are_passed_over() {
        assert_eq!(free_ports(|_| true).all(), [8000, 8001, 8002, 8080]);
        assert_eq!(free_ports(|port| port != 8080).all(), [9000, 9001, 9002, 9080]);
        assert_eq!(slots_beside(&[9000]), None);
        assert_eq!(slots_beside(&[8001, 8010]), Some((8020, 8021)));
    }
}
