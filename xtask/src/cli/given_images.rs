//! The flags that name images in the place of what the compose file says.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;

use crate::io::local::image;
use crate::rules::config::{Config, GivenImage};
use crate::rules::failure::Kind;

#[derive(Debug, Args)]
pub struct GivenImages {
    /// Take an image from its registry instead of building it: of the web service and the workers with the same code, or of the
    /// service that is named; may be given several times
    #[arg(long = "image", value_name = "[SERVICE=]IMAGE")]
    registry: Vec<String>,
    /// Carry an image of this machine's docker to the host, where no registry has it; only layers that the host lacks are sent
    #[arg(long = "carry", value_name = "[SERVICE=]IMAGE")]
    local: Vec<String>,
}

impl GivenImages {
    /// The configuration with these images.
    ///
    /// # Errors
    /// [`Kind::Usage`] where a service or an image cannot be; [`Kind::Configuration`] where this machine has no such image.
    pub fn applied(&self, config: &Config) -> Result<Config> {
        let mut images = BTreeMap::new();
        for given in &self.registry {
            let (service, image) = named(config, given, "--image")?;
            add(&mut images, service, GivenImage::Registry(image.to_owned()))?;
        }
        for given in &self.local {
            let (service, image) = named(config, given, "--carry")?;
            add(&mut images, service, GivenImage::Local(image::id(image)?))?;
        }
        Ok(Config { images, ..config.clone() })
    }
}

fn named<'a>(config: &'a Config, given: &'a str, flag: &str) -> Result<(&'a str, &'a str)> {
    let refuse = |text: String| Err(Kind::Usage.error(format!("{flag}: {text}")));
    let (service, image) = given.split_once('=').unwrap_or((&config.project.web, given));
    if !config.webs().any(|web| web == service) && !config.project.workers.iter().any(|worker| worker == service) {
        return refuse(format!("`{service}` is neither a web service nor a worker of deploy.toml"));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    if image.is_empty() || !image.bytes().all(plain) || !image.as_bytes()[0].is_ascii_alphanumeric() {
        return refuse(format!("{image:?} is no name of an image, as in ghcr.io/shop/app:1.4"));
    }
    Ok((service, image))
}

fn add(images: &mut BTreeMap<String, GivenImage>, service: &str, image: GivenImage) -> Result<()> {
    match images.insert(service.to_owned(), image) {
        None => Ok(()),
        Some(_) => Err(Kind::Usage.error(format!("two images are given for `{service}`"))),
    }
}
