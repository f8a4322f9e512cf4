//! What nginx looks up at each request to know whether the site is closed, for whom, and until when.

use super::look_ups::{LookUps, variables_of};

/// The file whose presence closes the site, in the folder of a maintenance.
pub const CLOSED: &str = "on";
/// What the name of a file begins with that lets an address in; then comes the address, or its first numbers.
pub const LETS_IN: &str = "allow-";
/// A link to the folder of the page. That folder's own name is the only text that nginx can read at a request: after this word it says when
/// the site will be open again.
pub const PAGE: &str = "page";
pub const UNTIL: &str = "until ";

/// How many of an address's four numbers a network may have.
const PARTS: [usize; 3] = [1, 2, 3];

/// Variables for the level of all sites.
pub fn maps(upstream: &str) -> String {
    let names = variables_of(upstream);
    let network = |parts: usize| {
        let numbers = ["[0-9]+"; 3][..parts].join("\\.");
        format!("map $remote_addr ${names}_net{parts} {{\n    default none;\n    \"~^({numbers})\\.\" $1;\n}}\n")
    };
    let networks: String = PARTS.map(network).concat();
    format!(
        "# For a maintenance: networks of IPv4, and when the site will be open again.\n{networks}map $realpath_root ${names}_until {{\n    default '';\n    \
         \"~/{UNTIL}([^/]+)$\" $1;\n}}\n"
    )
}

/// Lines for the site's `server` block. `rewrite` leads to a location of its own, so that what the site says of errors (`error_page`) stays as it is;
/// certificates are renewed meanwhile.
pub fn lines(upstream: &str, look_ups: &LookUps) -> String {
    let LookUps { maintenance: folder, always, .. } = look_ups;
    let names = variables_of(upstream);
    let closed = format!("${names}_closed");
    let open = |condition: String| format!("if ({condition}) {{ set {closed} ''; }}\n");
    let addresses = ["$remote_addr".to_owned()].into_iter().chain(PARTS.map(|parts| format!("${names}_net{parts}")));
    let let_in: String = addresses.map(|address| open(format!("-f {folder}/{LETS_IN}{address}"))).collect();
    let always: String = always.iter().map(|path| open(format!("$uri = \"{path}\""))).collect();
    let own = format!("/.deploy-{upstream}-closed");
    let page = open(format!("$uri ~ ^/\\.deploy-{upstream}-closed/"));
    let certificates = open(r"$uri ~ ^/\.well-known/acme-challenge/".to_owned());
    format!(
        "# Whether the site is closed, and for whom it is open all the same.\nset {closed} '';\nif (-f {folder}/{CLOSED}) {{ set {closed} yes; }}\n\
         {let_in}{always}{certificates}{page}if ({closed}) {{ rewrite ^ {own}/ last; }}\n\
         location = {own}/ {{\n    internal;\n    error_page 503 {own}/index.html;\n    return 503;\n}}\n\
         location = {own}/index.html {{\n    internal;\n    rewrite ^ /index.html break;\n    root {folder}/{PAGE};\n    open_file_cache off;\n    \
         default_type text/html;\n    add_header Retry-After ${names}_until always;\n    add_header Cache-Control no-store always;\n}}\n"
    )
}
