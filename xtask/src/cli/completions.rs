//! `cargo xtask completions`.

use clap::{Args, CommandFactory};

use super::Flags;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask completions bash > /etc/bash_completion.d/xtask")]
pub struct Completions {
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run(&self) {
        clap_complete::generate(self.shell, &mut Flags::command(), "xtask", &mut std::io::stdout());
    }
}
