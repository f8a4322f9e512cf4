//! Health of any kind: a page, a header, a port alone.

use serde_json::Value;

use crate::support::load::{BOTH, Load, assert_none_failed};
use crate::support::project::Project;
use crate::support::team::Team;

/// Requests a second by each kind of client.
const RATE: u32 = 40;

/// A route that answers with a page, to whom the app knows by a header.
const PAGE: &str = "\n\nfrom fastapi import Request\nfrom fastapi.responses import HTMLResponse\n\n\n@router.get(\"/up\")\nasync def up(request: Request) -> HTMLResponse:\n    known = request.headers.get(\"x-probe\") == \"deploy\"\n    return HTMLResponse(\"<h1>Welcome</h1>\" if known else \"who are you?\", status_code=203 if known else 401, headers={\"X-App\": \"up\"})\n";

const HEALTH: &str = "[health]\ntimeout = 30\n";

/// Deploys twice, the second time under load, which goes on. Gives the first report.
fn two_versions(project: &Project) -> (Value, Load) {
    let first = project.deploy();
    assert_eq!(first["receipt"]["failed"], 0, "{first:#}");
    project.status();
    let load = Load::start(&project.address(), &BOTH, RATE);
    project.new_version("the second");
    let second = project.deploy();
    assert_eq!((&second["receipt"]["failed"], &second["from_release"]), (&0.into(), &first["release"]), "{second:#}");
    (first, load)
}

#[test]
fn an_app_that_answers_with_a_page_is_judged_by_it() {
    let project = Project::new("instant");
    let service = "backend/app/routes/service.py";
    let text = std::fs::read_to_string(project.root().join(service)).unwrap();
    project.write(service, &format!("{text}{PAGE}"));
    let asked = "path = \"/up\"\nheaders = { X-Probe = \"deploy\" }\nstatus = [200, 203]\nexpect_text = \"Welcome\"\nexpect_headers = { X-App = \"up\" }\n";
    project.rewrite("deploy.toml", HEALTH, &format!("{HEALTH}{asked}"));
    project.commit("with a page");
    let (first, load) = two_versions(&project);
    project.xtask(&["rollback"]).must_end_with(0);
    // What is not as expected is told, and what would help.
    project.rewrite("deploy.toml", "timeout = 30", "timeout = 5");
    for (from, to, told) in [
        ("<h1>Welcome</h1>", "<h1>Sorry</h1>", &["\"Welcome\" is not in the body", "expect_text"][..]),
        ("\"X-App\": \"up\"", "\"X-App\": \"down\"", &["the header X-App is not \"up\" but: down"]),
        ("status_code=203", "status_code=204", &["status 204", "`[health] status`"]),
    ] {
        project.change(service, from, to);
        let failed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
        failed.must_say(&["GET /up on port"]).must_say(told);
        project.forget_last_commit();
    }
    assert_none_failed("an app with a page", &load.finish(), &BOTH);
    assert_eq!(project.status()["live_release"], first["release"]);
}

#[test]
fn where_nothing_can_be_asked_a_port_that_keeps_its_connections_is_healthy() {
    let project = Project::new("instant");
    project.rewrite("deploy.toml", HEALTH, "[health]\ntimeout = 8\nconnect = true\n");
    project.commit("without a route");
    let (first, load) = two_versions(&project);
    // Docker takes connections for this one too.
    project.change("backend/Dockerfile", "CMD [\"gunicorn\", \"app.main:app\"]", "CMD [\"sleep\", \"600\"]");
    let failed = project.xtask(&["deploy", "--skip-tests"]).must_end_with(16);
    failed.must_say(&["A connection to port", "takes connections and closes them at once", "`[project] web_port`"]);
    project.forget_last_commit();
    project.xtask(&["rollback"]).must_end_with(0);
    assert_none_failed("an app without a route", &load.finish(), &BOTH);
    assert_eq!(project.status()["live_release"], first["release"]);
}
