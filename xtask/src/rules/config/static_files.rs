//! `[static]`: files of an image that nginx serves itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A folder of a service's image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageFolder {
    pub service: String,
    /// Absolute.
    pub path: String,
}

impl TryFrom<String> for ImageFolder {
    type Error = String;

    fn try_from(text: String) -> Result<ImageFolder, String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        let parts = text.split_once(':').filter(|(service, path)| {
            let dots = path.split('/').any(|part| part == "..");
            !service.is_empty() && path.starts_with('/') && path.len() > 1 && !dots && path.bytes().all(plain)
        });
        match parts {
            Some((service, path)) => {
                Ok(ImageFolder { service: service.to_owned(), path: path.trim_end_matches('/').to_owned() })
            }
            None => Err(format!("{text:?}: write a service and a folder of its image, as in \"api:/app/staticfiles\"")),
        }
    }
}

impl From<ImageFolder> for String {
    fn from(folder: ImageFolder) -> String {
        format!("{}:{}", folder.service, folder.path)
    }
}

/// By the path of the site below which nginx serves it: `/static`.
pub type StaticFiles = BTreeMap<String, ImageFolder>;
