//! Projects that were not written for this tool, by both kinds of compose where their files allow it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::projects::{self, NO_ENV};
use crate::support::adoption::{Adoption, Change, adopt, body, post};
use crate::support::load::{Page, get};
use crate::support::project::Project;
use crate::support::server::Compose;
use crate::support::team::Team;
use crate::support::two_webs::slots;

#[test]
fn django_with_celery_static_files_and_uploads() {
    for compose in [Compose::V2, Compose::V1] {
        let project = Project::foreign("django", compose, "env_file = \"env.local\"\n");
        let adoption = Adoption {
            page: Page { path: "/", says: "<h1>Library" },
            next: Change { file: "library/views.py", from: "first edition", to: "second edition" },
            broken: Change { file: "library/urls.py", from: "\"up/\"", to: "\"down/\"" },
            told: &["GET /up/ on port", "status 404"],
        };
        project.write("cover.txt", "a cover of 21 letters");
        project.commit("a cover");
        let cover = format!("cover=@{}", project.root().join("cover.txt").display());
        adopt(&project, &adoption, |project, edition| {
            let shelf = body(project, "/");
            assert!(shelf.contains(edition), "{shelf}");
            let style = shelf.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
            assert!(body(project, style).contains("seagreen"));
            let title = format!("a book of the {edition}");
            post(&project.address(), "/books/", &[&format!("title={title}"), &cover]);
            soon("the worker's part", || {
                let books: Value = serde_json::from_str(&body(project, "/books/")).unwrap();
                let books = books["books"].as_array().unwrap();
                assert!(books.iter().any(|book| book["title"] == title.as_str()), "{books:?}");
                books.iter().all(|book| book["bytes_of_cover"] == 21)
            });
        });
        let books: Value = serde_json::from_str(&body(&project, "/books/")).unwrap();
        assert_eq!(books["books"].as_array().unwrap().len(), 4, "{books:#}");
        for book in books["books"].as_array().unwrap() {
            assert_eq!(body(&project, &format!("/{}", book["cover"].as_str().unwrap())), "a cover of 21 letters");
        }
    }
}

#[test]
fn node_api_and_frontend_that_move_together() {
    for compose in [Compose::V2, Compose::V1] {
        let project = Project::foreign("node", compose, "env_file = false\n");
        project.change("deploy.toml", "[web.frontend]\n", &format!("[web.frontend]\n{}", slots()));
        let adoption = Adoption {
            page: Page { path: "/shop/", says: "<h1>Shop" },
            next: Change { file: "api/app.js", from: "spring", to: "summer" },
            broken: Change { file: "frontend/server.mjs", from: "<h1>Shop", to: "<h1>Closed" },
            told: &["`frontend`", "\"<h1>Shop\" is not in the body"],
        };
        adopt(&project, &adoption, |project, season| {
            assert!(body(project, "/api/products").contains(season));
            // The page is made with the api of its own version.
            let page = body(project, "/shop/");
            assert!(page.contains(season) && page.contains("kettle: 24.00"), "{page}");
        });
        // What is wrong is found by the project's own tests.
        project.forget_last_commit();
        project.change("api/prices.js", "net * 1.2", "net * 1.1");
        let failed = project.xtask(&["deploy"]).must_end_with(10);
        failed.must_say(&["a price has its tax"]);
    }
}

#[test]
fn go_with_a_worker_and_no_route_that_tells_of_health() {
    for compose in [Compose::V2, Compose::V1] {
        let project = Project::foreign("go", compose, "env_file = false\n");
        let adoption = Adoption {
            page: Page { path: "/visit", says: "clicks, take" },
            next: Change { file: "cmd/web/main.go", from: "take one", to: "take two" },
            broken: Change { file: "cmd/web/main.go", from: "\":9000\"", to: "\":9001\"" },
            told: &["A connection to port"],
        };
        let counted = |project: &Project| body(project, "/counted").trim().parse::<u64>().unwrap();
        adopt(&project, &adoption, |project, take| {
            assert!(body(project, "/visit").contains(take));
            soon("the first count", || get(&project.address(), "/counted").is_ok_and(|answer| answer.status == 200));
            let before = counted(project);
            assert!(body(project, "/visit").contains(take));
            soon("another visit that the worker counted", || counted(project) > before);
        });
    }
}

#[test]
fn a_flask_app_with_compose_v1() {
    projects::flask(Compose::V1);
}

#[test]
fn a_monorepo_with_compose_v1() {
    monorepo(Compose::V1);
}

#[test]
fn an_image_with_compose_v1() {
    projects::image(Compose::V1);
}

#[test]
fn more_than_sixty_keys_with_compose_v1() {
    everything(Compose::V1);
}

#[test]
fn a_monorepo_with_its_compose_file_at_the_root() {
    monorepo(Compose::V2);
}

fn monorepo(compose: Compose) {
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
fn one_file_with_more_than_sixty_keys() {
    everything(Compose::V2);
}

fn everything(compose: Compose) {
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

/// Waits for what becomes so by itself.
#[track_caller]
fn soon(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} was not so within 30 s");
        std::thread::sleep(Duration::from_millis(100));
    }
}
