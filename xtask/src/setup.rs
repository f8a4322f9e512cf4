//! The script that prepares a server: folders, the site, the upstream file, the sudo rules. Pure: it is printed, read
//! by a person, and run by root on the server.

use crate::command::quote;
use crate::config::{Config, Switching};
use crate::release::Slot;
use crate::{nginx, script};

/// A bash script for root, that can be run again. `user` is who deploys.
///
/// The site file is written only where none is: a site has certificates and rules of its own. nginx reads
/// `conf.d/*.conf` by itself, so the site does not include the upstream file; including it twice stops nginx with
/// `duplicate upstream`. Where nginx refuses the result, what was there before comes back.
pub fn script(config: &Config, user: &str, switching: Switching) -> String {
    let environment = &config.environment;
    let parts = [
        (
            "# The folder of releases, the switch and the record. nginx must be able to look into it.",
            folders(config, user),
        ),
        ("# nginx: the slots, the switch, and the site where there is none.", nginx_files(config, user, switching)),
        ("# The deploying user may test and reload nginx, nothing else.", sudo_rules(config, user)),
    ];
    let body: String = parts.iter().map(|(why, text)| format!("\n{why}\n{text}")).collect();
    format!(
        "#!/usr/bin/env bash\n\
         # Prepares this server for `cargo xtask deploy --env {}`, {switching} mode. Run as root; can be run again.\n\
         set -euo pipefail\nexport PATH=\"$PATH:/usr/sbin:/sbin\"\n\
         [ \"$(id -u)\" = 0 ] || {{ echo 'run this as root' >&2; exit 1; }}\n{body}\n\
         nginx -s reload\necho 'this server is ready'\n",
        environment.name,
    )
}

fn folders(config: &Config, user: &str) -> String {
    let (user, folder) = (quote(user), quote(&config.environment.folder));
    format!(
        "install -d -m 0755 -o {user} -g \"$(id -gn {user})\" {folder} {folder}/releases {folder}/live\n\
         usermod -aG docker {user}\n"
    )
}

fn nginx_files(config: &Config, user: &str, switching: Switching) -> String {
    let nginx = &config.environment.nginx;
    let include = include_file(config);
    let (upstream_file, site_file) = (quote(&nginx.upstream_file), quote(&nginx.site_file));
    let live = format!("{}/live", config.environment.folder);
    let files = match switching {
        Switching::Reload => reload_files(config, user),
        Switching::Instant => instant_files(config, user, &include),
    };
    let proxy = nginx::proxy_lines(&nginx.upstream, switching);
    let needed = match switching {
        Switching::Reload => proxy.lines().next().unwrap_or_default().trim().to_owned(),
        Switching::Instant => format!("include {include}; {}", proxy.lines().next().unwrap_or_default().trim()),
    };
    format!(
        "if [ -e {site_file} ] && ! grep -qF {target} {site_file}; then\n  echo {needs} >&2\n  exit 1\nfi\n\
         saved=$(mktemp -d)\n\
         for file in {upstream_file} {include} {site_file} {live}/upstream.conf; do\n  \
         if [ -e \"$file\" ] || [ -L \"$file\" ]; then cp -a --parents \"$file\" \"$saved\"; fi\ndone\n\
         restore() {{\n  rm -f {upstream_file} {include} {site_file}\n  (cd \"$saved\" && find . ! -type d -print0 | while IFS= read -r -d '' file; do cp -a \"$file\" \"/$file\"; done)\n  \
         echo 'nginx refuses this, so its files are as they were before' >&2\n  exit 1\n}}\n\
         {files}\
         if [ ! -e {site_file} ]; then\n{site}fi\n\
         nginx -t || restore\nrm -rf \"$saved\"\n",
        include = quote(&include),
        live = quote(&live),
        site = write_file(&nginx.site_file, &site(config, switching)),
        target = quote(&format!(
            "proxy_pass http://{}{};",
            if switching == Switching::Instant { "$" } else { "" },
            nginx.upstream
        )),
        needs = quote(&format!(
            "{} is there and is left alone, but its server block lacks what {switching} mode needs: {needed}; add it, do not reload yet, and run this again",
            nginx.site_file
        )),
    )
}

/// The upstream file that is replaced at each switch lies in the deploying user's own folder; conf.d points to it. One
/// that is there already keeps naming its slot: a set-up must not move the traffic.
fn reload_files(config: &Config, user: &str) -> String {
    let nginx = &config.environment.nginx;
    let place = format!("{}/live/upstream.conf", config.environment.folder);
    let content = nginx::reload_upstream(&nginx.upstream, config.slots, Slot::Blue, nginx.live_port);
    let (file, quoted_place) = (quote(&nginx.upstream_file), quote(&place));
    format!(
        "if [ -e {file} ] && [ ! -L {file} ]; then\n  cp {file} {quoted_place}\nelif [ ! -e {quoted_place} ]; then\n{write}fi\n\
         chown {user}: {quoted_place}\nln -sfn {quoted_place} {file}\n",
        write = write_file(&place, &content),
        user = quote(user),
    )
}

/// Where an upstream file of the reload mode is there, the flag takes over the slot it names.
fn instant_files(config: &Config, user: &str, include: &str) -> String {
    let nginx = &config.environment.nginx;
    let flag = script::flag(config);
    let file = quote(&nginx.upstream_file);
    format!(
        "if grep -q 'upstream {name} ' {file} 2>/dev/null && grep -q '127.0.0.1:{green};' {file}; then\n  \
         install -m 0644 -o {user} /dev/null {quoted_flag}\nfi\n\
         rm -f {file}\n{upstream}mkdir -p /etc/nginx/snippets\n{switch}",
        name = nginx.upstream,
        green = config.slots.green,
        user = quote(user),
        quoted_flag = quote(&flag),
        upstream = write_file(
            &nginx.upstream_file,
            &nginx::instant_upstream(&nginx.upstream, config.slots, &flag, nginx.live_port)
        ),
        switch = write_file(include, &nginx::switch_include(&nginx.upstream, &flag)),
    )
}

fn include_file(config: &Config) -> String {
    format!("/etc/nginx/snippets/{}-switch.conf", config.project.name)
}

fn site(config: &Config, switching: Switching) -> String {
    let environment = &config.environment;
    // `map` stands at the level of all sites, so its variable carries the project's name.
    let variable = format!("{}_upgrade", config.project.name.replace('-', "_"));
    let upstream = &environment.nginx.upstream;
    let proxy = nginx::proxy_lines(upstream, switching).replace("$connection_upgrade", &format!("${variable}"));
    let include = match switching {
        Switching::Reload => String::new(),
        Switching::Instant => format!("    include {};\n", include_file(config)),
    };
    format!(
        "{map}\nserver {{\n    listen 80;\n    server_name {name};\n    client_max_body_size 100m;\n{include}\n    \
         location / {{\n{proxy}    }}\n}}\n",
        map = nginx::upgrade_map(&variable),
        name = environment.url.host,
    )
}

fn sudo_rules(config: &Config, user: &str) -> String {
    let file = quote(&format!("/etc/sudoers.d/{}-deploy", config.project.name));
    format!(
        "rules=$(mktemp)\ncat >\"$rules\" <<'RULES'\n{user} ALL=(root) NOPASSWD: /usr/sbin/nginx -t, /usr/sbin/nginx -s reload\n\
         RULES\nvisudo -cqf \"$rules\"\ninstall -m 0440 -o root -g root \"$rules\" {file}\nrm -f \"$rules\"\n"
    )
}

fn write_file(path: &str, content: &str) -> String {
    format!("cat >{} <<'FILE'\n{content}FILE\n", quote(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::config;

    #[test]
    fn the_script_is_what_was_reviewed() {
        let config = config();
        insta::assert_snapshot!("setup_instant", script(&config, "deploy", Switching::Instant));
        insta::assert_snapshot!("setup_reload", script(&config, "deploy", Switching::Reload));
    }

    #[test]
    fn it_allows_two_commands_and_does_not_include_the_upstream_file_twice() {
        let config = config();
        for switching in [Switching::Instant, Switching::Reload] {
            let script = script(&config, "deploy", switching);
            let rules: Vec<&str> = script.lines().filter(|line| line.contains("NOPASSWD")).collect();
            assert_eq!(rules, ["deploy ALL=(root) NOPASSWD: /usr/sbin/nginx -t, /usr/sbin/nginx -s reload"]);
            assert!(!script.contains("include /etc/nginx/conf.d/"), "conf.d is read by nginx.conf already");
        }
    }
}
