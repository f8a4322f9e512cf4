//! From a server with sshd and nothing else to a site that serves: `init`, `setup`, `deploy`, `doctor`; and back again.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::support::load::{Address, Client, Load, Page, assert_none_failed, get};
use crate::support::server::{Server, docker_with_compose_v2};
use crate::support::team::{Run, Team, copy_folder, tool};

/// A repository, and the ssh of a person who administers a server.
struct Newcomer {
    folder: tempfile::TempDir,
    ssh: PathBuf,
    admin: [String; 2],
}

impl Newcomer {
    /// One of `tests/projects/`, without what it has of this tool.
    fn with(project: &str, server: &Server) -> Newcomer {
        let folder = tempfile::Builder::new().prefix("deploy-test-bare-").tempdir().unwrap();
        let app = folder.path().join("shop");
        std::fs::create_dir(&app).unwrap();
        copy_folder(&format!("xtask/tests/projects/{project}"), &app);
        std::fs::remove_file(app.join("deploy.toml")).unwrap();
        // What a person has in ~/.ssh; ssh itself looks for that where the machine says the home is.
        let ssh = folder.path().join("bin");
        std::fs::create_dir(&ssh).unwrap();
        let known = folder.path().join("known_hosts");
        std::fs::write(&known, &server.known_hosts).unwrap();
        let config = format!(
            "Host *\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
            server.key_file().display(),
            known.display()
        );
        let place = folder.path().join("ssh_config");
        std::fs::write(&place, config).unwrap();
        let admin = ["root@127.0.0.1".to_owned(), server.ssh_port().to_string()];
        let newcomer = Newcomer { folder, ssh, admin };
        newcomer.program("ssh", &format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", place.display()));
        newcomer.first_commit();
        newcomer
    }

    fn set_up(&self, more: &[&str]) -> Run {
        let [admin, port] = &self.admin;
        self.xtask(&[&["setup", "--env", "prod", "--admin", admin, "--admin-port", port], more].concat())
    }

    /// A program of this person's machine.
    fn program(&self, name: &str, text: &str) {
        let place = self.ssh.join(name);
        std::fs::write(
            &place,
            text.replace("LOG", &self.folder.path().join(format!("{name}.log")).display().to_string()),
        )
        .unwrap();
        std::fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// `init`, and what it cannot know: how the database is made.
    fn adopts_the_market(&self) {
        self.xtask(&["init", "--url", "http://market.example"]).must_end_with(0);
        self.rewrite(
            "deploy.toml",
            "[test]",
            "[hooks]\nbefore_boot = [[\"python\", \"-m\", \"services.orders.migrate\"]]\n\n[test]",
        );
        self.commit("deploy with cargo xtask");
    }

    /// `setup` and a first deploy.
    fn served_as(&self, site: &Address) {
        self.set_up(&["--yes"]).must_end_with(0);
        self.deployed(&["deploy", "--skip-tests"]).must_end_with(0);
        assert_eq!(get(site, "/").unwrap().status, 200);
    }

    /// With the variables that `setup` has written.
    fn deployed(&self, words: &[&str]) -> Run {
        let mut command = Command::new("bash");
        command.args([
            "-c",
            ". .deploy/keys/prod.variables && exec \"$@\"",
            "with-variables",
            env!("CARGO_BIN_EXE_xtask"),
        ]);
        command.args(words).args(["--env", "prod"]).current_dir(self.root());
        command.env("DOCKER_CONFIG", docker_with_compose_v2());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run::new(output.status.code(), text(output.stdout), text(output.stderr), self.secrets())
    }
}

impl Team for Newcomer {
    fn root(&self) -> &Path {
        Box::leak(self.folder.path().join("shop").into_boxed_path())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tool(arguments, self.root());
        command.env("PATH", format!("{}:{}", self.ssh.display(), std::env::var("PATH").unwrap()));
        command.env("DOCKER_CONFIG", docker_with_compose_v2());
        command
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["PRIVATE KEY"]
    }
}

/// No authority is within reach, so this stands in for certbot: it writes down how it was called, and does to the site what certbot does.
const CERTBOT: &str = r#"cat >/usr/local/bin/certbot <<'END' && chmod 0755 /usr/local/bin/certbot
#!/bin/sh
set -eu
echo "$*" >>/var/log/certbot.log
place=/etc/letsencrypt/live/guests.example
mkdir -p "$place"
openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=guests.example -keyout "$place/privkey.pem" -out "$place/fullchain.pem" 2>/dev/null
sed -i "s|^    listen 80;|&\n    listen 443 ssl; # managed by Certbot\n    ssl_certificate $place/fullchain.pem; # managed by Certbot\n    ssl_certificate_key $place/privkey.pem; # managed by Certbot|" /etc/nginx/sites-enabled/shop
nginx -s reload
END"#;

/// GitHub is not within reach either: this writes down what it is told, and what it reads.
const GH: &str = "#!/bin/sh\ncase \"$1 $2\" in 'secret set') echo \"$*: $(cat)\" ;; *) echo \"$*\" ;; esac >>LOG\n";

/// How long each step of the way in took.
struct Steps(Instant, Vec<String>);

impl Steps {
    fn begin(&mut self) {
        self.0 = Instant::now();
    }

    fn done(&mut self, step: &str) {
        self.1.push(format!("{step} {:.1} s", self.0.elapsed().as_secs_f64()));
    }
}

/// What a server is, apart from packages: files of nginx, of sudo and of the site's folder.
const FILES: &str = "find /etc/nginx /etc/sudoers.d /etc/docker /srv -type f -o -type l 2>/dev/null | LC_ALL=C sort";

/// GitHub has the secrets, and none of them was an argument.
fn assert_github_was_told(newcomer: &Newcomer, server: &Server) {
    let given = std::fs::read_to_string(newcomer.folder.path().join("gh.log")).unwrap();
    assert!(given.contains("api --method PUT repos/{owner}/{repo}/environments/prod"), "{given}");
    assert!(given.contains("secret set PROD_SSH_KEY --env prod: -----BEGIN OPENSSH PRIVATE KEY-----"), "{given}");
    let host_key =
        format!("secret set PROD_SSH_KNOWN_HOSTS --env prod: [127.0.0.1]:{} ssh-ed25519 ", server.ssh_port());
    assert!(given.contains(&host_key), "{given}");
}

#[test]
fn a_bare_server_serves_after_init_setup_and_deploy() {
    let server = Server::bare();
    let newcomer = Newcomer::with("flask", &server);
    let mut steps = Steps(Instant::now(), Vec::new());
    newcomer.xtask(&["init", "--url", "https://guests.example"]).must_end_with(0);
    steps.done("init");
    newcomer.commit("deploy with cargo xtask");
    server.root(CERTBOT);
    newcomer.program("gh", GH);

    let asked = newcomer.set_up(&[]).must_end_with(2);
    assert!(asked.to_string().contains("install docker.io, docker-compose, nginx"), "{asked}");
    let untouched = server.root("command -v docker nginx || echo none; id deploy 2>&1 || true");
    assert!(
        untouched.starts_with("none\n") && untouched.contains("no such user"),
        "something was changed: {untouched}"
    );
    steps.begin();
    let set_up = newcomer.set_up(&["--yes", "--tls", "anna@guests.example"]).must_end_with(0);
    steps.done("setup");
    let said = set_up.to_string();
    for part in ["PROD_SSH_KNOWN_HOSTS", "prod.variables", "this server is ready", "no release of this tool serves yet"]
    {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let mode = std::fs::metadata(newcomer.root().join(".deploy/keys/prod")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read the key");
    assert_github_was_told(&newcomer, &server);
    let asked = server.root("cat /var/log/certbot.log");
    assert_eq!(asked, "--nginx --non-interactive --agree-tos --redirect -m anna@guests.example -d guests.example\n");
    server.give_images(&["python:3.11-slim"]);

    steps.begin();
    newcomer.deployed(&["deploy", "--skip-tests"]).must_end_with(0);
    steps.done("deploy");
    let site = Address { port: server.http_port(), host: "guests.example".to_owned() };
    assert_eq!(get(&site, "/").unwrap().status, 200);
    let answer = server.root("curl -sk --resolve guests.example:443:127.0.0.1 https://guests.example/");
    assert!(answer.contains("Guest book"), "{answer}");
    steps.begin();
    newcomer.deployed(&["doctor"]).must_end_with(0);
    steps.done("doctor");
    println!("the way in: {}", steps.1.join(", "));

    // Once more changes nothing, and takes nothing away.
    let before = server.root(FILES);
    let again = newcomer.set_up(&["--yes"]).must_end_with(0).to_string();
    for part in
        ["is done  docker, compose, nginx, curl and sudo are installed", "is done  the user deploy", "is done  a key"]
    {
        assert!(again.contains(part), "{part}\n{again}");
    }
    assert_eq!(server.root(FILES), before);
    assert_eq!(get(&site, "/").unwrap().status, 200);
    newcomer.change("templates/book.html", "volume one", "volume two");
    newcomer.deployed(&["deploy", "--skip-tests"]).must_end_with(0);
    assert!(get(&site, "/").unwrap().body.contains("volume two"));
    newcomer.deployed(&["doctor"]).must_end_with(0);
    newcomer.deployed(&["rollback"]).must_end_with(0);
    assert!(get(&site, "/").unwrap().body.contains("volume one"));
}

const MARKET: Page = Page { path: "/", says: "market one" };
const GUEST_BOOK: Page = Page { path: "/", says: "Guest book" };
/// A reload of nginx ends connections that are kept, and what was added to a server or taken from it takes one.
const EACH_ITS_OWN: [Client; 1] = [Client::NewConnection];

#[test]
fn a_set_up_that_was_cut_off_is_gone_on_with() {
    let server = Server::bare();
    let newcomer = Newcomer::with("flask", &server);
    newcomer.xtask(&["init", "--url", "http://guests.example"]).must_end_with(0);
    newcomer.commit("deploy with cargo xtask");
    // All programs are there, and nothing is set up.
    server.root(
        "export DEBIAN_FRONTEND=noninteractive; apt-get update -q >/dev/null; \
         apt-get install -qy --no-install-recommends --download-only docker.io docker-compose nginx curl sudo iptables ca-certificates >/dev/null
         dpkg --unpack --force-confold --force-depends /var/cache/apt/archives/*.deb >/dev/null 2>&1 </dev/null; [ -n \"$(dpkg --audit)\" ]",
    );
    let said = newcomer.set_up(&["--yes"]).must_end_with(0).to_string();
    for part in ["docker, compose, nginx, curl and sudo are installed", "half installed", "this server is ready"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert_eq!(server.root("dpkg --audit"), "");
}

/// A server that has docker with compose v2, and nginx, and serves nothing.
fn prepared_by_another_hand() -> Server {
    let server = Server::bare();
    server.root(
        "export DEBIAN_FRONTEND=noninteractive; apt-get update -q >/dev/null; \
         apt-get install -qy --no-install-recommends -o Dpkg::Options::=--force-confold docker.io iptables nginx curl sudo >/dev/null; service docker start >/dev/null; nginx",
    );
    server.give_compose_v2();
    server.give_images(&["python:3.11-slim", "redis:7-alpine"]);
    server
}

/// All that a deploy or its set-up could leave on a server. Copies that programs for accounts make of the file before are theirs.
fn state(server: &Server) -> String {
    server.root(
        "find /etc /srv /home /usr/local /root /opt /var/backups /var/spool /var/mail -xdev ! -path '/etc/*-' ! -path /etc/.pwd.lock \\
           -printf '%p %y %m %u %g %l\\n' | LC_ALL=C sort
         find /etc /srv /home /usr/local /root /opt -xdev -type f ! -path '/etc/*-' -exec sha256sum {} + | LC_ALL=C sort -k 2
         docker ps -a --format '{{.Names}}'; docker network ls --format '{{.Name}}'; docker volume ls --format '{{.Name}}'
         docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -v '<none>' | sort; id deploy 2>&1 || true",
    )
}

#[track_caller]
fn assert_same(before: &str, after: &str) {
    let added: Vec<&str> = after.lines().filter(|line| !before.lines().any(|of| of == *line)).collect();
    let gone: Vec<&str> = before.lines().filter(|line| !after.lines().any(|of| of == *line)).collect();
    assert!(added.is_empty() && gone.is_empty(), "added:\n{}\ngone:\n{}", added.join("\n"), gone.join("\n"));
}

#[test]
fn two_projects_share_a_server_and_each_is_taken_away_without_a_trace() {
    let server = prepared_by_another_hand();
    let before = state(&server);
    let site = |host: &str| Address { port: server.http_port(), host: host.to_owned() };
    let (market_site, guests_site) = (site("market.example"), site("guests.example"));
    let market = Newcomer::with("monorepo", &server);
    market.adopts_the_market();
    market.served_as(&market_site);
    let guests = Newcomer::with("flask", &server);
    guests.xtask(&["init", "--url", "http://guests.example"]).must_end_with(0);
    guests.commit("deploy with cargo xtask");
    guests.served_as(&guests_site);
    guests.deployed(&["doctor"]).must_end_with(0);
    market.deployed(&["doctor"]).must_end_with(0);

    let serving = state(&server);
    let asked = market.set_up(&["--remove"]).must_end_with(2).to_string();
    for part in [
        "ends     http://market.example, and all that runs for it: mailer, orders, queue",
        "stays    the data in volumes; for who wants it gone: docker volume rm market_orders market_queue",
        "stays    the user deploy: shop may need it",
    ] {
        assert!(asked.contains(part), "{part}\n{asked}");
    }
    assert_same(&serving, &state(&server));

    // Nobody at the other project feels it, and the data is there when it comes back.
    server.root("docker exec $(docker ps -qf label=com.docker.compose.service=queue) redis-cli set mailed 7");
    let load = Load::of(GUEST_BOOK, &guests_site, &EACH_ITS_OWN, 40);
    market.set_up(&["--remove", "--yes"]).must_end_with(0);
    assert_none_failed("a project beside it taken away", &load.finish(), &EACH_ITS_OWN);
    // nginx answers for a name that it does not know with the first site it has.
    assert!(!get(&market_site, "/").unwrap().body.contains("market one"));
    assert!(!state(&server).contains("market-"), "{}", state(&server));
    market.set_up(&["--yes"]).must_end_with(0);
    market.deployed(&["deploy", "--skip-tests"]).must_end_with(0);
    let front = get(&market_site, "/").unwrap().body;
    assert!(front.contains("\"mailed\":7"), "{front}");

    market.set_up(&["--remove", "--yes"]).must_end_with(0);
    let last = guests.set_up(&["--remove", "--yes"]).must_end_with(0).to_string();
    assert!(last.contains("removes  the user deploy, with the key"), "{last}");
    server.root("docker volume rm market_orders market_queue; docker volume ls -q | xargs -r docker volume rm");
    assert_same(&before, &state(&server));
    let again = guests.set_up(&["--remove", "--yes"]).must_end_with(0).to_string();
    assert!(again.contains("has nothing of shop (prod)"), "{again}");
}

#[test]
fn what_serves_by_hand_is_taken_over_without_a_failed_request() {
    let server = prepared_by_another_hand();
    let site = Address { port: server.http_port(), host: "market.example".to_owned() };
    let market = Newcomer::with("monorepo", &server);
    // A user, a checkout, compose, and a site of nginx: as it is done by hand.
    server.root("useradd --create-home --shell /bin/bash deploy; usermod -aG docker deploy");
    server.receive(market.root(), "/opt/market");
    server.root(
        "cd /opt/market && docker compose --progress quiet up -d --build 2>&1 && docker compose run -T --rm orders python -m services.orders.migrate 2>&1 </dev/null
         printf 'server {\\n  listen 80;\\n  server_name market.example;\\n  location / {\\n    proxy_pass http://127.0.0.1:8000;\\n    proxy_set_header Host $host;\\n  }\\n}\\n' >/etc/nginx/sites-enabled/market
         nginx -s reload; docker compose exec -T queue redis-cli set mailed 7 </dev/null",
    );
    market.adopts_the_market();

    let before = state(&server);
    market.set_up(&["--yes"]).must_end_with(4).must_say(&[
        "/etc/nginx/sites-enabled/market is there and stays yours",
        "include /etc/nginx/snippets/market-switch.conf;",
        "proxy_pass http://$market_backend;",
    ]);
    assert_same(&before, &state(&server));
    server.root("cd /etc/nginx/sites-enabled && sed -i 's|proxy_pass .*|proxy_pass http://$market_backend;|; s|server_name .*|&\\n  include /etc/nginx/snippets/market-switch.conf;|' market");
    let load = Load::of(MARKET, &site, &EACH_ITS_OWN, 40);
    let said = market.set_up(&["--yes"]).must_end_with(0).to_string();
    let found =
        "the compose project market runs here (mailer, orders, queue): the first deploy takes it over, without a pause";
    assert!(said.contains(found), "{said}");
    market.deployed(&["deploy", "--skip-tests"]).must_end_with(0);
    assert_none_failed("a server taken over", &load.finish(), &EACH_ITS_OWN);
    let front = get(&site, "/").unwrap().body;
    assert!(front.contains("\"mailed\":7"), "{front}");
    market.deployed(&["doctor"]).must_end_with(0);

    // What a person wrote is not taken away, and nothing else as long as it needs the rest.
    let serving = state(&server);
    market
        .set_up(&["--remove", "--yes"])
        .must_end_with(4)
        .must_say(&["not as `setup` writes it", "proxy_pass http://$market_backend;"]);
    assert_same(&serving, &state(&server));
    server.root("mv /etc/nginx/sites-enabled/market /opt/market.conf; nginx -s reload");
    let said = market.set_up(&["--remove", "--yes"]).must_end_with(0).to_string();
    for part in [
        "the user deploy: it was not made by `setup`",
        "containers of market that this tool did not start: mailer, orders, queue",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(server.root("id deploy; docker volume ls -q").contains("market_orders"));
}
