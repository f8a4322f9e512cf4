//! What nginx looks up at each request in the instant mode, and the lines that have it do so.

use super::maintenance;
use crate::rules::release::Slot;

/// What nginx looks up at each request in the instant mode.
#[derive(Clone, Debug)]
pub struct LookUps {
    /// The file whose presence makes green the live slot.
    pub flag: String,
    /// A folder in which the file `<slot>-<secret>` leads who carries that secret to that slot, and `<slot>-share-<number>` a hundredth of all
    /// clients.
    pub routes: String,
    /// The folder of a maintenance.
    pub maintenance: String,
    /// Paths that a maintenance leaves as they are: those of health checks.
    pub always: Vec<String>,
    /// The cookie by which a client is known that has one; all others are by their address.
    pub client_cookie: Option<String>,
    /// What the name of a file begins with that has requests counted; then come ten minutes, as in `2026-01-31T17:4`.
    pub count: String,
    /// Where they are.
    pub log: RequestLog,
}

/// Where nginx writes a line of each request while they are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestLog {
    /// Into this file, by the site's own block.
    InSite(String),
    /// `setup` finds out which block it must be: what a block says of logs takes the place of what is said above it.
    OfServer,
}

/// Stand for the line that writes the log, in the upstream file and in the include; `setup` leaves one of them.
pub const LOG_FOR_ALL: &str = "@LOG_FOR_ALL@";
pub const LOG_IN_SITE: &str = "@LOG_IN_SITE@";

/// The header in nginx's answer that says by what else it can be led, and the word for previews. It is nginx itself that says it: its files may
/// be newer than what it has read.
pub const ROUTES_HEADER: &str = "X-Deploy-Routes";
pub const PREVIEW: &str = "preview";
pub const SHARES: &str = "shares";
pub const MAINTENANCE: &str = "maintenance";
pub const COUNTS: &str = "counts";

/// The header of the tool's own requests, which say nothing of how users are served.
pub const PROBE_HEADER: &str = "X-Deploy-Probe";

/// By which header and cookie a request reaches a version that is held.
pub const PREVIEW_HEADER: &str = "X-Deploy-Preview";
pub const PREVIEW_COOKIE: &str = "deploy_preview";

/// What the names of an upstream's variables begin with. nginx takes at most 46 letters (`variables_hash_bucket_size` 64), and the longest of them is ten
/// longer than this.
pub fn variables_of(upstream: &str) -> String {
    if upstream.len() <= 36 {
        return upstream.to_owned();
    }
    // The same each time, and another one for each (FNV-1a).
    let number = upstream
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("deploy_{number:016x}")
}

/// What stands in the name of a file between the slot and the number of a hundredth.
const SHARE: &str = "share-";

/// Variables for the level of all sites. They become parts of paths, so each is one of what is expected, or a word that no file has.
pub fn maps(upstream: &str, look_ups: &LookUps) -> String {
    let LookUps { log, client_cookie, .. } = look_ups;
    let names = variables_of(upstream);
    let (client, by_cookie) = match client_cookie {
        None => ("remote_addr".to_owned(), String::new()),
        Some(cookie) => {
            let map = format!(
                "map $cookie_{cookie} ${names}_client {{\n    default $cookie_{cookie};\n    '' $remote_addr;\n}}\n"
            );
            (format!("{names}_client"), map)
        }
    };
    let for_all = if *log == RequestLog::OfServer { format!("{LOG_FOR_ALL}\n") } else { String::new() };
    let header = PREVIEW_HEADER.to_ascii_lowercase().replace('-', "_");
    let hundredths: String = (0..99).map(|number| format!("    1% {number};\n")).collect();
    format!(
        "# The secret of a version that is held, in a header or a cookie.\nmap $http_{header} ${names}_said {{\n    default $http_{header};\n    \
         '' $cookie_{PREVIEW_COOKIE};\n}}\nmap ${names}_said ${names}_preview {{\n    default none;\n    \"~^([0-9a-f]{{32}})$\" $1;\n}}\n\
         # In which hundredth of all clients one is.\n{by_cookie}\
         split_clients \"${{{client}}}{upstream}\" ${names}_hundredth {{\n{hundredths}    * 99;\n}}\n\
         # Which ten minutes it is, and what a line of the requests that are counted says.\n\
         map $time_iso8601 ${names}_minutes {{\n    default none;\n    \"~^([0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9])\" $1;\n}}\n\
         log_format {upstream}_requests '${names}_slot $status $upstream_response_time';\n{for_all}"
    )
}

/// The instant mode's include for the site's `server` block.
///
/// Request bodies are not buffered: a buffered upload has chosen its slot but not connected to it yet, so a drain could
/// not see it (ngx_http_proxy_module, `proxy_request_buffering`).
pub fn switch_include<'a>(upstream: &'a str, further: impl IntoIterator<Item = &'a str>, look_ups: &LookUps) -> String {
    let LookUps { flag, routes, count, log, .. } = look_ups;
    let names = variables_of(upstream);
    let slot = format!("{names}_slot");
    let led = |to: Slot, by: &str| format!("if (-f {routes}/{to}-{by}) {{ set ${slot} {to}; }}\n");
    let shares = Slot::BOTH.map(|to| led(to, &format!("{SHARE}${names}_hundredth"))).concat();
    let previews = Slot::BOTH.map(|to| led(to, &format!("${names}_preview"))).concat();
    let targets: String = [upstream]
        .into_iter()
        .chain(further)
        .map(|upstream| format!("set ${upstream} {upstream}_${slot};\n"))
        .collect();
    format!(
        "# The switch: which slot serves is looked up at every request, so moving the traffic needs no reload.\n\
         open_file_cache off;\nset ${slot} blue;\nif (-f {flag}) {{ set ${slot} green; }}\n\
         # A version that is held may have a share of all clients, and has who carries its secret.\n{shares}{previews}{targets}\
         proxy_request_buffering off;\nproxy_http_version 1.1;\n{maintenance}\
         # Whether requests are counted now; those of the tool itself are not, nor those that a closed site turns away.\nset ${names}_counted '';\n\
         if (-f {count}${names}_minutes) {{ set ${names}_counted yes; }}\nif (${names}_closed) {{ set ${names}_counted ''; }}\nif ($http_{probe}) {{ set ${names}_counted ''; }}\n{log}\n",
        maintenance = maintenance::lines(upstream, look_ups),
        probe = PROBE_HEADER.to_ascii_lowercase().replace('-', "_"),
        log = match log {
            RequestLog::InSite(file) => format!("access_log {file} {upstream}_requests if=${names}_counted;"),
            RequestLog::OfServer => LOG_IN_SITE.to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_s_name_is_never_longer_than_nginx_takes() {
        let longest = "hundredth";
        for length in 1..=60 {
            let name = format!("{}_{longest}", variables_of(&"a".repeat(length)));
            assert!(name.len() <= 46, "{name}");
        }
        assert_ne!(variables_of(&"a".repeat(40)), variables_of(&"a".repeat(41)));
        assert_eq!(variables_of("shop_backend"), "shop_backend");
    }
}
