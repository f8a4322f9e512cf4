//! The tool as a cargo workspace of its own, so that a repository's other crates do not know of it.

use toml::{Table, Value};

/// The alias that runs it, from the repository's root.
pub const ALIAS: &str = "run --quiet --locked --manifest-path xtask/Cargo.toml --";

/// What is added to `xtask/Cargo.toml` of a workspace's member, of that workspace's manifest: all but its members. `None`: the tool is a
/// workspace already.
pub fn of_its_own(package: &str, workspace: &str) -> Option<String> {
    if table(package).is_some_and(|package| package.contains_key("workspace")) {
        return None;
    }
    let lines = workspace.lines().filter(|line| !line.trim_start().starts_with("members"));
    let workspace: Vec<&str> = lines.collect();
    Some(format!("{}\n\n{}\n", package.trim_end(), workspace.join("\n").trim_end()))
}

/// Why a repository whose manifest is `root` would not go on working with the tool beside its crates, and what to change.
pub fn refusal(root: &str) -> Option<String> {
    let workspace = table(root)?.get("workspace")?.as_table()?.clone();
    let listed = |key: &str| -> Vec<String> {
        let entries = workspace.get(key).and_then(Value::as_array).into_iter().flatten();
        entries
            .filter_map(Value::as_str)
            .map(|entry| entry.trim_start_matches("./").trim_end_matches('/').to_owned())
            .collect()
    };
    let takes = listed("members").into_iter().find(|member| matches(member, "xtask"))?;
    let is_out = listed("exclude").iter().any(|excluded| excluded == "xtask");
    (!is_out).then(|| {
        format!(
            "the workspace in Cargo.toml has {takes:?} in `members`, so cargo would take the tool in xtask/ for one of them, and refuse to work. \
             Write `exclude = [\"xtask\"]` below [workspace], and run this again"
        )
    })
}

/// Whether a pattern of cargo's takes a folder at the root.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => name.strip_prefix(before).is_some_and(|left| {
            let rest = rest.trim_start_matches('*');
            (0..=left.len()).any(|at| left.is_char_boundary(at) && matches(rest, &left[at..]))
        }),
    }
}

/// Whether the tool is a member of the repository's workspace, as in the repository that it comes from.
pub fn is_member(package: &str) -> bool {
    table(package).is_some_and(|package| !package.contains_key("workspace"))
}

/// Why this repository's cargo cannot build the tool: the toolchain file names an older Rust than `wanted`.
pub fn old_toolchain(file: &str, wanted: &str) -> Option<String> {
    let channel = table(file).and_then(|file| file.get("toolchain")?.get("channel")?.as_str().map(str::to_owned));
    let channel = channel.unwrap_or_else(|| file.trim().to_owned());
    let number =
        |text: &str| -> Option<Vec<u32>> { text.split('-').next()?.split('.').map(|part| part.parse().ok()).collect() };
    let (there, wanted_number) = (number(&channel)?, number(wanted)?);
    (there < wanted_number).then(|| {
        format!("the repository's toolchain file asks for Rust {channel}, and the tool needs {wanted} or newer: raise it, and run this again")
    })
}

/// What a manifest says of the Rust that it needs.
pub fn rust_version(package: &str) -> Option<String> {
    table(package)?.get("package")?.get("rust-version")?.as_str().map(str::to_owned)
}

fn table(text: &str) -> Option<Table> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    const ROOT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));

    #[test]
    fn the_tool_stands_alone_with_the_lints_and_profiles_that_it_is_built_with() {
        let (package, root) = (table(PACKAGE).unwrap(), table(ROOT).unwrap());
        let own = table(&of_its_own(PACKAGE, ROOT).unwrap()).unwrap();
        assert_eq!(own["profile"], root["profile"]);
        assert_eq!(own["workspace"]["lints"], root["workspace"]["lints"]);
        assert_eq!(own["dependencies"], package["dependencies"]);
        assert!(own["workspace"].get("members").is_none());
        let again = of_its_own(PACKAGE, ROOT).unwrap();
        assert!(of_its_own(&again, ROOT).is_none());
        assert!(is_member(PACKAGE) && !is_member(&again));
    }

    #[test]
    fn a_workspace_that_would_take_the_tool_in_is_refused() {
        for taking in ["members = ['*']", "members = ['app', './xtask/']", "members = ['x*']", "members = ['*sk']"] {
            let refusal = refusal(&format!("[workspace]\n{taking}\n")).unwrap();
            assert!(refusal.contains("exclude = [\"xtask\"]"), "{refusal}");
        }
        for fine in [
            "[workspace]\nmembers = ['crates/*']",
            "[workspace]\nmembers = ['*']\nexclude = ['xtask']",
            "[package]\nname = 'x'",
            "not toml",
        ] {
            assert_eq!(refusal(fine), None, "{fine}");
        }
    }

    #[test]
    fn an_old_toolchain_is_told_before_cargo_fails() {
        for old in ["[toolchain]\nchannel = '1.75.0'\n", "1.88\n", "1.88.0-x86_64-unknown-linux-gnu"] {
            assert!(old_toolchain(old, "1.89").is_some(), "{old}");
        }
        for fine in ["[toolchain]\nchannel = 'stable'\n", "nightly-2026-01-01", "1.89.0", "1.90"] {
            assert_eq!(old_toolchain(fine, "1.89"), None, "{fine}");
        }
        assert_eq!(rust_version(PACKAGE).as_deref(), Some("1.89"));
    }
}
