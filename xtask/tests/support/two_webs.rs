//! The reference backend with a second web service of the same code, which answers below `/front`.

use crate::support::load::{Address, Page, get};
use crate::support::ports::free_port;
use crate::support::project::Project;
use crate::support::team::Team;

const COMPOSE: &str = "backend/docker-compose.yml";
pub const FRONT: &str = "  front:\n    build: .\n    volumes:\n      - .:/app\n    env_file: .env\n    environment: {ROOT_PATH: /front}\n    depends_on: [api]\n\n";

/// Its health, as users reach it.
pub const FRONT_PAGE: Page = Page { path: "/front/health", says: "\"status\":\"ok\"" };

/// `settings`: more of `deploy.toml`.
pub fn two_web_services(mode: &str, settings: &str) -> Project {
    let project = Project::new(mode);
    add_front(&project, settings);
    project
}

/// The second one comes to a project that has one.
pub fn add_front(project: &Project, settings: &str) {
    project.rewrite(COMPOSE, "  worker:\n", &format!("{FRONT}  worker:\n"));
    let api = "lifespan=lifespan, root_path=os.environ.get(\"ROOT_PATH\", \"\"))";
    project.rewrite("backend/app/main.py", "lifespan=lifespan)", api);
    let web = format!("[web.front]\nport = 8000\npath = \"/front/\"\n{}", slots());
    project.rewrite("deploy.toml", "[test]\n", &format!("{web}{settings}[test]\n"));
    project.commit("two web services");
}

/// Ports that no other test has.
pub fn slots() -> String {
    format!("slots = {{ blue = {}, green = {} }}\n", free_port(), free_port())
}

/// The release that answers as a further web service.
#[track_caller]
pub fn front_release(address: &Address) -> String {
    let answer = get(address, FRONT_PAGE.path).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["release"].as_str().unwrap().to_owned()
}
