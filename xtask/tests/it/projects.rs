//! Projects that were not written for this tool. The reliability suite tries them with compose v1 too, where their files allow it.

use crate::support::adoption::{Adoption, Change, adopt, body, post, soon};
use crate::support::load::Page;
use crate::support::project::Project;
use crate::support::registry::Registry;
use crate::support::server::Compose;
use crate::support::team::Team;

const NO_ENV: &str = "env_file = false\n";

#[test]
fn a_flask_app_that_answers_with_a_page_and_has_a_proxy_of_its_own() {
    flask(Compose::V2);
}

pub fn flask(compose: Compose) {
    let project = Project::foreign("flask", compose, NO_ENV);
    project.change("docker-compose.yml", "    profiles: [proxy]\n", "");
    let refused = project.xtask(&["check"]).must_end_with(3);
    assert!(refused.to_string().contains("profiles: [proxy]"), "{refused}");
    project.change("docker-compose.yml", "nginx:1.25\n", "nginx:1.25\n    profiles: [proxy]\n");
    let adoption = Adoption {
        page: Page { path: "/", says: "Guest book" },
        next: Change { file: "templates/book.html", from: "volume one", to: "volume two" },
        broken: Change { file: "templates/book.html", from: "{% for name", to: "{% fore name" },
        told: &["GET / on port", "500"],
    };
    adopt(&project, &adoption, |project, volume| {
        post(&project.address(), "/sign", &[&format!("name=reader of {volume}")]);
        let book = body(project, "/");
        assert!(book.contains(volume) && book.contains("reader of volume one"), "{book}");
    });
    assert!(body(&project, "/").contains("reader of volume two"), "what the second version wrote is gone");
}

#[test]
fn a_monorepo_with_its_compose_file_at_the_root() {
    monorepo(Compose::V2);
}

pub fn monorepo(compose: Compose) {
    let project = Project::foreign("monorepo", compose, NO_ENV);
    if compose == Compose::V1 {
        // This compose takes the project's name from its folder alone.
        project.change("compose.yml", "name: market\n", "");
    }
    let adoption = Adoption {
        page: Page { path: "/", says: "market" },
        next: Change { file: "services/orders/main.py", from: "market one", to: "market two" },
        broken: Change { file: "services/orders/main.py", from: "count(*) FROM placed", to: "count(*) FROM nowhere" },
        told: &["GET /ready on port", "500"],
    };
    adopt(&project, &adoption, |project, edition| {
        let before = body(project, "/");
        assert!(before.contains(edition), "{before}");
        post(&project.address(), "/orders", &["cents=1205"]);
        // Each order is one mail, whichever version took it.
        let orders = |page: &str| serde_json::from_str::<serde_json::Value>(page).unwrap()["mailed"].as_u64().unwrap();
        soon("the order's mail", || orders(&body(project, "/")) == orders(&before) + 1);
    });
    assert!(body(&project, "/").contains("48.20 EUR"), "{}", body(&project, "/"));
}

#[test]
fn a_compose_file_in_a_subfolder_with_parts_profiles_and_anchors() {
    // `include` is of compose v2.
    let project = Project::foreign("subfolder", Compose::V2, NO_ENV);
    let adoption = Adoption {
        page: Page { path: "/", says: "north: " },
        next: Change { file: "src/weather.py", from: "sunny", to: "cloudy" },
        broken: Change { file: "src/weather.py", from: "204 if known", to: "503 if known" },
        told: &["GET /ping on port", "status 503"],
    };
    adopt(&project, &adoption, |project, forecast| {
        let measured = |page: &str| page.split(' ').rev().nth(1).unwrap().parse::<u64>().unwrap_or(0);
        let before = body(project, "/");
        assert!(before.contains(forecast), "{before}");
        soon("another measurement", || measured(&body(project, "/")) > measured(&before));
    });
    assert!(!project.containers(true).iter().any(|name| name.contains("adminer") || name.contains("shell")));
}

#[test]
fn a_product_that_is_an_image_with_data_that_is_mounted() {
    image(Compose::V2);
}

pub fn image(compose: Compose) {
    let project = Project::foreign("image", compose, NO_ENV);
    let registry = Registry::open();
    let product = project.root().join("product");
    for (tag, version) in [("1.0", "1.0"), ("1.1", "1.1"), ("1.2", "broken 1.2")] {
        let local = format!("{}-built:{tag}", project.name);
        project.docker(&[
            "build",
            "-q",
            "-t",
            &local,
            "--build-arg",
            &format!("VERSION={version}"),
            product.to_str().unwrap(),
        ]);
        registry.push(&local, &format!("notes:{tag}"));
        project.docker(&["image", "rm", &local]);
    }
    // Whoever uses a product does not have its source.
    std::fs::remove_dir_all(product).unwrap();
    project.change("docker-compose.yml", "REGISTRY", &registry.server());
    let adoption = Adoption {
        page: Page { path: "/", says: "Notes of the house" },
        next: Change { file: "docker-compose.yml", from: "notes:1.0", to: "notes:1.1" },
        broken: Change { file: "docker-compose.yml", from: "notes:1.1", to: "notes:1.2" },
        told: &["notes: this version cannot read its database"],
    };
    adopt(&project, &adoption, |project, image| {
        let version = image.split(':').nth(1).unwrap();
        post(&project.address(), "/", &[&format!("note=kept by {version}")]);
        let page = body(project, "/");
        assert!(page.contains(&format!("\"version\": \"{version}\"")), "{page}");
        assert!(page.contains("kept by 1.0"), "{page}");
    });
    assert!(body(&project, "/").contains("kept by 1.1"), "what the second version wrote is gone");
    // What had no name before the tool came has one data folder, outside of all releases.
    assert!(project.server("shared/notes-data/notes.db").is_file());
}

#[test]
fn one_file_with_more_than_sixty_keys() {
    everything(Compose::V2);
}

pub fn everything(compose: Compose) {
    let files = format!("{NO_ENV}files = {{ \"secrets/stamp\" = {{ file = \"stamp.local\" }} }}\n");
    let project = Project::foreign("everything", compose, &files);
    project.change("docker-compose.yml", "NAME-drawer", &format!("{}-drawer", project.name));
    let adoption = Adoption {
        page: Page { path: "/", says: "\"state\": \"open\"" },
        next: Change { file: "app/desk.py", from: "house rules one", to: "house rules two" },
        broken: Change { file: "docker-compose.yml", from: "STATE: open", to: "STATE: closed" },
        told: &["`state` is not \"open\" in the body"],
    };
    adopt(&project, &adoption, |project, edition| {
        let page = body(project, "/");
        for part in [edition, "\"secret\": \"known\"", "price: 5$", "\"house\": \"ours\"", "deed of the house"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let containers = project.containers(false);
        let clerks = containers.iter().filter(|name| name.contains("clerk")).count();
        assert_eq!(clerks, 2, "{containers:?}");
    });
    // Once per deploy, and not by the rollback.
    assert!(body(&project, "/").contains("\"opened\": \"xxx\""), "{}", body(&project, "/"));
}
