//! Where the images of a release come from: built from it, or pulled from a registry. On the host each has a name of the release, by
//! which it is found, kept for a rollback, and removed with the release.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::rules::config::GivenImage;
use crate::rules::release::image;

use super::project::Service;
use super::{RenderInput, Roles};

/// An image of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// `ghcr.io/shop/app:1.4`
    pub reference: String,
    /// `pull_policy: never`: it is brought to the host in another way.
    pub is_there: bool,
}

/// Where the image of a service of the release comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    Built,
    /// It is the one that is built for this service of the release.
    BuiltFor(&'a str),
    Pulled(Pulled),
}

/// `None`: the compose file gives the service no image.
pub fn origin<'a>(rendering: &RenderInput, name: &str, service: &Service, roles: &Roles<'a>) -> Option<Origin<'a>> {
    if let Some(given) = given(rendering, name, service, roles.web) {
        let (reference, is_there) = match given {
            GivenImage::Registry(reference) => (reference, false),
            GivenImage::Local(id) => (id, true),
        };
        return Some(Origin::Pulled(Pulled { reference: reference.clone(), is_there }));
    }
    if service.build.is_some() {
        return Some(Origin::Built);
    }
    let reference = service.image.clone()?;
    let builds_it = |(_, other): &(&str, &Service)| other.build.is_some() && other.image.as_ref() == Some(&reference);
    if let Some((other, _)) = roles.released().find(builds_it) {
        return Some(Origin::BuiltFor(other));
    }
    let is_there = service.rest.get("pull_policy").and_then(Value::as_str) == Some("never");
    Some(Origin::Pulled(Pulled { reference, is_there }))
}

/// The image that a command names for a service, in the place of the compose file's. That of the web service is also its workers' that
/// have the same code.
fn given<'a>(rendering: &'a RenderInput, name: &str, service: &Service, web: &Service) -> Option<&'a GivenImage> {
    let build = |service: &Service| service.build.as_ref().map(|build| json!(build));
    let same_code = match (build(service), build(web)) {
        (None, None) => service.image == web.image,
        (own, webs) => own == webs,
    };
    let of_web = || rendering.images.get(rendering.web).filter(|_| same_code);
    rendering.images.get(name).or_else(of_web)
}

/// Of each service of the release that has one.
pub fn pulled(rendering: &RenderInput, roles: &Roles) -> BTreeMap<String, Pulled> {
    let pulled = roles.released().filter_map(|(name, service)| match origin(rendering, name, service, roles)? {
        Origin::Pulled(pulled) => Some((name.to_owned(), pulled)),
        Origin::Built | Origin::BuiltFor(_) => None,
    });
    pulled.collect()
}

/// The services of the release whose images are built.
pub fn built(rendering: &RenderInput, roles: &Roles) -> Vec<String> {
    let is_built = |name: &str, service: &Service| origin(rendering, name, service, roles) == Some(Origin::Built);
    roles.released().filter(|(name, service)| is_built(name, service)).map(|(name, _)| name.to_owned()).collect()
}

/// What the image of each service of the release is called on the host.
pub fn names(rendering: &RenderInput, roles: &Roles) -> BTreeMap<String, String> {
    let name = |name: &str, service: &Service| match origin(rendering, name, service, roles) {
        Some(Origin::BuiltFor(other)) => image(rendering.project, other, rendering.release),
        Some(Origin::Built | Origin::Pulled(_)) | None => image(rendering.project, name, rendering.release),
    };
    roles.released().map(|(service, body)| (service.to_owned(), name(service, body))).collect()
}
