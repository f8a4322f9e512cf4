//! The command line: a plain struct per subcommand. Business code never sees strings.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::release::{ReleaseId, Slot};

/// Zero-downtime deploys of a docker compose backend behind nginx.
///
/// `cargo xtask deploy` tests, packages, ships, builds, boots the new version beside the old one, waits until it is
/// healthy, moves nginx's traffic, drains and stops the old one. If anything fails, the old version goes on serving.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = EXIT_CODES)]
pub struct Flags {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 host not ready, 5 locked, \
6 connection, 7 host key, 10 tests, 11 package, 12 ship, 13 build, 14 hook, 15 boot, 16 unhealthy, 17 switch, \
18 failed after the switch and went back, 19 new version serves but what follows failed, 20 status: drift, \
130 interrupted. See docs/ARCHITECTURE.md.";

/// Where to, where nobody says so.
pub const USUAL_ENVIRONMENT: &str = "local";

/// A week, in seconds.
const LONGEST_WAIT: u64 = 7 * 24 * 60 * 60;

#[derive(Debug, Args)]
pub struct Common {
    /// Where to: a name under [environments] in deploy.toml
    #[arg(long = "env", global = true, value_name = "NAME", default_value = USUAL_ENVIRONMENT)]
    pub environment: String,
    /// The configuration; looked for upwards from here where not given
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the result as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the tests that tests_config.yaml selects
    #[command(after_help = "Example: cargo xtask test --group routes -- -k health -x")]
    Test(Test),
    /// Make the archive and manifest of the committed app
    #[command(after_help = "Example: cargo xtask package --output dist")]
    Package(Package),
    /// Bring a release to the host, complete or not at all
    #[command(after_help = "Example: cargo xtask ship --env prod")]
    Ship(Source),
    /// Build a release's images on the host
    #[command(after_help = "Example: cargo xtask build --env prod --release 20260131-174502-1a2b3c4")]
    Build(Build),
    /// Move the traffic to the other slot, which must be healthy
    #[command(after_help = "Example: cargo xtask switch green --env prod")]
    Switch(Switch),
    /// Wait until a slot is healthy
    #[command(after_help = "Example: cargo xtask health --env prod")]
    Health(Health),
    /// Test, package, ship, build, boot, switch, drain: everything
    #[command(after_help = "Example: cargo xtask deploy --env prod --dry-run")]
    Deploy(Deploy),
    /// Go back to a release that served well
    #[command(after_help = "Example: cargo xtask rollback --env prod --to 20260131-174502-1a2b3c4")]
    Rollback(Rollback),
    /// Which slot and release serve, and whether nginx, containers and record agree
    #[command(after_help = "Example: cargo xtask status --env prod --json")]
    Status,
    /// Print the script that prepares a server, to be read and then run there as root
    #[command(
        after_help = "Example: cargo xtask setup --env prod --mode instant > setup.sh, read it, then: ssh root@server bash < setup.sh"
    )]
    Setup(Setup),
    /// Print completions for a shell
    #[command(after_help = "Example: cargo xtask completions bash > /etc/bash_completion.d/xtask")]
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Test {
    /// Run this group only, whatever tests_config.yaml says of it
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Arguments for pytest
    #[arg(last = true)]
    pub pytest: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Source {
    /// Take uncommitted changes along
    #[arg(long)]
    pub dirty: bool,
    /// Wait this many seconds for a deploy that runs
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=LONGEST_WAIT))]
    pub lock_wait: u64,
}

#[derive(Debug, Args)]
pub struct Package {
    /// Take uncommitted changes along
    #[arg(long)]
    pub dirty: bool,
    /// Where to write the archive and its manifest
    #[arg(long, value_name = "FOLDER", default_value = ".deploy/packages")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
pub struct Build {
    /// The release to build; without it the one of the committed app
    #[arg(long, value_name = "RELEASE", value_parser = ReleaseId::parse)]
    pub release: Option<ReleaseId>,
    /// Wait this many seconds for a deploy that runs
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=LONGEST_WAIT))]
    pub lock_wait: u64,
}

#[derive(Debug, Args)]
pub struct Switch {
    /// blue or green; without it the slot that is not live
    #[arg(value_parser = slot)]
    pub slot: Option<Slot>,
    /// Print the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait this many seconds for a deploy that runs
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=LONGEST_WAIT))]
    pub lock_wait: u64,
}

#[derive(Debug, Args)]
pub struct Health {
    /// blue or green; without it the live slot
    #[arg(value_parser = slot)]
    pub slot: Option<Slot>,
}

#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub source: Source,
    /// Leave the tests out: they ran before, in a job of their own
    #[arg(long)]
    pub skip_tests: bool,
    /// Print the plan from the host's real state and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Rollback {
    /// The release to go back to; without it the last other one that served well
    #[arg(long, value_name = "RELEASE", value_parser = ReleaseId::parse)]
    pub to: Option<ReleaseId>,
    /// Print the plan from the host's real state and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait this many seconds for a deploy that runs
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=LONGEST_WAIT))]
    pub lock_wait: u64,
}

#[derive(Debug, Args)]
pub struct Setup {
    /// The server's user that deploys; without it the one of the environment's SSH_USER variable
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// How traffic is to be moved: `instant` (a flag file, no reload) or `reload` (upstream file and reload)
    #[arg(long, value_enum, default_value_t = Mode::Instant)]
    pub mode: Mode,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Mode {
    Instant,
    Reload,
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: clap_complete::Shell,
}

fn slot(text: &str) -> Result<Slot, String> {
    Slot::from_name(text).ok_or_else(|| "a slot is `blue` or `green`".to_owned())
}
