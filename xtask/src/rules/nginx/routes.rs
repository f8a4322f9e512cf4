//! Where the paths of a site lead: each slot by the settings of its own version. A version that has another path or another web service
//! than the one before has it from the switch on, and not sooner.

use std::collections::BTreeSet;

use crate::rules::config::{Config, StaticFiles, SwitchMode, Web};
use crate::rules::release::Slot;

/// The upstream to which something leads while a slot is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leads<'a> {
    pub blue: &'a str,
    pub green: &'a str,
}

/// A path of files that nginx serves itself.
#[derive(Debug)]
pub struct StaticPath<'a> {
    pub path: &'a str,
    /// To the app that answers for files that are not there.
    pub app: Leads<'a>,
    /// The live slot, whose version has no such path: it answers itself for as long as it is live.
    pub not_in: Option<Slot>,
}

/// What a slot's version has on the site.
struct Version<'a> {
    first: &'a str,
    webs: &'a [Web],
    static_files: &'a StaticFiles,
}

impl<'a> Version<'a> {
    fn in_slot(config: &'a Config, slot: Slot) -> Version<'a> {
        let first = config.environment.nginx.upstream.as_str();
        match &config.serves {
            Some(serves) if serves.slot == slot => {
                Version { first, webs: &serves.webs, static_files: &serves.static_files }
            }
            _ => Version { first, webs: &config.more_webs, static_files: &config.static_files },
        }
    }

    /// The web service that has the longest part of a path, as nginx chooses it.
    fn upstream_at(&self, path: &str) -> &'a str {
        let with_path = self.webs.iter().filter(|web| !web.path.is_empty() && path.starts_with(&web.path));
        with_path.max_by_key(|web| web.path.len()).map_or(self.first, |web| &web.upstream)
    }

    fn upstream_of_files(&self, path: &str) -> &'a str {
        let Some(files) = self.static_files.get(path) else { return self.upstream_at(&format!("{path}/")) };
        self.webs.iter().find(|web| web.service == files.service).map_or(self.first, |web| &web.upstream)
    }
}

fn both<'a, T>(config: &'a Config, of: impl Fn(Version<'a>) -> T) -> [T; 2] {
    Slot::BOTH.map(|slot| of(Version::in_slot(config, slot)))
}

/// The paths of the web services, the first one's first.
pub fn of_webs(config: &Config) -> Vec<(&str, Leads<'_>)> {
    let paths = both(config, |version| version.webs.iter().map(|web| web.path.as_str()));
    // A path of files leads to the web service at the same place where there is no file.
    let static_paths = both(config, |version| version.static_files.keys()).into_iter().flatten().collect::<Vec<_>>();
    let of_files = |path: &str| static_paths.iter().any(|files| path.strip_suffix('/') == Some(files.as_str()));
    let paths: BTreeSet<&str> =
        paths.into_iter().flatten().filter(|path| !path.is_empty() && !of_files(path)).collect();
    let leads = |path| {
        let [blue, green] = both(config, |version| version.upstream_at(path));
        (path, Leads { blue, green })
    };
    ["/"].into_iter().chain(paths).map(leads).collect()
}

/// The paths of files that nginx serves itself.
pub fn of_static_files(config: &Config) -> Vec<StaticPath<'_>> {
    let paths = both(config, |version| version.static_files.keys().map(String::as_str));
    let paths: BTreeSet<&str> = paths.into_iter().flatten().collect();
    let leads = |path| {
        let [blue, green] = both(config, |version| version.upstream_of_files(path));
        // Files of a longer path lie in the same folder of a slot as those of a shorter one.
        let within = |files: &String| {
            path.strip_prefix(files.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let not_in = config.serves.as_ref().filter(|serves| !serves.static_files.keys().any(within));
        StaticPath { path, app: Leads { blue, green }, not_in: not_in.map(|serves| serves.slot) }
    };
    paths.into_iter().map(leads).collect()
}

/// All further web services that nginx has to know: those of this configuration, and of the version that serves.
pub fn known_webs(config: &Config) -> Vec<Web> {
    let mut webs = config.more_webs.clone();
    let serving = config.serves.iter().flat_map(|serves| &serves.webs);
    webs.extend(serving.filter(|web| !config.more_webs.iter().any(|own| own.upstream == web.upstream)).cloned());
    webs
}

/// Variables of nginx for what leads elsewhere in the other slot.
pub struct Choices<'a> {
    upstream: &'a str,
    switching: SwitchMode,
    made: Vec<Leads<'a>>,
}

impl<'a> Choices<'a> {
    pub fn new(upstream: &'a str, switching: SwitchMode) -> Choices<'a> {
        Choices { upstream, switching, made: Vec::new() }
    }

    pub fn switching(&self) -> SwitchMode {
        self.switching
    }

    /// What `proxy_pass` names.
    pub fn target(&mut self, leads: Leads<'a>) -> String {
        if leads.blue == leads.green {
            return super::files::target(leads.blue, self.switching);
        }
        let number = self.made.iter().position(|made| *made == leads).unwrap_or_else(|| {
            self.made.push(leads);
            self.made.len() - 1
        });
        format!("${}", self.variable(number))
    }

    fn variable(&self, number: usize) -> String {
        // A longer name, as of an upstream, may be more than nginx takes.
        format!("deploy_route_{number}")
    }

    /// Lines for the site's `server` block, below those of the switch, which has the slot in a variable.
    pub fn in_server(&self) -> String {
        if self.switching == SwitchMode::Reload {
            return String::new();
        }
        let line = |(number, leads): (usize, &Leads)| {
            let (variable, slot) = (self.variable(number), super::look_ups::variables_of(self.upstream));
            format!(
                "set ${variable} {}_blue;\nif (${slot}_slot = green) {{ set ${variable} {}_green; }}\n",
                leads.blue, leads.green
            )
        };
        self.made.iter().enumerate().map(line).collect()
    }

    /// Lines for outside of the `server` block, where the slot is a variable of the upstream file.
    pub fn in_http(&self) -> String {
        if self.switching == SwitchMode::Instant {
            return String::new();
        }
        let line = |(number, Leads { blue, green }): (usize, &Leads)| {
            let (variable, slot) = (self.variable(number), super::look_ups::variables_of(self.upstream));
            format!("map ${slot}_slot ${variable} {{\n    blue {blue}_blue;\n    green {green}_green;\n}}\n")
        };
        self.made.iter().enumerate().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rules::config::{ImageFolder, ServingVersion};
    use crate::testing::fixtures::config;

    fn web(service: &str, path: &str) -> Web {
        Web { service: service.into(), upstream: format!("shop_{service}"), path: path.into(), ..Web::default() }
    }

    fn files(paths: &[&str]) -> StaticFiles {
        let folder = || ImageFolder { service: "api".into(), path: "/app/files".into() };
        paths.iter().map(|path| ((*path).to_owned(), folder())).collect::<BTreeMap<_, _>>()
    }

    /// `site` has moved, `admin` is new, `old` is gone.
    #[test]
    fn each_slot_has_the_paths_of_its_own_version() {
        let mut config = config();
        config.more_webs = vec![web("site", "/shop/"), web("admin", "/shop/admin/")];
        config.static_files = files(&["/assets", "/new"]);
        let webs = vec![web("site", "/site/"), web("old", "/old/")];
        config.serves = Some(ServingVersion { slot: Slot::Green, webs, static_files: files(&["/assets", "/gone"]) });
        let routes: Vec<_> = of_webs(&config).into_iter().map(|(path, to)| (path, to.blue, to.green)).collect();
        let first = "shop_backend";
        assert_eq!(
            routes,
            [
                ("/", first, first),
                ("/old/", first, "shop_old"),
                ("/shop/", "shop_site", first),
                ("/shop/admin/", "shop_admin", first),
                ("/site/", first, "shop_site"),
            ]
        );
        let static_paths: Vec<_> = of_static_files(&config).into_iter().map(|of| (of.path, of.not_in)).collect();
        assert_eq!(static_paths, [("/assets", None), ("/gone", None), ("/new", Some(Slot::Green))]);
        let known: Vec<_> = known_webs(&config).into_iter().map(|web| web.service).collect();
        assert_eq!(known, ["site", "admin", "old"]);
        let mut choices = Choices::new(first, SwitchMode::Instant);
        let (_, moved) = of_webs(&config)[2];
        assert_eq!(choices.target(Leads { blue: first, green: first }), "$shop_backend");
        assert_eq!(choices.target(moved), "$deploy_route_0");
        assert_eq!(
            choices.in_server(),
            "set $deploy_route_0 shop_site_blue;\nif ($shop_backend_slot = green) { set $deploy_route_0 shop_backend_green; }\n"
        );
    }

    /// nginx takes one location for a path.
    #[test]
    fn a_path_of_files_is_no_path_of_a_web_service_besides() {
        let mut config = config();
        config.static_files = files(&["/static", "/files/new"]);
        let webs = vec![web("static", "/static/")];
        config.serves = Some(ServingVersion { slot: Slot::Blue, webs, static_files: files(&["/files"]) });
        assert_eq!(of_webs(&config).len(), 1, "{:?}", of_webs(&config));
        let told: Vec<_> = of_static_files(&config).into_iter().map(|of| (of.path, of.app.blue, of.not_in)).collect();
        let first = "shop_backend";
        let expected =
            [("/files", first, None), ("/files/new", first, None), ("/static", "shop_static", Some(Slot::Blue))];
        assert_eq!(told, expected);
    }

    #[test]
    fn where_nothing_serves_both_slots_are_alike() {
        let mut config = config();
        config.more_webs = vec![web("site", "/site/")];
        assert!(of_webs(&config).iter().all(|(_, leads)| leads.blue == leads.green));
    }
}
