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
/// `duplicate upstream`.
pub fn script(config: &Config, user: &str, switching: Switching) -> String {
    let environment = &config.environment;
    let nginx = &environment.nginx;
    let folder = environment.folder.as_str();
    let flag = script::flag(config);
    let upstream = match switching {
        Switching::Reload => nginx::reload_upstream(&nginx.upstream, config.slots, Slot::Blue, nginx.live_port),
        Switching::Instant => nginx::instant_upstream(&nginx.upstream, config.slots, &flag, nginx.live_port),
    };
    let include_file = format!("/etc/nginx/snippets/{}-switch.conf", config.project.name);
    let (include, include_line) = match switching {
        Switching::Reload => (String::new(), String::new()),
        Switching::Instant => (
            format!("mkdir -p /etc/nginx/snippets\n{}", write_file(&include_file, &nginx::switch_include(&nginx.upstream, &flag))),
            format!("    include {include_file};\n"),
        ),
    };
    let variable = format!("{}_upgrade", config.project.name.replace('-', "_"));
    let proxy = nginx::proxy_lines(&nginx.upstream, switching).replace("$connection_upgrade", &format!("${variable}"));
    let site = format!(
        "{map}\nserver {{\n    listen 80;\n    server_name {name};\n    client_max_body_size 100m;\n{include_line}\n    location / {{\n{proxy}    }}\n}}\n",
        map = nginx::upgrade_map(&variable),
        name = environment.url.host,
    );
    let sudoers = format!("{user} ALL=(root) NOPASSWD: /usr/sbin/nginx -t, /usr/sbin/nginx -s reload\n");
    let sudoers_file = format!("/etc/sudoers.d/{}-deploy", config.project.name);
    let (quoted_folder, quoted_user) = (quote(folder), quote(user));
    // In reload mode the file that is replaced lies in the deploying user's own folder; conf.d only points to it.
    let upstream_place = match switching {
        Switching::Reload => format!("{folder}/live/upstream.conf"),
        Switching::Instant => nginx.upstream_file.clone(),
    };
    let link = match switching {
        Switching::Reload => format!(
            "chown {quoted_user}: {place}\nln -sfn {place} {file}\n",
            place = quote(&upstream_place),
            file = quote(&nginx.upstream_file)
        ),
        Switching::Instant => String::new(),
    };
    format!(
        "#!/usr/bin/env bash\n# Prepares this server for `cargo xtask deploy --env {env}`, {switching} mode. Run as root; can be run again.\n\
         set -euo pipefail\n[ \"$(id -u)\" = 0 ] || {{ echo 'run this as root' >&2; exit 1; }}\n\n\
         # The folder of releases, the switch and the record. nginx must be able to look into it.\n\
         install -d -m 0755 -o {quoted_user} -g \"$(id -gn {quoted_user})\" {quoted_folder} {quoted_folder}/releases {quoted_folder}/live\n\
         usermod -aG docker {quoted_user}\n\n\
         # nginx: the slots, the switch, and the site where there is none.\n{write_upstream}{link}{include}\
         if [ ! -e {site_file} ]; then\n{write_site}else\n  echo {kept}\nfi\n\n\
         # The deploying user may test and reload nginx, nothing else.\n\
         rules=$(mktemp)\ncat >\"$rules\" <<'RULES'\n{sudoers}RULES\nvisudo -cqf \"$rules\"\n\
         install -m 0440 -o root -g root \"$rules\" {sudoers_file}\nrm -f \"$rules\"\n\n\
         nginx -t\nnginx -s reload\necho 'this server is ready'\n",
        env = environment.name,
        write_upstream = unless_linked(&upstream_place, &nginx.upstream_file, &upstream, switching),
        site_file = quote(&nginx.site_file),
        write_site = write_file(&nginx.site_file, &site),
        kept = quote(&format!(
            "{} is there and was left alone; it must contain: {}{}",
            nginx.site_file,
            include_line.trim(),
            nginx::proxy_lines(&nginx.upstream, switching).lines().next().unwrap_or_default()
        )),
        sudoers_file = quote(&sudoers_file),
    )
}

/// In reload mode the upstream file says which slot is live: a second run must not move the traffic.
fn unless_linked(place: &str, file: &str, content: &str, switching: Switching) -> String {
    let write = write_file(place, content);
    match switching {
        Switching::Instant => format!("rm -f {}\n{write}", quote(file)),
        Switching::Reload => format!("if [ ! -L {} ]; then\n{write}fi\n", quote(file)),
    }
}

fn write_file(path: &str, content: &str) -> String {
    format!("cat >{} <<'FILE'\n{content}FILE\n", quote(path))
}
