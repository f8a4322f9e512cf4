//! Just enough of Rust's grammar to check rules on source text: what is comment, literal, test, function.

use std::path::Path;

pub struct Source {
    pub lines: usize,
    /// Without comments and tests; blanked, so that places stay.
    pub plain: String,
    /// Without literals too.
    pub code: String,
    /// Without comments and literals, with tests.
    whole: String,
}

impl Source {
    pub fn read(path: &Path) -> Source {
        let text = std::fs::read_to_string(path).unwrap();
        Source::parse(&text)
    }

    pub fn parse(text: &str) -> Source {
        let (plain, whole) = blank(text);
        let (mut plain, mut code) = (plain, whole.clone());
        while let Some(start) = find(&code, 0, "#[cfg(test)]") {
            let end = end_of_item(&code, start);
            for text in [&mut plain, &mut code] {
                text[start..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
            }
        }
        let text = |chars: Vec<char>| chars.into_iter().collect::<String>();
        Source { lines: self::lines(&text(plain.clone())), plain: text(plain), code: text(code), whole: text(whole) }
    }

    /// Name and number of lines of every function, tests included.
    pub fn functions(&self) -> Vec<(String, usize)> {
        let code: Vec<char> = self.whole.chars().collect();
        let mut functions = Vec::new();
        let mut from = 0;
        while let Some(start) = find(&code, from, "fn ") {
            from = start + 3;
            let name: String = code[from..].iter().take_while(|c| identifier(**c)).collect();
            let keyword = start == 0 || !identifier(code[start - 1]);
            if keyword && !name.is_empty() {
                let end = end_of_item(&code, start);
                functions.push((name, code[start..end].iter().filter(|c| **c == '\n').count() + 1));
            }
        }
        functions
    }

    /// The modules it declares, and whether others may name them.
    pub fn modules(&self) -> Vec<(bool, String)> {
        let declared = self.code.lines().filter_map(|line| line.trim().strip_suffix(';')?.split_once("mod "));
        declared.map(|(before, name)| (before.starts_with("pub"), name.to_owned())).collect()
    }

    /// Paths within the crate that it names, as those of a file that is `module`: `crate::io::{console, process::Command}`.
    pub fn paths(&self, module: &[String]) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for (at, _) in self.code.match_indices("::") {
            let before = &self.code[..at];
            let rest = &self.code[at + 2..];
            let root = if before.ends_with("crate") {
                Some(0)
            } else {
                before.ends_with("super").then(|| module.len().saturating_sub(1))
            };
            let Some(root) = root.filter(|_| !before.ends_with("::super")) else { continue };
            for path in expanded(rest) {
                let up = path.iter().take_while(|name| *name == "super").count();
                paths.push(module[..root.saturating_sub(up)].iter().chain(&path[up..]).cloned().collect());
            }
        }
        paths
    }

    /// Name and fields of every struct that derives `Deserialize`.
    pub fn deserialized(&self) -> Vec<(String, Vec<String>)> {
        let derived = self
            .code
            .split("#[derive(")
            .skip(1)
            .filter(|rest| rest.split(')').next().is_some_and(|list| list.contains("Deserialize")));
        let structs = derived.filter_map(|rest| {
            let item = rest.split_once("struct ")?;
            let body = (!item.0.contains('{')).then_some(item.1)?;
            let (name, body) = body.split_once('{')?;
            let fields = body
                .split_once('}')?
                .0
                .lines()
                .filter_map(|line| line.trim().trim_start_matches("pub ").split_once(": "));
            Some((name.trim().to_owned(), fields.map(|(field, _)| field.to_owned()).collect()))
        });
        structs.collect()
    }
}

fn lines(text: &str) -> usize {
    text.lines().count()
}

fn identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find(code: &[char], from: usize, wanted: &str) -> Option<usize> {
    let wanted: Vec<char> = wanted.chars().collect();
    code[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

/// Just past the `;` or the closing brace that ends what begins at `start`.
fn end_of_item(code: &[char], start: usize) -> usize {
    let mut depth = 0_i32;
    for (index, c) in code.iter().enumerate().skip(start) {
        match c {
            '{' | '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            ';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    code.len()
}

/// The text with comments blanked, and with literals blanked too.
fn blank(text: &str) -> (Vec<char>, Vec<char>) {
    let text: Vec<char> = text.chars().collect();
    let (mut plain, mut code) = (text.clone(), text.clone());
    let mut at = 0;
    while at < text.len() {
        let (end, comment) = match (comment_end(&text, at), literal_end(&text, at)) {
            (Some(end), _) => (end, true),
            (None, Some(end)) => (end, false),
            (None, None) => {
                at += 1;
                continue;
            }
        };
        for index in (at..end).filter(|index| text[*index] != '\n') {
            code[index] = ' ';
            if comment {
                plain[index] = ' ';
            }
        }
        at = end;
    }
    (plain, code)
}

fn comment_end(text: &[char], at: usize) -> Option<usize> {
    match text[at..] {
        ['/', '/', ..] => Some(find(text, at, "\n").unwrap_or(text.len())),
        ['/', '*', ..] => Some(find(text, at + 2, "*/").map_or(text.len(), |end| end + 2)),
        _ => None,
    }
}

fn literal_end(text: &[char], at: usize) -> Option<usize> {
    let starts_word = at == 0 || !identifier(text[at - 1]);
    match text[at] {
        '"' => Some(quoted_end(text, at + 1, '"')),
        'r' if starts_word || text[at - 1] == 'b' => {
            let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
            let opened = text.get(at + 1 + hashes) == Some(&'"');
            let closing = format!("\"{}", "#".repeat(hashes));
            opened.then(|| find(text, at + 2 + hashes, &closing).map_or(text.len(), |end| end + 1 + hashes))
        }
        // `'a'` and `'\n'` are characters, `'a` is a lifetime.
        '\'' if text.get(at + 1) == Some(&'\\') || text.get(at + 2) == Some(&'\'') => {
            Some(quoted_end(text, at + 1, '\''))
        }
        _ => None,
    }
}

fn quoted_end(text: &[char], from: usize, quote: char) -> usize {
    let mut at = from;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The paths of a `use` tree, or the one path, that code begins with: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn expanded(code: &str) -> Vec<Vec<String>> {
    let code = code.trim_start();
    if let Some(list) = code.strip_prefix('{') {
        return parts(list).into_iter().flat_map(expanded).collect();
    }
    let name: String = code.chars().take_while(|c| identifier(*c)).collect();
    let rest = match code[name.len()..].strip_prefix("::") {
        Some(rest) if !name.is_empty() => expanded(rest),
        _ => vec![Vec::new()],
    };
    // `self` in a list is what the list is of.
    let first = Some(name).filter(|name| !name.is_empty() && name != "self");
    rest.into_iter().map(|rest| first.clone().into_iter().chain(rest).collect()).collect()
}

/// What stands between the commas of a list, up to its closing brace.
fn parts(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if c == '}' && depth == 0 && start == at + 1 {
            break;
        }
    }
    parts
}

/// Paths such as `std::process::Command` and single words.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !identifier(c) && c != ':').map(|word| word.trim_matches(':')).filter(|word| !word.is_empty())
}

#[test]
fn comments_literals_and_tests_are_told_apart() {
    let text = "use crate::{console, run::{self, Session}, plan};\nfn a<'x>() { let b = \"fn c() { // }\"; } // crate::no\n\
                let r = r#\"std::fs \"#; let q = '\"';\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nfn d(\n    e: [u8; 2],\n) {\n}\n";
    let source = Source::parse(text);
    assert!(
        source.plain.contains("std::fs") && !source.plain.contains("use std::fs") && !source.plain.contains("no"),
        "{}",
        source.plain
    );
    assert!(!source.code.contains("std::fs"), "{}", source.code);
    assert_eq!(source.functions(), [("a".to_owned(), 1), ("d".to_owned(), 4)]);
    let paths: Vec<String> = source.paths(&[]).iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["console", "run", "run::Session", "plan"]);
    assert!(words("std::process::exit(1)").any(|word| word == "std::process::exit"));
}

#[test]
fn fields_of_a_struct_are_found() {
    let text = "#[derive(Debug, Deserialize)]\n#[serde(default)]\npub struct Health {\n    /// a: b\n    pub path: String,\n    timeout: u64,\n}\n\
                #[derive(Debug)]\nstruct Other { x: u8 }\n";
    assert_eq!(
        Source::parse(text).deserialized(),
        [("Health".to_owned(), vec!["path".to_owned(), "timeout".to_owned()])]
    );
}
