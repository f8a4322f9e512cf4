//! Documents: links lead somewhere, and the guide says the same in both languages, as far as a program can see that.

use crate::support::server::repository;
use crate::support::source_files::files;

const GUIDES: [&str; 2] = ["docs/deployment.md", "docs/deployment.en.md"];

/// What of a section is the same in every language.
#[derive(Debug, PartialEq)]
struct Section {
    level: usize,
    /// Code between backticks, in any order.
    code: Vec<String>,
    /// Lines of commands and files, without comments.
    listings: Vec<String>,
    /// Of each row of a table, its cells.
    rows: Vec<usize>,
}

/// Placeholders are written in the reader's language: `<release>`, `--lock-wait SECONDS`.
fn without_placeholders(code: &str) -> String {
    let mut shown = String::new();
    let mut inside = false;
    for letter in code.chars() {
        inside = (inside || letter == '<') && letter != '>';
        if !inside {
            shown.push(letter);
        }
    }
    let words = shown.split(' ').map(|word| if word == "SECONDS" || word == "СЕКУНДЫ" { "N" } else { word });
    words.collect::<Vec<&str>>().join(" ")
}

fn sections(guide: &str) -> Vec<Section> {
    let text = std::fs::read_to_string(repository().join(guide)).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    let mut listing = false;
    for line in text.lines() {
        let bare = line.trim();
        if bare.starts_with("```") {
            listing = !listing;
        }
        let level = bare.chars().take_while(|letter| *letter == '#').count();
        if level > 0 && !listing {
            sections.push(Section { level, code: Vec::new(), listings: Vec::new(), rows: Vec::new() });
            continue;
        }
        let section = sections.last_mut().expect("a guide begins with its title");
        if listing {
            section.listings.push(without_placeholders(bare.split('#').next().unwrap_or_default().trim()));
        } else {
            section.code.extend(bare.split('`').skip(1).step_by(2).map(without_placeholders));
            section.rows.extend(bare.starts_with('|').then(|| bare.matches('|').count()));
        }
    }
    for section in &mut sections {
        section.code.sort();
        section.code.dedup();
    }
    sections
}

#[test]
fn both_guides_have_the_same_sections_commands_settings_and_tables() {
    let [russian, english] = GUIDES.map(sections);
    assert!(english.len() > 10 && english.iter().map(|section| section.code.len()).sum::<usize>() > 100);
    for (number, (russian, english)) in russian.iter().zip(&english).enumerate() {
        assert_eq!(russian, english, "section {} of {GUIDES:?}", number + 1);
    }
    assert_eq!(russian.len(), english.len(), "sections of {GUIDES:?}");
}

#[test]
fn every_local_link_leads_somewhere() {
    let mut problems = Vec::new();
    let mut links = 0;
    for path in files(".", ".md") {
        let text = std::fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            if !path.parent().unwrap_or(std::path::Path::new(".")).join(file).exists() {
                problems.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(links > 5, "only {links} links were found");
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
