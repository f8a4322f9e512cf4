//! A committed tree as git lists it, and what of it an earlier release has already: only the rest has to travel.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::rules::release::ReleaseId;

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As git has it, which may be of any bytes; from the app's folder on.
    pub path: Vec<u8>,
    /// Mode and object id, `100644 1a2b…`: where both are the same, the file is.
    pub object: String,
}

/// Reads what `git ls-tree -r -z` printed of the files below `prefix`.
pub fn entries(listed: &[u8], prefix: &[u8]) -> Vec<Entry> {
    let entry = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'\t')?;
        let [mode, _, id] =
            std::str::from_utf8(&line[..at]).ok()?.split_ascii_whitespace().collect::<Vec<&str>>().try_into().ok()?;
        let path = line[at + 1..].strip_prefix(prefix)?.to_vec();
        Some(Entry { path, object: format!("{mode} {id}") })
    };
    listed.split(|byte| *byte == 0).filter_map(entry).collect()
}

/// A name that may be of any bytes, as text. One that is no UTF-8, or begins with a quote, is written as git writes it:
/// between double quotes, with escapes.
pub fn as_text(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) if !name.starts_with('"') => name.to_owned(),
        _ => {
            let escaped = |byte: &u8| match byte {
                b'"' | b'\\' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\{byte:03o}"),
            };
            format!("\"{}\"", name.iter().map(escaped).collect::<String>())
        }
    }
}

/// What stands before the first NUL, and what after it.
pub fn split_at_nul(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..at], bytes.get(at + 1..).unwrap_or_default())
}

/// What `sha256sum -z` printed: the sum of each file, by its path. `None`: it is something else.
pub fn sums(listed: &[u8]) -> Option<BTreeMap<Vec<u8>, String>> {
    let entries = listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries.map(|entry| Some((entry.get(66..)?.to_vec(), as_text(entry.get(..64)?)))).collect()
}

/// Whether a link at `path` leads out of the folder from which paths are counted.
pub fn leads_out(path: &[u8], to: &[u8]) -> bool {
    let mut depth = path.split(|byte| *byte == b'/').count().saturating_sub(1);
    if to.starts_with(b"/") {
        // What is there on every host, or in the container, is for the author to say.
        return false;
    }
    for part in to.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Of an earlier release's manifest, what tells which files are still the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// sha256 of every file.
    pub files: BTreeMap<String, String>,
    /// What git calls the content of every file, and of links.
    #[serde(default)]
    pub objects: BTreeMap<String, String>,
    /// The same of every `.gitattributes` of the repository: by them a file may come out of git as another.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// What a new release takes from one that is on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Reuse {
    pub release: ReleaseId,
    /// sha256 of each file that is taken, by its path as git has it. The host makes it anew, of what it has copied.
    pub sums: BTreeMap<Vec<u8>, String>,
    /// Those of them that are programs.
    pub programs: BTreeSet<Vec<u8>>,
}

/// What of `tree` the release `earlier` has. Nothing, where the attributes are others, or nothing would be left to send:
/// an archive has at least one file.
pub fn reuse(
    release: &ReleaseId,
    earlier: &Content,
    tree: &[Entry],
    attributes: &BTreeMap<String, String>,
) -> Option<Reuse> {
    let mut reuse = Reuse { release: release.clone(), sums: BTreeMap::new(), programs: BTreeSet::new() };
    if earlier.attributes != *attributes {
        return None;
    }
    // The first one is always sent.
    for entry in tree.iter().skip(1) {
        let name = as_text(&entry.path);
        // A link has no sum and is sent, and so is the empty folder that a module of another repository is in an archive.
        if let (Some(sum), Some(true)) =
            (earlier.files.get(&name), earlier.objects.get(&name).map(|object| *object == entry.object))
        {
            if entry.object.starts_with("100755 ") {
                reuse.programs.insert(entry.path.clone());
            }
            reuse.sums.insert(entry.path.clone(), sum.clone());
        }
    }
    (!reuse.sums.is_empty()).then_some(reuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> ReleaseId {
        ReleaseId::parse("20260131-174502-1a2b3c4").unwrap()
    }

    fn content(entries: &[Entry]) -> Content {
        let named = |value: &dyn Fn(&Entry) -> String| {
            entries.iter().map(|entry| (as_text(&entry.path), value(entry))).collect::<BTreeMap<String, String>>()
        };
        Content {
            files: named(&|entry| format!("sum of {}", entry.object)),
            objects: named(&|entry| entry.object.clone()),
            attributes: BTreeMap::new(),
        }
    }

    /// What git separates by NUL, here by `|`.
    fn listed() -> Vec<u8> {
        let text = b"100644 blob aa\tapp/a.py|100755 blob bb\tapp/with\nline end|120000 blob cc\tapp/link|\
            160000 commit dd\tapp/module|100644 blob ee\tapp/\xff|100644 blob ff\tapp/z.py|";
        text.iter().map(|byte| if *byte == b'|' { 0 } else { *byte }).collect()
    }

    #[test]
    fn files_are_listed_from_the_folder_on() {
        let paths: Vec<Vec<u8>> = entries(&listed(), b"app/").into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, [&b"a.py"[..], b"with\nline end", b"link", b"module", b"\xff", b"z.py"]);
    }

    #[test]
    fn a_link_that_leads_out_is_known() {
        for (path, to, out) in [
            ("link", "../x", true),
            ("a/link", "../x", false),
            ("a/link", "../../x", true),
            ("a/link", "b/../../../x", true),
            ("link", "./a/../b", false),
            ("link", "/etc/ssl", false),
        ] {
            assert_eq!(leads_out(path.as_bytes(), to.as_bytes()), out, "{path} -> {to}");
        }
    }

    #[test]
    fn what_has_the_same_mode_and_object_is_taken() {
        let tree = entries(&listed(), b"app/");
        let mut earlier = content(&tree);
        earlier.files.retain(|name, _| !["link", "module"].contains(&name.as_str()));
        earlier.objects.insert("z.py".to_owned(), "100755 ff".to_owned());
        let reuse = reuse(&release(), &earlier, &tree, &BTreeMap::new()).unwrap();
        let paths: Vec<&[u8]> = reuse.sums.keys().map(Vec::as_slice).collect();
        assert_eq!(paths, [&b"with\nline end"[..], b"\xff"]);
        assert_eq!(reuse.sums[&b"\xff"[..]], "sum of 100644 ee");
        assert_eq!(reuse.programs, BTreeSet::from([b"with\nline end".to_vec()]));
    }

    #[test]
    fn nothing_is_taken_where_attributes_or_everything_changed() {
        let tree = entries(&listed(), b"app/");
        let attributes = BTreeMap::from([(".gitattributes".to_owned(), "100644 11".to_owned())]);
        assert_eq!(reuse(&release(), &content(&tree), &tree, &attributes), None);
        assert_eq!(reuse(&release(), &Content::default(), &tree, &BTreeMap::new()), None);
        assert_eq!(reuse(&release(), &content(&tree), &tree[..1], &BTreeMap::new()), None);
    }
}
