//! Reads what `inspect.sh` prints: a line per fact, its fields apart by tabs.

use anyhow::{Context, Result, bail};

use super::{Observed, Ports, PulledImage, StoredRelease, containers};
use crate::rules::config::{Config, NginxOwner, Slots, SwitchMode};
use crate::rules::health::Answer;
use crate::rules::maintenance::Closed;
use crate::rules::nginx;
use crate::rules::release::settings::Settings;
use crate::rules::release::{ReleaseId, Slot};
use crate::rules::script;
use crate::rules::secret::Secret;
use crate::rules::utc;

/// Reads what `inspect.sh` printed.
///
/// # Errors
/// When the text is cut short or a line is not what the script prints: never guessed around.
pub fn parse(text: &str, config: &Config) -> Result<Observed> {
    // A field may end with a carriage return, which `lines` would take for a part of the line's end.
    let Some(text) = text.strip_suffix('\n').filter(|text| text.split('\n').next_back() == Some("end")) else {
        bail!("the host's report is cut short");
    };
    let mut observed =
        Observed { folder: config.environment.folder.clone(), asked: config.health.clone(), ..Observed::default() };
    let mut files = FilesOfNginx::default();
    observed.ports = ports(text);
    let resolved = observed.ports.as_ref().map(|ports| config.with_ports(ports.slots, ports.live, &ports.further));
    let config = resolved.as_ref().unwrap_or(config);
    // docker prints an empty line for a container that has gone since it was listed.
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let read = || format!("reading the host's report, a line `{}`", kind_of_line(&fields));
        if capacity(&fields, &mut observed).with_context(read)?
            || files.read(&fields, config, &mut observed)
            || looked_up(&fields, &mut observed)
        {
            continue;
        }
        match fields[..] {
            ["folder", place] => observed.folder = place.to_owned(),
            ["live", answer] => {
                observed.said = Some(answer.to_owned()).filter(|answer| !answer.is_empty());
                observed.running_slot = nginx::slot_in_answer(answer, &config.project.name);
            }
            ["bypass", line] => observed.bypasses.push(line.to_owned()),
            ["site-of", file] => observed.site_of_another = Some(file.to_owned()),
            ["site-answer", text] => observed.site = read_answer(&lines(text)),
            ["volume", project, name] => observed.volumes.push((project.to_owned(), name.to_owned())),
            ["file-cache", line] => observed.file_cache = Some(line.to_owned()).filter(|line| !line.is_empty()),
            ["machine", names] => {
                observed.processors = names.split(' ').flat_map(processors).map(str::to_owned).collect()
            }
            ["user", name] => observed.user = name.to_owned(),
            ["unwritable", place] => observed.unwritable.push(place.to_owned()),
            ["unwritable-upstream", place] => observed.unwritable_upstream = Some(place.to_owned()),
            ["curl", _] => observed.curl = true,
            ["nginx", _] => observed.nginx_running = true,
            ["nginx-problem", problem] => observed.nginx_problem = Some(problem.to_owned()),
            ["compose", tool] => observed.compose = Some(tool.to_owned()).filter(|tool| !tool.is_empty()),
            ["engine", name] => observed.podman = name == "podman",
            ["docker-problem", problem] => observed.docker_problem = Some(problem.trim().to_owned()),
            ["container", ..] => containers::read(&fields, config, &mut observed).with_context(read)?,
            ["release", ..] => observed.releases.extend(read_release(&fields).with_context(read)?),
            ["listening", port] => {
                observed.listening.extend(slot_of(port, config));
                observed.listening_ports.extend(port.parse::<u16>().ok());
            }
            ["connectable", port] => observed.connectable.extend(slot_of(port, config)),
            ["answer", port, text] => observed.answers.extend(slot_of(port, config).zip(read_answer(&lines(text)))),
            ["last-record", record] => observed.last_record = Some(record.to_owned()).filter(|text| !text.is_empty()),
            ["end"] | ["docker", _] | ["ports", _] | ["further", _] => {}
            // The line itself may hold anything, an `.env` for one.
            _ => bail!("the host's report has a line `{}` of {} fields", kind_of_line(&fields), fields.len()),
        }
    }
    containers::tell_webs_apart(config, &mut observed);
    files.conclude(config, &mut observed);
    Ok(observed)
}

/// What is read of nginx's files.
#[derive(Default)]
struct FilesOfNginx {
    upstream: String,
    /// The flag of the instant mode is there.
    flag: bool,
    site: String,
    /// What the site includes, by path.
    included: Vec<(String, String)>,
}

impl FilesOfNginx {
    /// Reads a line of one of them. `false`: it is another one.
    fn read(&mut self, fields: &[&str], config: &Config, observed: &mut Observed) -> bool {
        match fields[..] {
            ["flag", _] => self.flag = true,
            ["upstream", text] => {
                self.upstream = lines(text);
                let own = script::flag(config);
                observed.flag_elsewhere = nginx::flag_of_upstream(&self.upstream).filter(|flag| *flag != own);
            }
            ["site", text] => {
                observed.site_file_found = !text.is_empty();
                self.site = lines(text);
                observed.switching = nginx::switching_of_site(&self.site, &config.environment.nginx.upstream);
                site_says(&self.site, config, observed);
            }
            ["included", path, text] => {
                site_says(&lines(text), config, observed);
                self.included.push((path.to_owned(), lines(text)));
            }
            _ => return false,
        }
        true
    }

    /// What follows from all of them.
    fn conclude(&self, config: &Config, observed: &mut Observed) {
        let further = config.more_webs.iter().map(|web| web.upstream.as_str());
        let variables: Vec<&str> = further.chain([config.environment.nginx.upstream.as_str()]).collect();
        let without = nginx::passes_without_switch(&self.site, &variables, &self.included);
        observed.without_switch = without.into_iter().map(str::to_owned).collect();
        let mode = switching(config, observed);
        observed.configured_slot = mode.and_then(|mode| configured_slot(mode, self.flag, &self.upstream, config));
    }
}

/// What a site, or a file that it includes, turns on for it.
fn site_says(text: &str, config: &Config, observed: &mut Observed) {
    observed.lookups_uncached |= nginx::looks_up_uncached(text);
    let known = observed.ports.iter().flat_map(|ports| ports.further.keys());
    let upstreams = config.more_webs.iter().map(|web| &web.upstream).chain(known);
    // In the way of the other mode, it would not move with the first one.
    let moves = |upstream: &&String| {
        let mode = nginx::switching_of_site(text, upstream);
        mode.is_some() && mode == observed.switching
    };
    let routed: Vec<String> = upstreams.filter(moves).cloned().collect();
    observed.routed.extend(routed);
    observed.static_paths.extend(nginx::static_paths(text, &config.environment.nginx.upstream));
}

/// What docker calls the processors that a machine of this name runs programs for: its own, and the smaller one before it.
fn processors(machine: &str) -> Vec<&str> {
    match machine {
        "x86_64" => vec!["amd64", "386"],
        "i386" | "i486" | "i586" | "i686" => vec!["386"],
        "aarch64" => vec!["arm64", "arm"],
        "armv6l" | "armv7l" => vec!["arm"],
        "loongarch64" => vec!["loong64"],
        "" => Vec::new(),
        other => vec![other],
    }
}

/// The first field, where it is a word of the script; it may be a part of anything.
fn kind_of_line<'a>(fields: &[&'a str]) -> &'a str {
    let is_word = |text: &&str| text.len() <= 24 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    fields.first().copied().filter(is_word).unwrap_or("that is none of its own")
}

/// The mode in which files name a slot: those of the other mode name none.
fn switching(config: &Config, observed: &mut Observed) -> Option<SwitchMode> {
    let found = observed.switching;
    if let NginxOwner::Private(switching) = config.environment.nginx.owner {
        observed.switching = Some(switching);
        observed.site_file_found = true;
    }
    observed.switching.filter(|mode| found.is_none_or(|found| found == *mode))
}

/// Reads a line of what nginx looks up at each request besides the switch. `false`: it is another one.
fn looked_up(fields: &[&str], observed: &mut Observed) -> bool {
    match fields[..] {
        ["routes", words] => {
            let knows = |wanted: &str| words.split(' ').any(|word| word == wanted);
            observed.leads_previews = knows(nginx::PREVIEW);
            observed.gives_shares = knows(nginx::SHARES);
            observed.can_close = knows(nginx::MAINTENANCE);
            observed.counts_requests = knows(nginx::COUNTS);
        }
        ["maintenance", since, until, lets_in] => {
            let since = since.parse().ok().and_then(utc::from_seconds).map(utc::rfc3339).unwrap_or_default();
            let until = Some(until.to_owned()).filter(|until| !until.is_empty());
            observed.maintenance =
                Some(Closed { since, until, lets_in: lets_in.split_whitespace().map(str::to_owned).collect() });
        }
        ["share", slot, percent] => {
            observed
                .shares
                .extend(Slot::from_name(slot).zip(percent.parse().ok()).filter(|(_, percent)| *percent <= 100));
        }
        ["preview", slot] => observed.previews.extend(Slot::from_name(slot)),
        _ => return false,
    }
    true
}

/// Reads a line of what there is of disk and memory, and what a version takes. `false`: it is another one.
fn capacity(fields: &[&str], observed: &mut Observed) -> Result<bool> {
    let capacity = &mut observed.capacity;
    match fields[..] {
        ["image", bytes, tags] => {
            let bytes = bytes.parse()?;
            let tags: Vec<String> = serde_json::from_str(tags)?;
            observed.images.extend(tags.into_iter().map(|tag| (tag, bytes)));
        }
        ["memory", id, bytes] => drop(capacity.memory_used.insert(id.to_owned(), bytes.parse()?)),
        ["memory-free", bytes] => {
            let bytes: u64 = bytes.parse()?;
            capacity.memory_free = Some(capacity.memory_free.unwrap_or_default().saturating_add(bytes));
        }
        ["docker-disk-free", bytes, place] => capacity.docker_disk = Some((bytes.parse()?, place.to_owned())),
        ["disk-free", bytes, place] => {
            observed.disk_free = bytes.parse()?;
            capacity.releases_place = place.to_owned();
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn slot_of(port: &str, config: &Config) -> Option<Slot> {
    Slot::BOTH.into_iter().find(|slot| config.slots.port(*slot).to_string() == port)
}

/// The slot that nginx's files name.
fn configured_slot(mode: SwitchMode, flag: bool, upstream: &str, config: &Config) -> Option<Slot> {
    match mode {
        SwitchMode::Instant => Some(if flag { Slot::Green } else { Slot::Blue }),
        SwitchMode::Reload => nginx::slot_in_upstream(upstream, &config.environment.nginx.upstream, config.slots),
    }
}

/// A file's text travels as one field: its line ends as carriage returns, its tabs as spaces.
fn lines(text: &str) -> String {
    text.replace('\r', "\n")
}

/// The ports that nginx's file names: the first web service's, its own, those of further ones.
fn ports(text: &str) -> Option<Ports> {
    let numbers = |line: &str| line.split(' ').filter_map(|number| number.parse().ok()).collect::<Vec<u16>>();
    let line = text.split('\n').find_map(|line| line.strip_prefix("ports\t"))?;
    let [blue, green, live] = numbers(line)[..] else { return None };
    let further = text.split('\n').filter_map(|line| line.strip_prefix("further\t")?.split_once(' '));
    let pair = |(upstream, pair): (&str, &str)| {
        let [blue, green] = numbers(pair)[..] else { return None };
        Some((upstream.to_owned(), Slots { blue, green }))
    };
    Some(Ports { slots: Slots { blue, green }, live, further: further.filter_map(pair).collect() })
}

/// A folder that is not named like a release was not made by us and is left alone.
fn read_release(fields: &[&str]) -> Result<Option<StoredRelease>> {
    let [_, id, env_sum, files_sum, known_good_at, built, pulled, settings, env, files] = fields[..] else {
        bail!("a release with {} fields", fields.len());
    };
    let Ok(id) = ReleaseId::parse(id) else { return Ok(None) };
    Ok(Some(StoredRelease {
        id,
        env_sum: env_sum.to_owned(),
        files_sum: files_sum.to_owned(),
        known_good_at: known_good_at.parse().ok(),
        built: unescaped(built).lines().map(str::to_owned).filter(|repository| !repository.is_empty()).collect(),
        pulled: unescaped(pulled).lines().filter_map(read_pulled).collect(),
        settings: Settings::read(&unescaped(settings)),
        env: Secret::new(unescaped(env)),
        files: Secret::new(unescaped(files)),
    }))
}

/// A service, then its image.
fn read_pulled(line: &str) -> Option<PulledImage> {
    let [_, reference, digest, there] = line.split('\t').collect::<Vec<&str>>().try_into().ok()?;
    Some(PulledImage { reference: reference.to_owned(), digest: digest.to_owned(), is_there: there == "there" })
}

/// A field in which tabs, line ends and `\` are written with a `\` before them.
pub(in crate::rules) fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('r') => '\r',
                Some('n') => '\n',
                Some(other) => other,
                None => break,
            },
            _ => letter,
        });
    }
    text
}

/// What is no answer over HTTP is none: it is not healthy.
fn read_answer(text: &str) -> Option<Answer> {
    // Its length is not what it was: carriage returns were taken out on its way.
    Answer::parse(text, usize::MAX).ok()
}
