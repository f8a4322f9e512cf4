//! `cargo xtask`: deploys of a docker compose backend with zero downtime.
//!
//! The folder says what a file is: `cli` reads the command line, one file per subcommand; `run` conducts; `rules` decide and
//! touch nothing; `io` touches the world and decides nothing; `scripts` are what runs on hosts.

mod cli;
mod io;
mod rules;
mod run;
#[cfg(test)]
mod testing;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Flags;
use crate::io::console;
use crate::rules::failure::Kind;

fn main() -> ExitCode {
    let flags = Flags::parse();
    match cli::run(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&error);
            ExitCode::from(Kind::of(&error).unwrap_or(Kind::Unexpected) as u8)
        }
    }
}
