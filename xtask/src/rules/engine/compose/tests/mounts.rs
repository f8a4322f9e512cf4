//! Where relative mounts lead: code to the release, data to what outlives it.

use super::super::data::Kind;
use super::*;

/// Mounts as people write them: what the commit has is code, what it has not is data.
#[test]
fn relative_mounts_lead_to_the_release_or_to_what_outlives_it() {
    let release = "/srv/shop/releases/20260131-174502-1a2b3c4";
    for (volume, path) in [
        (format!("'{release}/uploads:/u'"), Some("uploads")),
        (format!("'{release}/dbdata/:/u:rw'"), Some("dbdata")),
        (format!("{{type: bind, source: '{release}/certs', target: /u, read_only: true}}"), Some("certs")),
        (format!("'{release}/app:/u:ro'"), None),
        (format!("'{release}/prometheus.yml:/u'"), None),
        ("'/etc/localtime:/u:ro'".to_owned(), None),
        ("'named:/u'".to_owned(), None),
    ] {
        let files = with(&format!("db: {{image: y, volumes: [{volume}]}}\nvolumes: {{named: {{}}}}")).unwrap();
        let base = file(&files.base);
        let mounted = base["services"]["db"]["volumes"][0].to_string();
        let shared = files.shared.iter().filter(|shared| shared.kind != Kind::Committed);
        let shared: Vec<&str> = shared.map(|shared| shared.path.as_str()).collect();
        assert_eq!(shared, path.into_iter().collect::<Vec<_>>(), "{volume}");
        let committed = files.shared.iter().any(|shared| shared.kind == Kind::Committed);
        assert_eq!(committed, path.is_none() && volume.contains(release), "{volume}");
        assert_eq!(mounted.contains("/srv/shop/shared/"), path.is_some(), "{volume}: {mounted}");
    }
    // What `shared` names inside of a mounted folder is mounted over it, in the slot and in workers.
    let shared = ["media".to_owned()];
    let config = format!(
        "services:\n  api: {{image: x, volumes: ['{release}:/app']}}\n  scheduler: {{image: x}}\n  scraper: {{image: x, volumes: ['{release}:/app']}}\n"
    );
    let files = rendered_with(&config, |rendering| rendering.shared = &shared).unwrap();
    for (text, service) in [(&files.slot, "api-green"), (files.workers.as_ref().unwrap(), "scraper")] {
        let volumes = file(text)["services"][service]["volumes"].to_string();
        assert!(volumes.contains("/srv/shop/shared/media:/app/media:rw"), "{volumes}");
    }
    // Two containers that have it from two places are not guessed about.
    let found = BTreeMap::from([
        (("db".to_owned(), "/u".to_owned()), "/home/deploy/uploads".to_owned()),
        (("cache".to_owned(), "/u".to_owned()), "/srv/other/uploads".to_owned()),
    ]);
    let two = with_other(&format!(
        "db: {{image: y, volumes: ['{release}/uploads:/u']}}\n  cache: {{image: y, volumes: ['{release}/uploads:/u']}}"
    ));
    let files = rendered_with(&two, |rendering| rendering.found = &found).unwrap();
    let places: Vec<Option<&str>> = files.shared.iter().map(|shared| shared.found.as_deref()).collect();
    assert_eq!(
        places,
        [Some("/home/deploy/uploads"), Some("/srv/other/uploads")],
        "the host tells whether they are one"
    );
    // Data that lies inside of a folder that is mounted whole is found there; what is there already is not looked for.
    let found = BTreeMap::from([
        (("api".to_owned(), "/app".to_owned()), "/home/deploy/shop".to_owned()),
        (("scraper".to_owned(), "/app".to_owned()), "/srv/shop/shared".to_owned()),
    ]);
    let files = rendered_with(&config, |rendering| (rendering.shared, rendering.found) = (&shared, &found)).unwrap();
    let places: Vec<Option<&str>> = files.shared.iter().map(|shared| shared.found.as_deref()).collect();
    assert_eq!(places, [Some("/home/deploy/shop/media")]);
    // The `.env` comes with the release; what lies above the app's folder does not.
    let env = rendered(&config.replace(&format!("'{release}:/app'"), &format!("'{release}/.env:/app/.env'"))).unwrap();
    assert!(env.shared.is_empty() && env.slot.contains(&format!("{release}/.env:/app/.env")), "{}", env.slot);
    let above = with("db: {image: y, volumes: ['/srv/shop/releases/dbdata:/data']}").err().unwrap().to_string();
    assert!(above.contains("mounts `dbdata` from above the folder `app`"), "{above}");
}

/// `../..` of a release is the environment's folder.
#[test]
fn what_is_kept_of_releases_is_mounted_nowhere() {
    for source in
        ["/srv/shop", "/srv/shop/releases/../", "/srv/shop/meta", "/srv/shop/releases", "/srv/shop/live/x", "/srv", "/"]
    {
        let config = with(&format!("db: {{image: y, volumes: ['{source}:/data']}}"));
        let told = config.err().unwrap_or_else(|| panic!("{source} may be mounted")).to_string();
        assert!(told.contains("could change what is kept of releases in /srv/shop"), "{source}: {told}");
    }
    for source in [
        "/srv/shop/shared",
        "/srv/shop/shared/uploads",
        "/srv/shop/uploads",
        "/srv/shop-data",
        "/var/run/docker.sock",
        "/sys",
    ] {
        with(&format!("db: {{image: y, volumes: ['{source}:/data']}}")).unwrap();
    }
    // Monitoring reads the whole host.
    with("db: {image: y, volumes: ['/:/host:ro']}").unwrap();
}
