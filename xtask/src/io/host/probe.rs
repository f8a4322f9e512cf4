//! Requests to the host: to a slot's port, to nginx's own answer, through nginx to the site.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::io::host::Host;
use crate::io::host::ask::{Asker, Question};
use crate::rules::config::{Config, Health};
use crate::rules::health::{self, Answer};
use crate::rules::nginx;
use crate::rules::release::Slot;

/// Probes that wait for their answer at the same time; more would only burden an app that does not answer.
const UNDER_WAY: usize = 3;

/// Probes of one address, of which the next may begin before the one before is answered: over a slow link each takes
/// longer than the time between two.
pub struct Polls {
    probe: Probe,
    health: Health,
    sender: mpsc::Sender<Result<Option<Answer>>>,
    answers: mpsc::Receiver<Result<Option<Answer>>>,
    under_way: usize,
}

impl Polls {
    pub fn new(probe: Probe, health: &Health) -> Polls {
        let (sender, answers) = mpsc::channel();
        Polls { probe, health: health.clone(), sender, answers, under_way: 0 }
    }

    /// Asks once more, unless too many wait already.
    pub fn start(&mut self, limit: Duration) {
        if self.under_way < UNDER_WAY {
            self.under_way += 1;
            let (probe, health, sender) = (self.probe.clone(), self.health.clone(), self.sender.clone());
            std::thread::spawn(move || {
                // Once one was healthy, nobody listens any more.
                let _nobody = sender.send(probe.ask(&health, limit));
            });
        }
    }

    /// The next answer that comes until `deadline`; without one where only a connection was tried.
    pub fn answer(&mut self, deadline: Instant) -> Option<Result<Option<Answer>>> {
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
    headers: Vec<(String, String)>,
    /// What stands before the path that is asked for.
    base: String,
}

impl Probe {
    /// A slot, past nginx.
    pub fn slot(config: &Config, host: &Host, slot: Slot) -> Probe {
        let url = &config.environment.url;
        // As its users ask it: an app may check its hosts, or lead what is not over TLS there.
        let headers = health::request_headers(&config.health, url.tls);
        let name = config.health.host.clone().unwrap_or_else(|| url.authority());
        Probe { headers, ..Probe::plain(host, config.slots.port(slot), name) }
    }

    /// nginx's own answer to which slot it obeys.
    pub fn live(config: &Config, host: &Host) -> Probe {
        Probe::plain(host, config.environment.nginx.live_port, nginx::live_host(&config.project.name))
    }

    /// A further web service as nginx leads to it, wherever the site has it. `config`: as if it were the only one.
    pub fn through_nginx(config: &Config, host: &Host) -> Probe {
        let Probe { mut headers, host: name, .. } = Probe::slot(config, host, Slot::Blue);
        headers.push((nginx::NAME_HEADER.to_owned(), name));
        let base = nginx::path_of_upstream(&config.environment.nginx.upstream);
        Probe { headers, base, ..Probe::live(config, host) }
    }

    fn plain(host: &Host, port: u16, name: String) -> Probe {
        Probe { asker: host.asker(), tls: false, port, host: name, headers: Vec::new(), base: String::new() }
    }

    /// The site, through nginx.
    pub fn site(config: &Config, host: &Host) -> Probe {
        let url = &config.environment.url;
        let mut headers = health::request_headers(&config.health, false);
        headers.push((nginx::PROBE_HEADER.to_owned(), "1".to_owned()));
        Probe { tls: url.tls, base: url.path.clone(), headers, ..Probe::plain(host, url.port, url.authority()) }
    }

    /// Asks for the health, or tries to connect where nothing is to be asked.
    ///
    /// # Errors
    /// When there is no complete answer within `limit`, or no connection.
    pub fn ask(&self, health: &Health, limit: Duration) -> Result<Option<Answer>> {
        match health.connect {
            true => self.asker.connects(self.port, limit).map(|()| None),
            false => self.get(&health.path, limit).map(Some),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// When there is no complete answer within `limit`.
    pub fn get(&self, path: &str, limit: Duration) -> Result<Answer> {
        let path = &format!("{}{path}", self.base);
        let question = Question { tls: self.tls, port: self.port, host: &self.host, headers: &self.headers, path };
        self.asker.ask(&question, limit)
    }
}
