//! How a new version does, beside the one before it.

use anyhow::Result;

use super::Execution;
use crate::io::console;
use crate::rules::canary::{self, Verdict};
use crate::rules::failure::{self, Kind};
use crate::rules::release::{ReleaseId, Slot};
use crate::run::steps::{self, RequestLog};

/// Seconds of a bake after which nginx is told to go on counting.
const PART: u64 = 300;

impl Execution<'_> {
    /// Has nginx count what both versions answer, where it can; and once more shortly before the switch, since it is told for some minutes at a time and
    /// a build may take longer.
    pub(super) fn count_requests(&mut self) {
        if !self.counts || !self.session.observed.counts_requests {
            return;
        }
        if let Some(mut log) = self.requests.take() {
            self.read(&mut log);
            self.requests = Some(log);
            return;
        }
        match RequestLog::begin(self.config, &self.session.host) {
            Ok(log) => self.requests = Some(log),
            Err(error) => console::warning(&format!("requests are not counted: {}", failure::chain(&error))),
        }
    }

    /// Watches a version that has a share of all clients, and keeps what it came to.
    pub(super) fn judge(&mut self, slot: Slot, percent: u8, seconds: u64) -> Result<String> {
        let figures = steps::judge(self.config, &self.session.host, slot, percent, seconds)?;
        self.decisions.push(format!("{percent}% for {seconds} s: well: {figures}"));
        Ok(figures)
    }

    /// Watches the new version after the switch, and compares what it answers with what the one before answered until then.
    pub(super) fn bake(&mut self, release: &ReleaseId, slot: Slot, seconds: u64) -> Result<String> {
        let (config, host) = (self.config, &self.session.host);
        let mut log = self.requests.take();
        let mut left = seconds;
        while left > 0 {
            let part = left.min(PART);
            steps::bake(config, host, release, slot, part)?;
            left -= part;
            // nginx is told for some minutes at a time.
            if let Some(log) = log.as_mut().filter(|_| left > 0) {
                self.read(log);
            }
        }
        let Some(mut log) = log else { return Ok(String::new()) };
        if !self.read(&mut log) {
            return Ok(String::new());
        }
        let (before, new) = (log.of(slot.other()), log.of(slot));
        let figures = format!("new {}; before {}", new.describe(), before.describe());
        let verdict = canary::judge_errors(&self.config.canary, &before, &new);
        self.before = Some(before);
        match verdict {
            Verdict::Worse(why) => Err(Kind::Bake.error(format!("after the switch, {why}: {figures}"))),
            Verdict::Well => Ok(figures),
            Verdict::TooFew => Ok(format!("too few requests to be judged by: {figures}")),
        }
    }

    /// Whether it could be read. A version that does well is not taken back because nobody could count.
    fn read(&self, log: &mut RequestLog) -> bool {
        let read = log.read(self.config, &self.session.host);
        if let Err(error) = &read {
            console::warning(&format!("requests were not counted: {}", failure::chain(error)));
        }
        read.is_ok()
    }
}
