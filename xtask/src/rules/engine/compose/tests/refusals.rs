//! What a deploy cannot do with a project is refused, and what it does not know is named.

use serde_json::json;

use super::{file, rendered, rendered_with, with, with_other};

#[test]
fn code_of_the_release_that_no_deploy_would_renew_is_refused() {
    for forgotten in [
        "{build: {context: /srv/shop/releases/20260131-174502-1a2b3c4}}",
        "{build: {context: /srv/shop/releases/20260131-174502-1a2b3c4, dockerfile: Dockerfile}}",
        "{image: own}",
    ] {
        let error = with(&format!("admin: {forgotten}")).err().expect(forgotten).to_string();
        assert!(error.contains("`admin`") && error.contains("`workers`") && error.contains("profiles"), "{error}");
    }
    let release = "/srv/shop/releases/20260131-174502-1a2b3c4";
    for built in [
        format!("{{build: {{context: {release}/other}}}}"),
        format!("{{build: {{context: {release}, dockerfile: Dockerfile.db}}}}"),
        format!("{{image: python, volumes: ['{release}:/app:ro']}}"),
        format!("{{image: python, volumes: [{{type: bind, source: '{release}', target: /app}}]}}"),
    ] {
        let error = with(&format!("db: {built}")).err().expect(&built).to_string();
        assert!(error.contains("`db`") && error.contains("`accessories`"), "{error}");
        let config = with_other(&format!("db: {built}"));
        let declared = ["db".to_owned()];
        let files = rendered_with(&config, |rendering| rendering.declared_accessories = &declared).unwrap();
        assert_eq!(files.accessories, ["db"]);
    }
    let config_alone = format!("db: {{image: other, volumes: ['{release}/prometheus.yml:/etc/p.yml:ro']}}");
    assert_eq!(with(&config_alone).unwrap().accessories, ["db"]);
}

#[test]
fn a_key_that_nobody_knows_is_named_and_a_service_s_is_passed_on() {
    let config = with_other("db: {image: y, gpus: all, teleport: {to: mars}}");
    let files = rendered(&format!("name: shop\nx-own: {{}}\nwormholes: {{}}\n{config}")).unwrap();
    let notes = files.notes.join("\n");
    assert!(notes.contains("passed on as they are: `teleport` (service `db`)"), "{notes}");
    assert!(notes.contains("leaves out: `wormholes`"), "{notes}");
    assert_eq!(file(&files.base)["services"]["db"]["teleport"], json!({"to": "mars"}));
    assert!(!with("db: {image: y}").unwrap().notes.join("").contains("does not know"));
}

/// A migration that nobody waits for looks like a worker.
#[test]
fn a_job_that_ends_by_itself_is_sent_to_the_hooks() {
    let error =
        with("migrate: {build: {context: /srv/shop/releases/20260131-174502-1a2b3c4}, command: x}").err().unwrap();
    assert!(
        error.to_string().contains("If it ends by itself, as a migration does, run it with `before_boot`"),
        "{error}"
    );
}

#[test]
fn a_proxy_of_the_project_s_own_is_refused() {
    for (proxy, part) in [
        ("{image: caddy, ports: ['80:80']}", "publishes port 80, on which nginx listens"),
        ("{image: 'caddy:2-alpine', ports: ['8080:80']}", "is `caddy:2-alpine` and publishes port 80 to the outside"),
        ("{image: docker.io/library/nginx, ports: ['0.0.0.0:9999:443']}", "may be a proxy"),
        ("{image: own-proxy, ports: ['8080:80'], depends_on: [api]}", "depends on `api`"),
    ] {
        let error = with(&format!("front: {proxy}")).err().expect(proxy).to_string();
        assert!(error.contains(part) && error.contains("profiles: [proxy]"), "{error}");
    }
    for other in
        ["{image: caddy, ports: ['127.0.0.1:8080:80']}", "{image: caddy}", "{image: mailhog, ports: ['8025:8025']}"]
    {
        with(&format!("front: {other}")).expect(other);
    }
    let (config, declared) = (with_other("front: {image: caddy, ports: ['8080:80']}"), ["front".to_owned()]);
    rendered_with(&config, |rendering| rendering.declared_accessories = &declared).unwrap();
}

#[test]
fn a_port_of_a_slot_is_nobody_elses() {
    for ports in ["['127.0.0.1:8001:80/tcp']", "[{target: 80, published: 8001}]", "[{target: 80, published: '8001'}]"] {
        let error = with(&format!("db: {{image: y, ports: {ports}}}")).err().expect(ports).to_string();
        for part in ["`db` publishes port 8001", "slot green", "`slots` in deploy.toml"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
    for ports in ["[8001]", "['9000:8001']", "[{target: 8001}]", "['[::1]:9001:80']"] {
        assert!(with(&format!("db: {{image: y, ports: {ports}}}")).is_ok(), "{ports}");
    }
}

/// Compose v1 prints them, and leaves them out of the container with no more than a warning.
#[test]
fn configs_are_refused_where_compose_v1_would_leave_them_out() {
    let of_v2 = r#"{"services":{"api":{"image":"x","configs":[{"source":"a"}]},"scheduler":{"image":"x"},"scraper":{"image":"x"}},"configs":{"a":{"external":true}}}"#;
    let of_v1 = of_v2.replacen('{', r#"{"version":"3.9","#, 1);
    let told = |config: &str| rendered(config).map_or_else(|error| format!("{error:#}"), |_| String::new());
    assert!(
        told(&of_v1).contains("service `api` has `configs`, which docker-compose v1 leaves out"),
        "{}",
        told(&of_v1)
    );
    assert!(!told(of_v2).contains("has `configs`"), "{}", told(of_v2));
}

#[test]
fn a_command_whose_quote_has_no_end_is_refused() {
    for (service, key) in [
        ("cache: {image: redis, command: \"redis-server --requirepass it's\"}", "command"),
        ("cache: {image: redis, entrypoint: 'sh -c \"x'}", "entrypoint"),
    ] {
        let error = with(service).err().expect(service).to_string();
        assert!(error.contains("service `cache`") && error.contains(&format!("`{key}: [program")), "{error}");
        assert!(!error.contains("it's"), "{error}");
    }
    with("cache: {image: redis, command: [redis-server, --requirepass, \"it's\"]}").unwrap();
}
