//! A repository that is deployed to a test server: the reference backend as a team would have it, and the variables by
//! which the tool reaches the server.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::support::server::{Server, repository};
use crate::support::team::{Team, copy_work_tree, of_this_run, tool};

/// A `.env` with everything that is easily torn: quotes, `$`, `#`, spaces, an empty value, no last line end.
pub fn env_file() -> String {
    let [token, single, double, last] = *SECRET_VALUES;
    format!(
        "# settings of the server\n\
         API_TOKEN={token}\n\
         REDIS_URL=redis://redis:6379/0\n\
         API_URL=http://api:8000\n\
         WEB_CONCURRENCY=2\n\
         ACCESS_LOG=false\n\
         EMPTY=\n\
         SINGLE_QUOTED='{single}'\n\
         DOUBLE_QUOTED=\"{double}\"\n\
         NO_LINE_END={last}"
    )
}

/// Values of that file that nobody may see.
pub static SECRET_VALUES: LazyLock<[&str; 4]> = LazyLock::new(|| {
    let value = |text: &str| -> &'static str { format!("{text}{}", of_this_run()).leak() };
    [
        value("token-of-the-test-server-"),
        value("pass $word # \"with\" 5% & more "),
        value("two words "),
        value("last-value-of-the-file-"),
    ]
});

pub struct Site {
    folder: tempfile::TempDir,
    pub variables: Vec<(String, String)>,
}

impl Site {
    /// The repository of a team that deploys to `server` in `mode`, which is set up for it.
    pub fn new(server: &Server, mode: &str) -> Site {
        let site = Site::not_set_up(server);
        let script = site.xtask(&["setup", "--mode", mode, "--user", "deploy"]).must_end_with(0).stdout;
        server.root(&script);
        site
    }

    /// The same, before the server is set up for it.
    pub fn not_set_up(server: &Server) -> Site {
        let folder = tempfile::Builder::new().prefix("deploy-test-site-").tempdir().unwrap();
        let site = Site { folder, variables: server.variables(&env_file()) };
        let root = site.root();
        copy_work_tree(&["backend", "tests_config.yaml"], root);
        let toml = std::fs::read_to_string(repository().join("deploy.toml")).unwrap();
        // The server has a site on port 80, and a test has no time for long watches.
        let toml = toml.replace("https://api.gifty.example", "http://api.example");
        site.write("deploy.toml", &toml);
        site.configure("# [health]\n", "[health]\n");
        site.configure("# [traffic]\n# bake = 3 ", "[traffic]\nbake = 1 ");
        site.configure("# drain = 30 ", "drain = 5 ");
        site.first_commit();
        site
    }

    /// Another project's repository that is deployed to `server`, which is not set up for it.
    pub fn new_project(server: &Server, toml: &str) -> Site {
        let folder = tempfile::Builder::new().prefix("deploy-test-site-").tempdir().unwrap();
        let site = Site { folder, variables: server.variables(&env_file()) };
        copy_work_tree(&["backend", "tests_config.yaml"], site.root());
        site.write("deploy.toml", toml);
        site.first_commit();
        site
    }

    /// The tool for an environment other than `prod`, with the same variables.
    pub fn in_environment(&self, environment: &str, arguments: &[&str]) -> Command {
        let mut command = tool(&[arguments, &["--env", environment]].concat(), self.root());
        let prefix = environment.to_uppercase();
        command.envs(self.variables.iter().map(|(name, value)| (name.replacen("PROD", &prefix, 1), value)));
        command
    }

    /// Rewrites a part of `deploy.toml`, which is not part of a release.
    pub fn configure(&self, from: &str, to: &str) {
        self.rewrite("deploy.toml", from, to);
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }
}

impl Team for Site {
    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.in_environment("prod", arguments)
    }

    fn secrets(&self) -> &'static [&'static str] {
        &*SECRET_VALUES
    }
}

/// All processes of this machine: number and words, apart by NUL.
pub fn processes() -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let words = numbers.filter_map(|number| Some((number, std::fs::read(format!("/proc/{number}/cmdline")).ok()?)));
    words.map(|(number, words)| (number, String::from_utf8_lossy(&words).into_owned())).collect()
}
