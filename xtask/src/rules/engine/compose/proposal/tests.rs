use super::*;

fn proposed(services: &str) -> Proposal {
    propose(&format!("services:\n{services}"), "/srv/shop", &|_| None, &|text| !text.contains("41001")).unwrap()
}

fn names(webs: &[ProposedWeb]) -> Vec<(&str, u16)> {
    webs.iter().map(|web| (web.service.as_str(), web.port)).collect()
}

#[test]
fn a_usual_project_is_told_apart() {
    let proposal = proposed(
        "  db: {image: 'postgres:16', ports: ['5432:5432'], volumes: ['db:/var/lib/postgresql/data']}\n\
         \x20 migrate: {build: {context: .}, command: [python, manage.py, migrate]}\n\
         \x20 backend:\n    build: {context: .}\n    ports: ['8000:8000']\n    depends_on: {migrate: {condition: service_completed_successfully}}\n    healthcheck: {test: [CMD, curl, -f, 'http://localhost:8000/healthz?full=1']}\n\
         \x20 celery: {build: {context: .}, command: celery worker}\n\
         \x20 nginx: {image: 'nginx:1.25', ports: ['80:80', '443:443'], depends_on: [backend]}\n\
         \x20 tools: {build: {context: .}, profiles: [tools]}\n",
    );
    assert_eq!(names(&proposal.webs), [("backend", 8000)]);
    assert_eq!(proposal.webs[0].health, Health::Path("/healthz?full=1".to_owned()));
    assert_eq!(proposal.workers, ["celery"]);
    assert_eq!(proposal.before_boot, [["python", "manage.py", "migrate"]]);
    assert_eq!(proposal.off.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["nginx", "migrate"]);
}

#[test]
fn of_several_web_services_the_one_that_others_need_is_first() {
    let proposal = proposed(
        "  frontend: {build: {context: front}, ports: ['3000:3000'], depends_on: [api]}\n\
         \x20 api: {build: {context: back}, expose: ['9000'], healthcheck: {test: 'wget -qO- http://127.0.0.1:9000/up || exit 1'}}\n\
         \x20 cache: {image: redis, ports: ['6379:6379']}\n",
    );
    assert_eq!(names(&proposal.webs), [("api", 9000), ("frontend", 3000)]);
    assert_eq!(
        (&proposal.webs[0].health, &proposal.webs[1].health),
        (&Health::Path("/up".to_owned()), &Health::AnyAnswer)
    );
    assert!(proposal.workers.is_empty());
}

#[test]
fn an_image_tells_of_its_port_where_the_file_does_not() {
    let services = "  bot: {build: {context: /srv/shop}, command: bot}\n  app: {build: {context: /srv/shop}}\n";
    let text = "FROM node\nEXPOSE 3000\nHEALTHCHECK CMD wget -q http://localhost:3000/alive\n";
    let read = |path: &str| (path == "Dockerfile").then(|| text.to_owned());
    let proposal = propose(&format!("services:\n{services}"), "/srv/shop", &read, &|_| true).unwrap();
    assert_eq!(names(&proposal.webs), [("app", 3000)]);
    assert_eq!(proposal.webs[0].health, Health::Path("/alive".to_owned()));
    assert_eq!(proposal.workers, ["bot"]);
}

#[test]
fn a_job_that_no_hook_can_do_stays_a_service() {
    let proposal = proposed(
        "  web: {build: {context: .}, ports: ['8000:8000'], depends_on: {assets: {condition: service_completed_successfully}}}\n\
         \x20 assets: {build: {context: assets}, command: make}\n\
         \x20 migrate: {build: {context: .}, entrypoint: [sh, -c], command: [migrate]}\n",
    );
    assert!(proposal.before_boot.is_empty());
    assert_eq!(proposal.accessories, ["assets", "migrate"]);
}

#[test]
fn what_keeps_data_or_is_for_people_is_no_web_service() {
    let proposal = proposed(
        "  api: {build: {context: /srv/shop}, ports: ['8000:8000']}\n\
         \x20 db: {image: 'postgis/postgis:16', ports: ['5432:5432']}\n\
         \x20 sql: {image: 'mcr.microsoft.com/mssql/server:2022', expose: ['1433']}\n\
         \x20 adminer: {image: adminer, ports: ['127.0.0.1:8081:8080']}\n\
         \x20 flower: {build: {context: /srv/shop}, ports: ['5555:5555'], command: celery flower}\n\
         \x20 cache: {build: {context: /srv/shop/cache}, volumes: ['/srv/shop/data:/data:rw']}\n",
    );
    assert_eq!(names(&proposal.webs), [("api", 8000)]);
    assert_eq!(proposal.workers, ["flower"]);
    assert_eq!(proposal.accessories, ["cache"]);
}

#[test]
fn a_command_with_a_variable_becomes_no_hook() {
    let proposal = proposed(
        "  web: {build: {context: .}, ports: ['5678:5678', '8001:8000'], healthcheck: {test: 'curl http://localhost:8000/up?key=41001'}}\n\
         \x20 migrate: {build: {context: .}, restart: on-failure, command: [migrate, 'postgres://app:41001@db/app']}\n\
         \x20 seed: {build: {context: .}, command: seed}\n",
    );
    assert!(proposal.before_boot.is_empty() && proposal.workers.is_empty(), "{proposal:?}");
    assert_eq!(proposal.not_hooked, ["migrate"]);
    assert_eq!((names(&proposal.webs), &proposal.webs[0].health), (vec![("web", 8000)], &Health::AnyAnswer));
}

#[test]
fn what_is_not_started_again_and_others_wait_for_is_a_hook() {
    let services = "  web: {build: {context: .}, ports: ['8000:8000'], depends_on: [createdb, redis]}\n\
         \x20 createdb: {build: {context: .}, restart: 'no', command: [python, -m, app.db]}\n\
         \x20 worker: {build: {context: .}, restart: unless-stopped, command: [python, -m, app.worker]}\n\
         \x20 report: {build: {context: .}, restart: 'no', command: [python, -m, app.report]}\n\
         \x20 redis: {image: 'redis:7', restart: 'no'}\n";
    let proposal = proposed(services);
    assert_eq!(proposal.before_boot, [["python", "-m", "app.db"]]);
    assert_eq!(proposal.workers, ["report", "worker"]);
}

#[test]
fn a_proxy_that_is_built_is_a_proxy() {
    let services = "  nginx: {build: {context: /srv/shop/nginx}, ports: ['80:80'], depends_on: [backend]}\n  backend: {build: {context: /srv/shop}}\n";
    let read = |path: &str| {
        Some(if path == "nginx/Dockerfile" { "FROM nginx:1.25\n" } else { "FROM python\nEXPOSE 8000\n" }.to_owned())
    };
    let proposal = propose(&format!("services:\n{services}"), "/srv/shop", &read, &|_| true).unwrap();
    assert_eq!(names(&proposal.webs), [("backend", 8000)]);
    assert_eq!(proposal.off[0].0, "nginx");
}

#[test]
fn a_product_that_is_an_image_is_a_web_service() {
    let proposal =
        proposed("  notes: {image: 'ghcr.io/notes/notes:1.0', ports: ['8080:8080']}\n  db: {image: 'mariadb:11'}\n");
    assert_eq!(names(&proposal.webs), [("notes", 8080)]);
}
