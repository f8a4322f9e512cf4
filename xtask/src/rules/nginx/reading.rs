//! What nginx's answer and its files say: which slot they name, and which mode a site is in.

use super::look_ups;
use crate::rules::config::{Slots, SwitchMode};
use crate::rules::release::Slot;

/// The slot in nginx's answer `NAME SLOT`. An answer of another name is none.
pub fn slot_in_answer(answer: &str, name: &str) -> Option<Slot> {
    let (of, slot) = answer.trim().split_once(' ')?;
    (of == name).then(|| Slot::from_name(slot)).flatten()
}

/// Which mode a site file is in: `proxy_pass` to the upstream, or to the variable that the switch include sets.
pub fn switching_of_site(site: &str, upstream: &str) -> Option<SwitchMode> {
    let passes = |target: &str| {
        directives(site).any(|line| {
            line.strip_prefix("proxy_pass")
                .map(str::trim)
                .is_some_and(|to| to.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        })
    };
    if passes(&format!("http://${upstream}")) {
        Some(SwitchMode::Instant)
    } else if passes(&format!("http://{upstream}")) {
        Some(SwitchMode::Reload)
    } else {
        None
    }
}

/// Variables to which a `server` block passes requests without setting them, by itself or by a file that it includes, while another block
/// does: nginx knows a variable in all blocks once one sets it, and where it is not set passes to nowhere. `included`: what the site
/// includes, by path. A block that includes something else as well may set it there.
pub fn passes_without_switch<'a>(site: &str, variables: &[&'a str], included: &[(String, String)]) -> Vec<&'a str> {
    let blocks = server_blocks(site);
    let files = |block: &str| -> Vec<Option<&str>> {
        let paths = directives(block).filter_map(|line| line.strip_prefix("include ")).map(|path| match path.trim() {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => format!("/etc/nginx/{relative}"),
        });
        let text = |path: String| included.iter().find(|(known, _)| *known == path).map(|(_, text)| text.as_str());
        paths.map(text).collect()
    };
    let sets = |block: &str, variable: &str| {
        let own = format!("${variable}");
        let texts = files(block).into_iter().flatten().chain([block]);
        texts
            .into_iter()
            .any(|text| directives(text).any(|line| line.split_whitespace().take(2).eq(["set", own.as_str()])))
    };
    let is_known = |block: &str| {
        files(block)
            .iter()
            .all(|text| text.is_some_and(|text| !directives(text).any(|line| line.starts_with("include "))))
    };
    let without = |variable: &&&str| {
        blocks.iter().any(|block| sets(block, variable))
            && blocks.iter().any(|block| {
                switching_of_site(block, variable) == Some(SwitchMode::Instant)
                    && !sets(block, variable)
                    && is_known(block)
            })
    };
    variables.iter().filter(without).copied().collect()
}

/// The inside of each `server` block.
fn server_blocks(text: &str) -> Vec<String> {
    let uncommented: String =
        text.lines().map(|line| line.split('#').next().unwrap_or_default().to_owned() + "\n").collect();
    let (mut blocks, mut depth, mut begun) = (Vec::new(), 0_usize, None);
    let mut head = 0;
    for (at, letter) in uncommented.char_indices() {
        match letter {
            '{' => {
                if begun.is_none() && uncommented[head..at].trim() == "server" {
                    begun = Some((at + 1, depth));
                }
                depth += 1;
            }
            '}' => {
                depth = depth.saturating_sub(1);
                if let Some((from, _)) = begun.filter(|(_, outside)| *outside == depth) {
                    blocks.push(uncommented[from..at].to_owned());
                    begun = None;
                }
            }
            ';' => {}
            _ => continue,
        }
        head = at + 1;
    }
    blocks
}

/// Whether the text turns nginx's memory of file lookups off. It is inherited where nothing else is said, and with it a
/// flag that came or went would be seen up to a minute later (ngx_http_core_module, `open_file_cache`,
/// `open_file_cache_valid`).
///
/// What a `location` says counts for that alone.
pub fn looks_up_uncached(text: &str) -> bool {
    let mut outside = String::new();
    let mut within = 0_usize;
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let locations = line.trim_start().starts_with("location");
        if within == 0 && !locations {
            outside.push_str(line);
            outside.push('\n');
            continue;
        }
        within = (within + line.matches('{').count()).saturating_sub(line.matches('}').count());
    }
    directives(&outside).any(|line| line.split_whitespace().eq(["open_file_cache", "off"]))
}

/// The paths below which a site, or what it includes, has nginx serve the files of slots.
pub fn static_paths(text: &str, upstream: &str) -> Vec<String> {
    let files = format!("/${}_slot$uri", look_ups::variables_of(upstream));
    let (mut path, mut found) = (None, Vec::new());
    for directive in directives(text) {
        if let Some(location) = directive.strip_prefix("location ") {
            path = location.trim().strip_suffix('/').filter(|path| path.starts_with('/'));
        } else if directive.starts_with("try_files") && directive.contains(&files) {
            found.extend(path.map(str::to_owned));
        }
    }
    found
}

/// The flag that an upstream file of the instant mode looks for.
pub fn flag_of_upstream(text: &str) -> Option<String> {
    let test = directives(text).find_map(|line| line.strip_prefix("if (-f ").map(str::to_owned))?;
    Some(test.trim_end().strip_suffix(')')?.trim().to_owned())
}

/// The port on which nginx says which slot it obeys, as the upstream file names it.
pub fn live_port_in(text: &str) -> Option<u16> {
    directives(text).find_map(|line| line.strip_prefix("listen 127.0.0.1:")?.parse().ok())
}

/// The slot whose port the upstream file of the reload mode names, also where a person wrote it.
pub fn slot_in_upstream(text: &str, upstream: &str, slots: Slots) -> Option<Slot> {
    let mut inside = false;
    for directive in directives(text) {
        if let Some(name) = directive.strip_prefix("upstream") {
            inside = name.trim() == upstream;
        } else if let (true, Some(server)) = (inside, directive.strip_prefix("server ")) {
            let address = server.split_whitespace().next().unwrap_or_default();
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            return Slot::BOTH.into_iter().find(|slot| port == Some(slots.port(*slot)));
        }
    }
    None
}

/// Each directive, or block head, without comments. No quoting is understood: neither file needs it.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split(['{', '}', ';']))
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::config::SiteUrl;
    use crate::rules::nginx::look_ups::RequestLog;
    use crate::rules::nginx::routes::{Choices, Leads};
    use crate::rules::nginx::{LookUps, Upstream, private_site};

    const SLOTS: Slots = Slots { blue: 8000, green: 8001 };
    const UPSTREAM: Upstream =
        Upstream { name: "gifty", upstream: "gifty_backend", slots: SLOTS, live_port: 8002, more_webs: &[] };

    fn look_ups() -> LookUps {
        LookUps {
            flag: "/srv/live/green".into(),
            routes: "/srv/live/routes".into(),
            maintenance: "/srv/live/maintenance".into(),
            always: vec!["/health".into()],
            client_cookie: None,
            count: "/srv/live/count-".into(),
            log: RequestLog::OfServer,
        }
    }

    #[test]
    fn an_answer_of_another_environment_is_none() {
        for answer in ["gifty-staging blue", "gift blue", "blue", "gifty", "gifty red", ""] {
            assert_eq!(slot_in_answer(answer, "gifty"), None, "{answer:?}");
        }
    }

    #[test]
    fn the_upstream_file_says_which_slot_it_names() {
        for slot in Slot::BOTH {
            let file = UPSTREAM.reload(slot);
            assert_eq!(slot_in_upstream(&file, "gifty_backend", SLOTS), Some(slot), "{file}");
            assert_eq!(slot_in_answer(&format!("gifty {slot}\n"), "gifty"), Some(slot));
        }
        assert_eq!(flag_of_upstream(&UPSTREAM.instant(&look_ups())).as_deref(), Some("/srv/live/green"));
        assert_eq!(flag_of_upstream(&UPSTREAM.reload(Slot::Blue)), None);
        let by_hand = "upstream other { server 127.0.0.1:8001; }\n# upstream gifty_backend { server x:8001; }\n\
                       upstream gifty_backend { server 127.0.0.1:8000 weight=1; }";
        assert_eq!(slot_in_upstream(by_hand, "gifty_backend", SLOTS), Some(Slot::Blue));
        assert_eq!(slot_in_upstream("", "gifty_backend", SLOTS), None);
        let elsewhere = "upstream gifty_backend { server 10.0.0.1:9000; }";
        assert_eq!(slot_in_upstream(elsewhere, "gifty_backend", SLOTS), None);
    }

    #[test]
    fn a_server_block_that_passes_to_the_switch_has_to_include_it() {
        let block = |inside: &str| format!("server {{\n  listen 80; # server {{\n  location / {{ {inside} }}\n}}\n");
        let switch = [("/etc/nginx/snippets/a.conf".to_owned(), "set $a a_blue;\nset $b b_blue;".to_owned())];
        let without = |site: &str| passes_without_switch(site, &["a", "b"], &switch);
        let with = format!("server {{ include /etc/nginx/snippets/a.conf; {}", &block("proxy_pass http://$a;")[8..]);
        assert_eq!(without(&with), [""; 0]);
        assert_eq!(without(&(with.clone() + &block("proxy_pass http://$b;"))), ["b"]);
        assert_eq!(without(&(with.clone() + &block("set $b x; proxy_pass http://$b;"))), [""; 0]);
        assert_eq!(without(&(with.clone() + &block("proxy_pass http://b;"))), [""; 0]);
        // Where it cannot be known, nothing is said.
        assert_eq!(without(&block("proxy_pass http://$b;")), [""; 0]);
        assert_eq!(without(&(with.clone() + &block("include more/*.conf; proxy_pass http://$a;"))), [""; 0]);
        let relative = with.replace("/etc/nginx/", "");
        assert_eq!(without(&(relative + &block("proxy_pass http://$a;"))), ["a"]);
    }

    #[test]
    fn what_a_location_says_of_lookups_is_its_own() {
        let own = "location /static/ {\n    open_file_cache off;\n}\n";
        assert!(!looks_up_uncached(own));
        assert!(!looks_up_uncached("server {\n    location / { open_file_cache off; }\n}\n"));
        assert!(looks_up_uncached(&format!("{own}open_file_cache off;\n")));
    }

    #[test]
    fn the_mode_is_read_from_the_site_file() {
        let site = |target: &str| format!("server {{\n  location / {{ proxy_pass {target}; }}\n}}");
        let mode = |target: &str| switching_of_site(&site(target), "gifty_backend");
        assert_eq!(mode("http://gifty_backend"), Some(SwitchMode::Reload));
        assert_eq!(mode("http://gifty_backend/"), Some(SwitchMode::Reload));
        assert_eq!(mode("http://$gifty_backend"), Some(SwitchMode::Instant));
        assert_eq!(mode("http://127.0.0.1:8000"), None);
        assert_eq!(mode("http://gifty_backend_old"), None);
        assert_eq!(switching_of_site("# proxy_pass http://gifty_backend;", "gifty_backend"), None);
        for switching in [SwitchMode::Reload, SwitchMode::Instant] {
            let url = SiteUrl { tls: false, host: "localhost".into(), port: 8080, path: String::new() };
            let routes = [("/", Leads { blue: "gifty_backend", green: "gifty_backend" })];
            let choices = Choices::new("gifty_backend", switching);
            let ours = private_site(&UPSTREAM, &look_ups(), &url, "", &routes, choices);
            assert_eq!(switching_of_site(&ours, "gifty_backend"), Some(switching), "{ours}");
        }
    }
}
