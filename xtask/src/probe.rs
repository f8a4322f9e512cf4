//! Requests to the host: to a slot's port, to nginx's own answer, through nginx to the site.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::config::Config;
use crate::host::Host;
use crate::proc::{self, Command};
use crate::release::Slot;
use crate::verdict::Answer;

/// Bytes of an answer that are read; a health check says less.
const BODY_LIMIT: u64 = 64 << 10;

/// Probes that wait for their answer at the same time; more would only burden an app that does not answer.
const UNDER_WAY: usize = 6;

/// Probes of one address, of which the next may begin before the one before is answered: over a slow link each takes
/// longer than the time between two.
pub struct Polls {
    probe: Probe,
    path: String,
    sender: mpsc::Sender<Result<Answer>>,
    answers: mpsc::Receiver<Result<Answer>>,
    under_way: usize,
}

impl Polls {
    pub fn new(probe: Probe, path: &str) -> Polls {
        let (sender, answers) = mpsc::channel();
        Polls { probe, path: path.to_owned(), sender, answers, under_way: 0 }
    }

    /// Asks once more, unless too many wait already.
    pub fn start(&mut self, limit: Duration) {
        if self.under_way < UNDER_WAY {
            self.under_way += 1;
            let (probe, path, sender) = (self.probe.clone(), self.path.clone(), self.sender.clone());
            std::thread::spawn(move || {
                // Once one was healthy, nobody listens any more.
                let _nobody = sender.send(probe.get(&path, limit));
            });
        }
    }

    /// The next answer that comes until `deadline`.
    pub fn answer(&mut self, deadline: Instant) -> Option<Result<Answer>> {
        let answer = self.answers.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
        self.under_way -= 1;
        Some(answer)
    }
}

/// One address that can be asked, by a new connection each time.
#[derive(Clone)]
pub struct Probe {
    way: Way,
}

#[derive(Clone)]
enum Way {
    Plain {
        agent: ureq::Agent,
        port: u16,
        host: String,
    },
    /// TLS is curl's: it verifies nothing here, because the site is asked on the loopback, whatever its name resolves to
    /// and whoever signed it.
    Tls {
        host: String,
        site_port: u16,
        port: u16,
    },
}

impl Probe {
    /// A slot, past nginx.
    pub fn slot(config: &Config, host: &Host, slot: Slot) -> Result<Probe> {
        Ok(Probe::plain(host.port(config.slots.port(slot))?, "127.0.0.1".to_owned()))
    }

    /// nginx's own answer to which slot it obeys.
    pub fn live(config: &Config, host: &Host) -> Result<Probe> {
        Ok(Probe::plain(host.port(config.environment.nginx.live_port)?, "127.0.0.1".to_owned()))
    }

    /// The site, through nginx.
    pub fn site(config: &Config, host: &Host) -> Result<Probe> {
        let url = &config.environment.url;
        let port = host.port(url.port)?;
        if !url.tls {
            return Ok(Probe::plain(port, url.authority()));
        }
        proc::require("curl", "the site is served over TLS, and curl asks it; install it")?;
        Ok(Probe { way: Way::Tls { host: url.host.clone(), site_port: url.port, port } })
    }

    fn plain(port: u16, host: String) -> Probe {
        let agent = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .build()
            .new_agent();
        Probe { way: Way::Plain { agent, port, host } }
    }

    /// Asks once.
    ///
    /// # Errors
    /// When there is no complete answer within `limit`.
    pub fn get(&self, path: &str, limit: Duration) -> Result<Answer> {
        match &self.way {
            Way::Plain { agent, port, host } => {
                let request = agent.get(format!("http://127.0.0.1:{port}{path}"));
                let request = request.header("Host", host).header("Connection", "close").header("User-Agent", "xtask");
                let mut response = request.config().timeout_global(Some(limit)).build().call()?;
                let status = response.status().as_u16();
                let body = response.body_mut().with_config().limit(BODY_LIMIT).lossy_utf8(true).read_to_string()?;
                Ok(Answer { status, body })
            }
            Way::Tls { host, site_port, port } => {
                let to = format!("{host}:{site_port}:127.0.0.1:{port}");
                let seconds = format!("{:.3}", limit.as_secs_f64());
                let size = BODY_LIMIT.to_string();
                let url = format!("https://{host}:{site_port}{path}");
                let words = [
                    "curl",
                    "--silent",
                    "--show-error",
                    "--insecure",
                    "--noproxy",
                    "*",
                    "--connect-to",
                    &to,
                    "--max-time",
                    &seconds,
                    "--max-filesize",
                    &size,
                    "--user-agent",
                    "xtask",
                    "--write-out",
                    "\n%{http_code}",
                    "--",
                    &url,
                ];
                let command = Command::new("ask the site over TLS", words).within(limit + Duration::from_secs(2));
                let text = proc::text(&command)?;
                let (body, status) = text.rsplit_once('\n').context("curl printed no status")?;
                Ok(Answer { status: status.parse().context("curl printed no status")?, body: body.to_owned() })
            }
        }
    }
}
