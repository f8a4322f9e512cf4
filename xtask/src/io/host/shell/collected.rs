//! What a script on the host prints, as far as it is kept.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};

use super::Show;
use crate::io::console;
use crate::io::process::{self, Finished};
use crate::rules::script::Script;

/// Lines of a script's output that an error shows.
const TAIL_LINES: usize = 25;
/// Bytes of standard output a script may give us; more is a defect of the script.
const OUTPUT_LIMIT: usize = 64 << 20;

/// What a script has printed.
#[derive(Default)]
pub struct Collected {
    output: Vec<String>,
    bytes: usize,
    tail: VecDeque<String>,
    pub code: Option<i32>,
    pub errors_ended: bool,
}

impl Collected {
    pub fn forget(&mut self) {
        self.output.clear();
        self.bytes = 0;
    }

    pub fn add(&mut self, line: String, show: Show) {
        if show == Show::Lines {
            self.keep(&line, show);
        }
        if self.bytes < OUTPUT_LIMIT {
            self.bytes += line.len() + 1;
            self.output.push(line);
        }
    }

    /// Keeps the line for an error, and shows it where that is wanted.
    pub fn keep(&mut self, line: &str, show: Show) {
        if line.is_empty() {
            return;
        }
        let text = process::shortened(&console::masked(line));
        if show == Show::Lines {
            console::child_line(&text);
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
    }

    /// What the script came back with.
    ///
    /// # Errors
    /// Where it printed too much, or ended without an exit code.
    pub fn finish(self, script: &Script) -> Result<Finished> {
        if self.bytes >= OUTPUT_LIMIT {
            bail!("could not {}: it printed more than {} MiB", script.name, OUTPUT_LIMIT >> 20);
        }
        // The shell begins a line for its own mark, so what came before is as it was.
        let stdout = self.output.join("\n").into_bytes();
        let tail = Vec::from(self.tail).join("\n");
        let code = self.code.context("the shell told no exit code")?;
        Ok(Finished { purpose: script.name.to_owned(), code: Some(code), stdout, tail })
    }
}
