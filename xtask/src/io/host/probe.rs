//! Requests to the host: to a slot's port, to nginx's own answer, through nginx to the site.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::io::host::Host;
use crate::io::host::ask::{Asker, Question};
use crate::rules::config::Config;
use crate::rules::health::Answer;
use crate::rules::nginx;
use crate::rules::release::Slot;

/// Probes that wait for their answer at the same time; more would only burden an app that does not answer.
const UNDER_WAY: usize = 3;

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

/// One address of the host that can be asked, by a new connection each time.
#[derive(Clone)]
pub struct Probe {
    asker: Asker,
    tls: bool,
    port: u16,
    host: String,
    behind_tls: bool,
    /// What stands before the path that is asked for.
    base: String,
}

impl Probe {
    /// A slot, past nginx.
    pub fn slot(config: &Config, host: &Host, slot: Slot) -> Probe {
        let url = &config.environment.url;
        // As its users ask it: an app may check its hosts, or lead what is not over TLS there.
        let probe = Probe::plain(host, config.slots.port(slot), url.authority());
        Probe { behind_tls: url.tls, ..probe }
    }

    /// nginx's own answer to which slot it obeys.
    pub fn live(config: &Config, host: &Host) -> Probe {
        Probe::plain(host, config.environment.nginx.live_port, nginx::live_host(&config.project.name))
    }

    fn plain(host: &Host, port: u16, name: String) -> Probe {
        Probe { asker: host.asker(), tls: false, port, host: name, behind_tls: false, base: String::new() }
    }

    /// The site, through nginx.
    pub fn site(config: &Config, host: &Host) -> Probe {
        let url = &config.environment.url;
        let (tls, port, host_name, base) = (url.tls, url.port, url.authority(), url.path.clone());
        Probe { asker: host.asker(), tls, port, host: host_name, behind_tls: false, base }
    }

    /// Asks once.
    ///
    /// # Errors
    /// When there is no complete answer within `limit`.
    pub fn get(&self, path: &str, limit: Duration) -> Result<Answer> {
        let path = &format!("{}{path}", self.base);
        let question = Question { tls: self.tls, port: self.port, host: &self.host, behind_tls: self.behind_tls, path };
        self.asker.ask(&question, limit)
    }
}
