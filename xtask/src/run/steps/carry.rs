//! Bringing images of this machine's docker to the host: only layers that the host lacks travel.

use std::path::Path;

use anyhow::{Context, Result};

use crate::io::console;
use crate::io::host::Host;
use crate::io::local::image;
use crate::rules::config::Config;
use crate::rules::failure;
use crate::rules::release::layers;
use crate::rules::script;

/// Gives the bytes that travelled.
///
/// # Errors
/// Where docker fails here or there, or the host is not reached any more.
pub fn carry(config: &Config, host: &Host, images: &[String], folder: &Path) -> Result<u64> {
    let sent = send_each(config, host, images, folder);
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    sent
}

fn send_each(config: &Config, host: &Host, images: &[String], folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for id in images {
        let Some(known) = layers::known(id, &image::layers(id)?, &host.text(&script::layers())?) else { continue };
        let send = |known: usize| {
            let (archive, size) = image::save(id, folder, known)?;
            host.send_beside(&script::load_image(config, id, &archive)).map(|()| size)
        };
        bytes += match send(known) {
            // Not every docker takes an image of which a part is there already.
            Err(error) if known > 0 && host.check().is_ok() => {
                console::note(&format!("all layers are sent: {}", failure::chain(&error)));
                send(0)?
            }
            sent => sent?,
        };
    }
    Ok(bytes)
}
