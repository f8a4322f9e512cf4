//! Several web services: in the mode that reloads, by both kinds of compose, and on a server where one of them has served before.

use crate::several_webs::{move_together, paths_change};
use crate::support::load::{Address, Client, Load, Page, assert_none_failed};
use crate::support::project::Project;
use crate::support::server::{Compose, Server};
use crate::support::site::Site;
use crate::support::team::Team;
use crate::support::two_webs::slots;

const COMPOSE: &str = "backend/docker-compose.yml";
const RATE: u32 = 40;

#[test]
fn both_move_together_by_a_reload() {
    move_together("reload");
}

#[test]
fn paths_change_by_a_reload() {
    paths_change("reload");
}

/// One that needs another to start waits for it, as its compose file says, and is not taken for one that crashes.
#[test]
fn one_that_waits_for_another_is_started_after_it() {
    for project in [Project::new("instant"), Project::with_compose_of_this_machine("instant")] {
        let api = "healthcheck: {test: [CMD, python, healthcheck.py], interval: 1s, start_period: 20s}\n    restart";
        let text = std::fs::read_to_string(project.root().join(COMPOSE)).unwrap();
        let (before, rest) = text.split_once("    healthcheck:\n      test: [\"CMD\", \"python\"").unwrap();
        let (_, rest) = rest.split_once("    restart").unwrap();
        project.write(COMPOSE, &format!("{before}    {api}{rest}"));
        let script = "python -c \\\"import urllib.request as r; r.urlopen('http://api:8000/health')\\\" && exec gunicorn app.main:app";
        let front = format!(
            "  front:\n    build: .\n    volumes:\n      - .:/app\n    env_file: .env\n    restart: always\n    depends_on: {{api: {{condition: service_healthy}}}}\n    \
             command: [sh, -c, \"{script}\"]\n\n  worker:\n"
        );
        project.rewrite(COMPOSE, "  worker:\n", &front);
        project.rewrite("deploy.toml", "[test]\n", &format!("[web.front]\nport = 8000\n{}[test]\n", slots()));
        project.commit("one waits for the other");
        project.deploy();
        let front = project.containers(false).into_iter().find(|name| name.contains("front-")).unwrap();
        assert_eq!(project.docker(&["inspect", "--format", "{{.RestartCount}}", &front]), "0");
        assert_eq!(project.status()["problems"], serde_json::json!([]));
    }
}

const FRONT: &str = "  front:\n    build: .\n    ports: [\"127.0.0.1:3000:8000\"]\n    volumes:\n      - ./uploads:/uploads\n    env_file: .env\n    restart: always\n    user: \"0\"\n    working_dir: /app\n\n";
const UPLOADS: &str = "ls $(docker inspect --format '{{range .Mounts}}{{if eq .Destination \"/uploads\"}}{{.Source}}{{end}}{{end}}' $(docker ps -q --filter name=front))";

fn edit_site(server: &Server, change: &str) {
    server.root(&format!("sed -i {change} /etc/nginx/sites-enabled/gifty"));
}

/// A service that has served beside the first one becomes a web service: nothing of its traffic and data is lost, and what would let
/// the two go apart is refused.
#[test]
fn an_accessory_with_a_place_in_the_site_becomes_a_web_service_and_goes_again() {
    let server = Server::start(Compose::V2);
    let site = Site::new(&server, "instant");
    site.rewrite(COMPOSE, "services:\n", &format!("services:\n{FRONT}"));
    site.configure("# accessories = []", "accessories = [\"front\"]");
    site.commit("with a front that is an accessory");
    site.deploy();
    edit_site(&server, "'s|location / {|location /front/ { proxy_pass http://127.0.0.1:3000/; }\\n    location / {|'");
    server.root("nginx -s reload");
    server.root("docker exec $(docker ps -q --filter name=front) touch /uploads/first.jpg");
    let address = Address { port: server.http_port(), host: "api.example".to_owned() };
    let front = Page { path: "/front/health", says: "\"status\":\"ok\"" };
    // nginx closes kept connections at a reload, and a set-up is one.
    let load = Load::of(front, &address, &[Client::NewConnection], RATE);

    site.configure("accessories = [\"front\"]", "# accessories = []");
    site.configure("[hooks]", "[web.front]\nport = 8000\n[hooks]");
    site.commit("with a front that is a web service");
    let refused = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
    refused.must_say(&["nginx does not know the slots of `front` yet", "`front` runs in the container"]);
    // The person's part, then the set-up: no request is lost by it.
    edit_site(
        &server,
        "'s|proxy_pass http://127.0.0.1:3000/;|rewrite ^/front(/.*)$ $1 break; proxy_pass http://$gifty_front; proxy_http_version 1.1; proxy_set_header Connection close;|'",
    );
    let script = site.xtask(&["setup", "--mode", "instant", "--user", "deploy"]).must_end_with(0).stdout;
    server.root(&script);
    let first = site.deploy();
    assert_eq!(first["receipt"]["failed"], 0, "{first:#}");
    assert_eq!(server.root("docker ps -q --filter publish=3000"), "", "the accessory runs on");
    assert_eq!(server.root(UPLOADS), "first.jpg\n");
    site.new_version("the second");
    site.deploy();
    assert_eq!(server.root(UPLOADS), "first.jpg\n");
    what_would_let_them_go_apart_is_refused(&server, &site);
    site.xtask(&["rollback"]).must_end_with(0);
    assert_none_failed("the front", &load.finish(), &[Client::NewConnection]);
    site.status();

    // It is taken out again: not while the site still passes requests to it.
    site.rewrite(COMPOSE, FRONT, "");
    site.configure("[web.front]\nport = 8000\n", "");
    site.commit("without a front");
    let refused = site.xtask(&["deploy", "--skip-tests"]).must_end_with(4);
    refused.must_say(&["the site passes requests to gifty_front", "nobody would answer them"]);
    edit_site(&server, "'/location .front/d'");
    server.root("nginx -s reload");
    site.deploy();
    assert_eq!(server.root("docker ps -q --filter name=front"), "", "a front runs on");
    let script = site.xtask(&["setup", "--mode", "instant", "--user", "deploy"]).must_end_with(0).stdout;
    server.root(&script);
    site.status();
}

fn what_would_let_them_go_apart_is_refused(server: &Server, site: &Site) {
    site.configure("[web.front]\nport = 8000\n", "[web.front]\nport = 8000\nslots = { blue = 8300, green = 8301 }\n");
    let told = ["deploy.toml gives the slots of `front` the ports 8300 and 8301"];
    site.xtask(&["deploy", "--skip-tests"]).must_end_with(4).must_say(&told);
    site.configure("slots = { blue = 8300, green = 8301 }\n", "");
    // nginx knows a variable in every block as soon as one of them sets it.
    server.root("printf 'server { listen 80; server_name front.example; location / { proxy_pass http://$gifty_front; } }\\n' >>/etc/nginx/sites-enabled/gifty; nginx -t");
    site.xtask(&["deploy", "--skip-tests"])
        .must_end_with(4)
        .must_say(&["passes requests to $gifty_front and does not include"]);
    edit_site(server, "'/front.example/d'");
    // Past the switch.
    edit_site(server, "'s|location / {|location /past/ { proxy_pass http://127.0.0.1:3000/; }\\n    location / {|'");
    site.xtask(&["deploy", "--skip-tests"]).must_end_with(4).must_say(&["past the switch", "127.0.0.1:3000"]);
    edit_site(server, "'/location .past/d'");
}
