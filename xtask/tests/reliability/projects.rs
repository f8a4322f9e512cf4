//! Projects that were not written for this tool: in languages whose base images take long to make, and others with compose v1.

use serde_json::Value;

use crate::projects;
use crate::support::adoption::{Adoption, Change, adopt, body, post, soon};
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
    projects::monorepo(Compose::V1);
}

#[test]
fn an_image_with_compose_v1() {
    projects::image(Compose::V1);
}

#[test]
fn more_than_sixty_keys_with_compose_v1() {
    projects::everything(Compose::V1);
}
