//! Which route of an app says that it is healthy, as its source has it. A guess: a route may lie below a prefix that another file gives it, and
//! then the first deploy, on the machine of who writes this, does not become healthy.

/// A route, and the file that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub path: String,
    pub file: String,
}

/// How such routes end, the most usual first.
const NAMES: [&str; 15] = [
    "health",
    "healthz",
    "healthcheck",
    "health-check",
    "health_check",
    "_health",
    "readyz",
    "readiness",
    "ready",
    "livez",
    "liveness",
    "alive",
    "heartbeat",
    "up",
    "ping",
];
/// Endings of files that have routes.
const ENDINGS: [&str; 21] = [
    "py", "js", "mjs", "cjs", "ts", "mts", "jsx", "tsx", "go", "rb", "php", "java", "kt", "scala", "rs", "ex", "exs",
    "cs", "fs", "clj", "cr",
];
/// Folders in which a route is asked for, or is somebody else's.
const ELSEWHERE: [&str; 12] = [
    "test",
    "tests",
    "__tests__",
    "spec",
    "e2e",
    "cypress",
    "docs",
    "examples",
    "migrations",
    "node_modules",
    "vendor",
    "xtask",
];
/// What stands before a path that is called, and not served.
const CALLS: [&str; 9] = ["fetch", "axios", "client.", "requests.", "http.get", "httpx.", "got(", "curl", "redirect"];
/// Letters of a line before a literal that are looked at.
const BEFORE: usize = 60;

/// Whether the text of a file is of use here: source that is no test.
pub fn is_read(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_test =
        name.starts_with("test_") || [".test.", ".spec.", "_test.", "_spec."].iter().any(|part| name.contains(part));
    let has_routes = name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
    let is_plain = !path.chars().any(char::is_control);
    is_plain
        && (has_routes || BUILDS.contains(&name))
        && !is_test
        && !folder.split('/').any(|part| ELSEWHERE.contains(&part))
}

/// Files that say which libraries a program of Java has.
const BUILDS: [&str; 3] = ["pom.xml", "build.gradle", "build.gradle.kts"];

/// The likeliest route of these files, each a path and its text.
pub fn find<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Route> {
    let routes = files.flat_map(|(file, text)| {
        let of_text = if is_build(file) { of_a_library(text) } else { of_text(file, text) };
        let all = of_text.into_iter().chain(of_place(file));
        all.map(move |path| Route { path, file: file.to_owned() })
    });
    routes.min_by_key(|Route { path, file }| (rank(path), path.len(), file.len(), file.clone()))
}

fn is_build(file: &str) -> bool {
    BUILDS.contains(&file.rsplit('/').next().unwrap_or_default())
}

/// Spring's library for it has a route of its own.
fn of_a_library(text: &str) -> Vec<String> {
    if text.contains("spring-boot-starter-actuator") { vec!["/actuator/health".to_owned()] } else { Vec::new() }
}

/// The place of the last part among the names; none: it is no such route.
fn place(path: &str) -> Option<usize> {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    NAMES.iter().position(|name| *name == last)
}

fn rank(path: &str) -> usize {
    place(path).unwrap_or(NAMES.len())
}

/// Literals that are such a path.
fn of_text(file: &str, text: &str) -> Vec<String> {
    let prefix = prefix(text);
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.len() <= 500) {
        let trimmed = line.trim_start();
        if ["#", "//", "*", "--"].iter().any(|comment| trimmed.starts_with(comment)) && !trimmed.starts_with("#[") {
            continue;
        }
        for (before, literal) in literals(line) {
            let Some(path) = as_path(file, before, literal) else { continue };
            let is_of_the_app = before.contains("app.") || before.trim_end().ends_with("path(");
            found.push(match &prefix {
                Some(prefix) if !is_of_the_app => format!("{prefix}{path}"),
                _ => path,
            });
        }
    }
    found
}

/// The texts between quotes, each with what stands before it in its line.
fn literals(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = line[at..].find(['"', '\'', '`']).map(|offset| at + offset) {
        let quote = &line[start..=start];
        let Some(end) = line[start + 1..].find(quote).map(|offset| start + 1 + offset) else { break };
        let from = line[..start].char_indices().rev().take(BEFORE).last().map_or(0, |(from, _)| from);
        found.push((&line[from..start], &line[start + 1..end]));
        at = end + 1;
    }
    found
}

/// A literal as a path that is served.
fn as_path(file: &str, before: &str, literal: &str) -> Option<String> {
    let lower = before.to_lowercase();
    if CALLS.iter().any(|call| lower.contains(call)) || is_import(before) {
        return None;
    }
    // Go's router takes the method along.
    let literal = literal.strip_prefix("GET ").unwrap_or(literal);
    let is_plain = !literal.is_empty() && literal.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
    place(literal).filter(|_| is_plain)?;
    if literal.starts_with('/') {
        return Some(literal.to_owned());
    }
    // Where routes are written without their first slash.
    let before = before.trim_end();
    let relative = before.ends_with("path(")
        || ["@Get(", "@Controller(", "Mapping("].iter().any(|word| before.ends_with(word))
        || (file.ends_with(".rb") && before.trim_start() == "get");
    relative.then(|| format!("/{literal}"))
}

/// A module of that name.
fn is_import(before: &str) -> bool {
    let before = before.trim_end();
    before.ends_with("import") || before.ends_with("from") || before.ends_with("require(")
}

/// What a router of the same file puts before its routes.
fn prefix(text: &str) -> Option<String> {
    let marks = ["prefix=", "url_prefix=", "@RequestMapping(", "prefix: "];
    let line = text.lines().find(|line| marks.iter().any(|mark| line.contains(mark)))?;
    let (mark, at) = marks.iter().find_map(|mark| Some((*mark, line.find(mark)?)))?;
    let rest = line[at + mark.len()..].strip_prefix(['"', '\''])?;
    let end = rest.find(['"', '\''])?;
    let path = rest[..end].trim_end_matches('/');
    let is_plain = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
    is_plain.then(|| path.to_owned())
}

/// A route that is a file: of Next.js and SvelteKit.
fn of_place(file: &str) -> Option<String> {
    let file = file.rsplit_once("src/").map_or(file, |(_, rest)| rest);
    let (stem, ending) = file.rsplit_once('.')?;
    if !["js", "ts"].contains(&ending) {
        return None;
    }
    let path =
        [("app/", "/route"), ("pages/api/", ""), ("routes/", "/+server")].into_iter().find_map(|(root, leaf)| {
            let inside = stem.strip_prefix(root)?.strip_suffix(leaf)?;
            Some(if root == "pages/api/" { format!("/api/{inside}") } else { format!("/{inside}") })
        })?;
    place(&path).map(|_| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Option<String> {
        find([(file, text)].into_iter().filter(|(file, _)| is_read(file))).map(|route| route.path)
    }

    #[test]
    fn frameworks_write_their_routes_in_these_ways() {
        for (file, text, path) in [
            ("app/main.py", "@app.get(\"/health\")\ndef health(): ...", "/health"),
            ("shop/urls.py", "urlpatterns = [path(\"healthz/\", views.healthz)]", "/healthz/"),
            ("api/status.py", "router = APIRouter(prefix=\"/api/v1\")\n@router.get('/ping')", "/api/v1/ping"),
            ("views.py", "bp = Blueprint('ops', __name__, url_prefix='/ops')\n@bp.route('/health')", "/ops/health"),
            ("server.js", "app.get('/healthcheck', (q, a) => a.send('ok'))", "/healthcheck"),
            ("src/health.controller.ts", "@Controller('health')\nexport class A {}", "/health"),
            ("main.go", "mux.HandleFunc(\"GET /healthz\", healthz)", "/healthz"),
            ("config/routes.rb", "  get \"up\" => \"rails/health#show\", as: :rails_health_check", "/up"),
            ("bootstrap/app.php", "        health: '/up',", "/up"),
            ("pom.xml", "<artifactId>spring-boot-starter-actuator</artifactId>", "/actuator/health"),
            ("src/main.rs", ".route(\"/health\", get(health))", "/health"),
            ("Program.cs", "app.MapHealthChecks(\"/healthz\");", "/healthz"),
            ("lib/web/router.ex", "    get \"/health\", HealthController, :show", "/health"),
            ("src/app/api/health/route.ts", "export const GET = () => new Response()", "/api/health"),
            ("web/src/routes/healthz/+server.js", "", "/healthz"),
            ("pages/api/health.js", "", "/api/health"),
        ] {
            assert_eq!(found(file, text).as_deref(), Some(path), "{file}: {text}");
        }
    }

    #[test]
    fn what_asks_for_a_route_has_none() {
        for (file, text) in [
            ("tests/test_health.py", "client.get('/health')"),
            ("app/test_main.py", "x.get('/health')"),
            ("front/main.js", "await fetch('/api/health')"),
            ("watch.py", "requests.get('http://db/health')"),
            ("main.py", "# @app.get('/health') is not here yet"),
            ("main.js", "import up from './up'\nconst label = 'health'"),
            ("docs/conf.py", "x = '/health'"),
            ("main.py", "it's /health without an end"),
            ("é.py", "é'é' 'é"),
        ] {
            assert_eq!(found(file, text), None, "{file}: {text}");
        }
    }

    #[test]
    fn of_several_the_most_usual_is_taken() {
        let files = [("b.py", "get('/ping')\nget('/healthz')"), ("a.py", "get('/api/healthz')")];
        let route = find(files.into_iter()).unwrap();
        assert_eq!((route.path.as_str(), route.file.as_str()), ("/healthz", "b.py"));
    }
}
