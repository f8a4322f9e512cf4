use super::*;

const SMALLEST: &str = r#"
    [project]
    name = "shop"
    app = "app"
    web = "web"
    [environments.local]
    folder = ".deploy/local"
    url = "http://127.0.0.1:8080"
    env_file = "app/.env.example"
    nginx = { private = true }
    [environments.prod]
    ssh = true
    folder = "/srv/shop"
    url = "https://shop.example"
    nginx = {}
"#;

fn loaded(text: &str, environment: &str, variables: &[(&str, &str)]) -> Result<Config> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(text, Path::new("/repo/deploy.toml"), environment, &variables)
}

fn refused(text: &str, environment: &str, variables: &[(&str, &str)]) -> String {
    let error = loaded(text, environment, variables).expect_err("it was accepted");
    assert_eq!(Kind::of(&error), Some(Kind::Configuration));
    error.to_string()
}

#[test]
fn the_smallest_file_gets_the_documented_defaults() {
    let config = loaded(SMALLEST, "local", &[]).unwrap();
    assert_eq!((config.slots.blue, config.slots.green), (8000, 8001));
    assert_eq!((config.health.path.as_str(), config.health.timeout), ("/health", 60));
    assert_eq!(config.health.expect, BTreeMap::from([("status".to_owned(), serde_json::json!("ok"))]));
    assert_eq!((config.traffic.bake, config.traffic.drain), (3, 30));
    assert_eq!((config.project.keep, config.project.web_port), (5, 8000));
    assert_eq!(config.environment.folder, "/repo/.deploy/local");
    assert_eq!(config.environment.nginx.owner, NginxOwner::Private(SwitchMode::Instant));
    let prod = loaded(SMALLEST, "prod", &[]).unwrap().environment;
    assert_eq!(prod.nginx.upstream_file, "/etc/nginx/conf.d/shop_upstream.conf");
    assert_eq!(prod.nginx.site_file, "/etc/nginx/sites-enabled/shop");
    assert_eq!((prod.nginx.upstream.as_str(), prod.nginx.live_port), ("shop_backend", 8002));
    assert_eq!(prod.url, SiteUrl { tls: true, host: "shop.example".to_owned(), port: 443, path: String::new() });
}

#[test]
fn missing_variables_are_named_together_and_only_where_they_are_needed() {
    let config = loaded(SMALLEST, "prod", &[("PROD_SSH_USER", "deploy")]).unwrap();
    let Reach::Missing(missing) = &config.environment.reach else { panic!("reachable without a host") };
    assert_eq!(missing, &["PROD_SSH_HOST", "PROD_SSH_KEY"]);
    let error = config.require_for_shipping().unwrap_err().to_string();
    assert!(error.ends_with("PROD_SSH_HOST, PROD_SSH_KEY, PROD_ENV_FILE"), "{error}");
    let mut variables =
        [("PROD_SSH_USER", "deploy"), ("PROD_SSH_HOST", "::1"), ("PROD_SSH_KEY", "k"), ("PROD_ENV_FILE", "")];
    let empty = loaded(SMALLEST, "prod", &variables).unwrap().require_for_shipping().unwrap_err().to_string();
    assert!(empty.ends_with(": PROD_ENV_FILE"), "{empty}");
    variables[3].1 = "A=1";
    let config = loaded(SMALLEST, "prod", &variables).unwrap();
    config.require_for_shipping().unwrap();
    let Reach::Ssh(target) = &config.environment.reach else { panic!("not reachable") };
    assert_eq!((target.port, target.to_string().as_str()), (22, "deploy@::1:22"));
}

#[test]
fn what_could_be_an_option_or_a_command_is_refused() {
    let variables = |name, value| {
        let mut variables = vec![("PROD_SSH_HOST", "h"), ("PROD_SSH_USER", "u"), ("PROD_SSH_KEY", "k")];
        variables.push((name, value));
        variables
    };
    for (name, value) in [
        ("PROD_SSH_HOST", "-oProxyCommand=id"),
        ("PROD_SSH_HOST", "h;id"),
        ("PROD_SSH_USER", "-l"),
        ("PROD_SSH_USER", "u$(id)"),
        ("PROD_SSH_PORT", "22a"),
        ("PROD_SSH_PORT", "0"),
    ] {
        assert!(refused(SMALLEST, "prod", &variables(name, value)).contains(name), "{name}={value}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let unknown = SMALLEST.replace("web = \"web\"", "web = \"web\"\nwebb = 1");
    let error = refused(&unknown, "local", &[]);
    assert!(
        error.starts_with("/repo/deploy.toml:6:1: unknown field `webb`, expected one of ")
            && error.ends_with("\n  webb = 1"),
        "{error}"
    );
    assert!(refused(SMALLEST, "staging", &[]).contains("there are: local, prod"));
    for (from, to, named) in [
        ("name = \"shop\"", "name = \"Shop!\"", "Shop!"),
        ("app = \"app\"", "app = \"../app\"", "../app"),
        ("app = \"app\"", "app = \"--help\"", "--help"),
        ("web = \"web\"", "web = \"web\"\nkeep = 1", "keep = 1"),
        ("web = \"web\"", "web = \"web\"\nworkers = [\"web\"]", "stands in `project.workers` too"),
        ("url = \"http://127.0.0.1:8080\"", "url = \"127.0.0.1\"", "127.0.0.1"),
        ("url = \"http://127.0.0.1:8080\"", "url = \"http://a b\"", "a b"),
        ("nginx = { private = true }", "nginx = { private = true, live_port = 8000 }", "three different ports"),
        ("folder = \".deploy/local\"", "folder = \"a b\"", "a b"),
        ("folder = \".deploy/local\"", "folder = \"$(id)\"", "$(id)"),
    ] {
        let changed = SMALLEST.replace(from, to);
        assert_ne!(changed, SMALLEST);
        let error = refused(&changed, "local", &[]);
        assert!(error.contains(named), "{to}: {error}");
        let line = 1 + SMALLEST.lines().position(|line| line.contains(from)).unwrap() + to.matches('\n').count();
        assert!(error.starts_with(&format!("/repo/deploy.toml:{line}:")), "{to}: {error}");
    }
}

#[test]
fn the_place_is_that_of_the_value_and_of_its_table_where_it_is_a_default() {
    for (from, to, place) in [
        ("name = \"shop\"", "name = \"Shop\"", "3:12"),
        ("name = \"shop\"", "name = \"shop", "3:17"),
        ("name = \"shop\"", "naïve = {x = \"shop\" y = 1}", "3:25"),
        ("nginx = { private = true }", "nginx = { private = true, switch = \"soon\" }", "10:40"),
        ("nginx = { private = true }", "nginx = { private = true }\n[slots]\nblue = 8001", "11:2"),
        ("url = \"http://127.0.0.1:8080\"", "url = \"http://127.0.0.1:8000\"", "8:11"),
        ("app = \"app\"", "app = \"a\\u0000b\"", "4:11"),
        ("app = \"app\"", "app = 5", "4:11"),
    ] {
        let error = refused(&SMALLEST.replace(from, to), "local", &[]);
        assert!(error.starts_with(&format!("/repo/deploy.toml:{place}: ")), "{to}: {error}");
    }
    let long = format!("{SMALLEST}[hooks]\nbefore_boot = [[\"{}\"]]\n", "x".repeat(checks::HOOK_BYTES + 1));
    assert!(refused(&long, "local", &[]).starts_with("/repo/deploy.toml:17:15: [hooks] the words of a hook"));
    let large = format!("{SMALLEST}# {}", "x".repeat(LARGEST));
    assert!(refused(&large, "local", &[]).contains("more than 64 KiB"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", name in "\\PC{0,20}") {
        drop(load(&text, Path::new("deploy.toml"), &name, &BTreeMap::new()));
        drop(load(SMALLEST, Path::new("/repo/deploy.toml"), &name, &BTreeMap::new()));
    }
}

/// Two environments of one project on one host: each has a name of its own, and may have ports.
#[test]
fn an_environment_may_have_settings_of_its_own() {
    let text = format!(
        "{SMALLEST}\n[environments.staging]\nssh = true\nname = \"shop-test\"\nfolder = \"/srv/test\"\nurl = \"http://test.example\"\n\
         slots = {{ blue = 8100, green = 8101 }}\nnginx = {{ live_port = 8102 }}\n\
         [environments.next]\nssh = true\nfolder = \"/srv/next\"\nurl = \"http://next.example\"\nnginx = {{}}\n[limits]\nbuild = 77\nship = 88\naccessories = 99\n"
    );
    let [prod, staging, next] = ["prod", "staging", "next"].map(|name| loaded(&text, name, &[]).unwrap());
    assert_eq!([&prod, &staging, &next].map(|config| config.project.name.as_str()), ["shop", "shop-test", "shop-next"]);
    assert_eq!((staging.slots.blue, staging.slots.green, staging.environment.nginx.live_port), (8100, 8101, 8102));
    assert_eq!((staging.fixed, next.fixed), (Fixed { slots: true, live_port: true }, Fixed::default()));
    let nginx = |config: &Config| config.environment.nginx.clone();
    assert_eq!(nginx(&staging).site_file, "/etc/nginx/sites-enabled/shop-test");
    assert_eq!(nginx(&next).upstream, "shop_next_backend");
    assert_eq!((prod.limits.build, prod.limits.ship, prod.limits.accessories), (77, 88, 99));
}

/// What is commented out in this repository's file is its default: with those lines in force nothing changes.
#[test]
fn the_shipped_file_shows_the_defaults() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy.toml"));
    // Examples, and a choice that is made by looking.
    let examples = ["build_cache", "groups", "expect_text", "expect_headers", "host", "headers", "command", "junit"];
    let examples = examples.map(|key| format!("# {key} = "));
    let no_defaults: Vec<&str> =
        examples.iter().map(String::as_str).chain(["# compose = \"docker compose\""]).collect();
    let is_setting = |bare: &str| {
        bare.starts_with('[')
            || bare.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let mut defaults = 0;
    let mut in_force = String::new();
    // A further web service is an example: there is none where none is named.
    let mut example = false;
    for line in text.lines() {
        example = line.starts_with("# [web.") || (example && !line.is_empty());
        if example {
            continue;
        }
        let setting = line
            .strip_prefix("# ")
            .filter(|bare| is_setting(bare) && !no_defaults.iter().any(|start| line.starts_with(start)));
        defaults += u32::from(setting.is_some());
        in_force.push_str(setting.unwrap_or(line));
        in_force.push('\n');
    }
    assert!(defaults > 15, "only {defaults} defaults were found");
    for environment in ["local", "prod"] {
        let [commented, in_force] = [text, &in_force].map(|text| {
            // Whether a port is given, and the text itself, are all that may differ.
            let loaded = loaded(text, environment, &[]).unwrap();
            format!("{:#?}", Config { fixed: Fixed::default(), text: String::new(), ..loaded })
        });
        assert_eq!(commented, in_force);
    }
}

#[test]
fn files_come_from_variables_or_from_this_machine() {
    let with = |files: &str| SMALLEST.replace("nginx = {}", &format!("nginx = {{}}\nfiles = {files}"));
    let text = with(r#"{ "secrets/tls.key" = "PROD_TLS_KEY", ".env.db" = { file = "db.env" }, "more" = "PROD_MORE" }"#);
    let config = loaded(&text, "prod", &[("PROD_TLS_KEY", "key\n"), ("PROD_MORE", "")]).unwrap();
    let files = &config.environment.files;
    assert!(matches!(&files["secrets/tls.key"], SecretSource::Content(content) if content.expose() == b"key\n"));
    assert!(matches!(&files[".env.db"], SecretSource::Path(path) if path == Path::new("/repo/db.env")));
    let missing = config.require_for_shipping().unwrap_err().to_string();
    assert!(missing.ends_with("PROD_SSH_HOST, PROD_SSH_USER, PROD_SSH_KEY, PROD_ENV_FILE, PROD_MORE"), "{missing}");
    for (files, told) in [
        (r#"{ ".env" = "X" }"#, "`.env` is the environment's"),
        (r#"{ "../key" = "X" }"#, "without `..`"),
        (r#"{ "a//key" = "X" }"#, "without blanks"),
        (r#"{ "a key" = "X" }"#, "without blanks"),
        (r#"{ "key" = "the key itself" }"#, "the name of an environment variable"),
        (r#"{ "key" = "X", "key/part" = "Y" }"#, "lies in"),
    ] {
        let refusal = refused(&with(files), "prod", &[]);
        assert!(refusal.contains(told) && refusal.contains("[environments.prod] files"), "{refusal}");
    }
}

#[test]
fn further_web_services_have_settings_of_their_own() {
    let with = |section: &str| format!("{SMALLEST}\n{section}");
    let config =
        loaded(&with("[web.front-end]\nport = 3000\nhealth = { path = \"/\", status = 200 }\n"), "prod", &[]).unwrap();
    let [first, second] = &config.of_each_web()[..] else { panic!("{:?}", config.more_webs) };
    assert_eq!((first.project.web.as_str(), first.health.path.as_str()), ("web", "/health"));
    assert_eq!(
        (second.project.web.as_str(), second.project.web_port, second.health.path.as_str()),
        ("front-end", 3000, "/")
    );
    assert_eq!(second.environment.nginx.upstream, "shop_front_end");
    assert_eq!((second.slots.blue, second.slots.green), (8100, 8101));
    for (section, told) in [
        ("[web.web]\nport = 1\n", "stands in [project] too"),
        ("[web.x]\nport = 1\nupstream = \"a b\"\n", "letters, digits and `_`"),
        ("[web.x]\nport = 1\npath = \"/\"\n", "the first web service is at the root"),
        ("[web.x]\nport = 1\nhealth = { path = \"x\" }\n", "begin with `/`"),
    ] {
        let refusal = refused(&with(section), "prod", &[]);
        assert!(refusal.contains(told), "{refusal}");
    }
}

#[test]
fn an_app_without_an_env_file_says_so() {
    let env_file = |value: &str| SMALLEST.replace("env_file = \"app/.env.example\"", &format!("env_file = {value}"));
    let config = loaded(&env_file("false"), "local", &[]).unwrap();
    assert!(matches!(&config.environment.env_file, SecretSource::Content(content) if content.expose().is_empty()));
    assert!(refused(&env_file("true"), "local", &[]).contains("or false where the app has none"));
}

#[test]
fn web_services_have_nothing_in_common() {
    let with = |webs: &str| SMALLEST.replace("[environments.local]", &format!("{webs}\n[environments.local]"));
    let two = "[web.a]\nport = 1\nslots = { blue = 9000, green = 9001 }\n[web.b]\nport = 1\n";
    assert!(loaded(&with(&format!("{two}slots = {{ blue = 9002, green = 9003 }}")), "local", &[]).is_ok());
    for (same, told) in [
        ("slots = { blue = 9001, green = 9004 }", "must be two ports"),
        ("slots = { blue = 9004, green = 9004 }", "must be two ports"),
        ("slots = { blue = 8080, green = 9004 }", "must be two ports"),
        ("upstream = \"shop_a\"", "upstream = \"shop_a\" is that of another"),
        ("upstream = \"shop_backend\"", "is that of another web service"),
        ("path = \"/a/\"", "path = \"/a/\" is that of another"),
    ] {
        assert!(refused(&with(&format!("{two}{same}")), "local", &[]).contains(told), "{same}");
    }
}
