//! Projects that were not written for this tool. The reliability suite tries more of them, and these with compose v1.

use crate::support::adoption::{Adoption, Change, adopt, body, post};
use crate::support::load::Page;
use crate::support::project::Project;
use crate::support::registry::Registry;
use crate::support::server::Compose;
use crate::support::team::Team;

pub const NO_ENV: &str = "env_file = false\n";

#[test]
fn a_flask_app_that_answers_with_a_page_and_has_a_proxy_of_its_own() {
    flask(Compose::V2);
}

/// What the flask app shows, and what makes other versions of it.
pub fn guest_book() -> Adoption {
    Adoption {
        page: Page { path: "/", says: "Guest book" },
        next: Change { file: "templates/book.html", from: "volume one", to: "volume two" },
        broken: Change { file: "templates/book.html", from: "{% for name", to: "{% fore name" },
        told: &["GET / on port", "500"],
    }
}

pub fn flask(compose: Compose) {
    let project = Project::foreign("flask", compose, NO_ENV);
    project.change("docker-compose.yml", "    profiles: [proxy]\n", "");
    let refused = project.xtask(&["check"]).must_end_with(3);
    assert!(refused.to_string().contains("profiles: [proxy]"), "{refused}");
    project.change("docker-compose.yml", "nginx:1.25\n", "nginx:1.25\n    profiles: [proxy]\n");
    adopt(&project, &guest_book(), |project, volume| {
        post(&project.address(), "/sign", &[&format!("name=reader of {volume}")]);
        let book = body(project, "/");
        assert!(book.contains(volume) && book.contains("reader of volume one"), "{book}");
    });
    assert!(body(&project, "/").contains("reader of volume two"), "what the second version wrote is gone");
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
