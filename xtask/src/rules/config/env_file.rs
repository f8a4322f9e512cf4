//! What a release's `.env` says, and what is refused because the two kinds of compose read it differently.
//!
//! docker-compose v1 reads the file with python-dotenv, docker compose v2 with a reader of its own. Where both find the
//! same, that is what the file says:
//!
//! - a line is empty, a comment (`#` first) or `NAME=value`, before which `export` may stand; blanks round `=` do not count;
//! - a value without quotes goes up to the end of the line, or to a blank and `#`;
//! - between single quotes everything stands for itself, also line ends, but `\'`, which is `'`;
//! - between double quotes, line ends stand for themselves and `\n`, `\"`, `\\` and the like for what they are in C;
//! - the last of several equal names counts; the order of names means nothing.
//!
//! All else is refused before anything is shipped: each compose would make something different of it, or drop it silently.

use std::fmt;

/// The kernel takes no longer `NAME=value`, its end included (execve(2), MAX_ARG_STRLEN).
const LONGEST: usize = 128 * 1024;
/// What a host says of a release is one line, which has the file with escapes. The kernel takes 2 MiB for all variables together.
const LARGEST: usize = 256 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    pub value: String,
}

/// Why a line is refused. It never holds a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Counted from 1.
    pub line: usize,
    /// Where the line gives one.
    pub name: Option<String>,
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "line {}, {name}: {}", self.line, self.why),
            None => write!(f, "line {}: {}", self.line, self.why),
        }
    }
}

/// Reads an env file.
///
/// # Errors
/// Every line that has no one meaning.
pub fn read(bytes: &[u8]) -> Result<Vec<Assignment>, Vec<Refusal>> {
    let whole = |line, why: &str| Err(vec![Refusal { line, name: None, why: why.to_owned() }]);
    if bytes.len() > LARGEST {
        return whole(1, "the file has more than 256 KiB; what is as large is no setting");
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            return whole(
                1 + before.iter().filter(|b| **b == b'\n').count(),
                "this is not UTF-8; save the file as UTF-8",
            );
        }
    };
    let mut reader = Reader { rest: text, line: 1 };
    let (mut assignments, mut refusals) = (Vec::new(), Vec::new());
    while !reader.rest.is_empty() {
        let (line, start) = (reader.line, reader.rest);
        let mut name = None;
        match reader.assignment(&mut name) {
            Ok(assignment) => assignments.extend(assignment),
            Err(why) => {
                let name = name.filter(|name: &String| is_name(name));
                refusals.push(Refusal { line, name, why: why.to_owned() });
                // What follows a quote that does not end where it should cannot be told from its value.
                if reader.rest.len() == start.len() || why == UNENDED {
                    break;
                }
            }
        }
    }
    if refusals.is_empty() { Ok(assignments) } else { Err(refusals) }
}

const UNENDED: &str = "the quote is not closed; a quote behind a backslash closes nothing";

/// Letters, digits, `_`, `-` and `.`, as everybody's names are.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

fn blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t')
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Takes the rest of the line, without its end.
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line += 1;
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Takes a line, or several where a quoted value goes over them. `name` is known as soon as it is read.
    fn assignment(&mut self, name: &mut Option<String>) -> Result<Option<Assignment>, &'static str> {
        let (before, line) = (Reader { ..*self }, self.take_line());
        if line.contains('\r') {
            return Err("there is a carriage return inside the line, which one compose takes for its end");
        }
        let bare = line.trim_start_matches(blank);
        if bare.is_empty() || bare.starts_with('#') {
            return Ok(None);
        }
        let bare = match bare.strip_prefix("export") {
            Some(rest) if rest.starts_with(blank) => rest.trim_start_matches(blank),
            _ => bare,
        };
        let Some((left, right)) = bare.split_once('=') else {
            return Err("there is no `=`; a line is NAME=value, and a value of several lines stands in quotes");
        };
        let left = left.trim_end_matches(blank);
        if !is_name(left) {
            return Err("what stands before `=` is not a name of letters, digits and `_`");
        }
        *name = Some(left.to_owned());
        if left == "RELEASE_ID" {
            return Err("the tool itself sets this variable; take the line out");
        }
        let right = right.trim_start_matches(blank);
        let value = match right.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                // The quoted value may go on over line ends, so it is read from the file, not from the line.
                let skipped = line.len() - right.len() + 1;
                *self = Reader { rest: &before.rest[skipped..], line: before.line };
                self.quoted(quote)?
            }
            _ => plain(right)?,
        };
        match () {
            () if value.contains('\0') => Err("there is a NUL byte in it, which no variable can hold"),
            () if left.len() + value.len() + 2 > LONGEST => {
                Err("it is longer than 128 KiB, which no process can have in a variable")
            }
            () => Ok(Some(Assignment { name: left.to_owned(), value })),
        }
    }

    /// The value whose opening quote has just been taken.
    fn quoted(&mut self, quote: char) -> Result<String, &'static str> {
        let mut previous = ' ';
        let closing = self.rest.char_indices().find(|(_, letter)| {
            let closes = *letter == quote && previous != '\\';
            previous = *letter;
            closes
        });
        let Some((end, _)) = closing else {
            self.rest = "";
            return Err(UNENDED);
        };
        let inside = &self.rest[..end];
        self.line += inside.matches('\n').count();
        self.rest = &self.rest[end + 1..];
        let after = self.take_line().trim_start_matches(blank);
        if !after.is_empty() && !after.starts_with('#') {
            return Err("something follows the closing quote; a quote inside of the value needs a `\\` before it");
        }
        if inside.contains('\r') {
            return Err("there is a carriage return between its quotes; end the lines as on Linux");
        }
        if quote == '"' { double_quoted(inside) } else { single_quoted(inside) }
    }
}

fn plain(right: &str) -> Result<String, &'static str> {
    // A comment begins behind a blank; behind a tab or a stranger blank, only for one of the two.
    let comment = right.match_indices('#').map(|(at, _)| &right[..at]).find(|before| ends_blank(before));
    let value = match comment {
        Some(before) if !before.ends_with(' ') => {
            return Err("there is a tab or the like before `#`; put a blank there");
        }
        Some(before) => before,
        None => right,
    };
    let value = value.trim_end_matches(blank);
    if ends_blank(value) || value.starts_with(strange_blank) {
        return Err("there is an invisible letter at the end or the beginning of the value");
    }
    match expands(value) {
        true => Err(DOLLAR),
        false => Ok(value.to_owned()),
    }
}

const DOLLAR: &str =
    "there is a `$` that one version of compose expands and the other does not; put the value in single quotes";

/// Blanks of any kind: Unicode's, and those that Python adds.
fn strange_blank(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

fn ends_blank(text: &str) -> bool {
    text.ends_with(strange_blank)
}

/// Whether v2 finds a variable in it: `$NAME`, `${…`, `$$`. Its pattern ignores case, so the long s and the Kelvin sign
/// are letters.
fn expands(value: &str) -> bool {
    let begins = |next: char| next.is_ascii_alphabetic() || "_{$\u{17f}\u{212a}".contains(next);
    value.match_indices('$').any(|(at, _)| value[at + 1..].starts_with(begins))
}

fn single_quoted(inside: &str) -> Result<String, &'static str> {
    if inside.contains(r"\\") {
        return Err("in single quotes, one compose takes two backslashes for one; put the value in double quotes");
    }
    // v1 expands `${…}` in an env file wherever it stands.
    match inside.split_once("${") {
        Some((_, after)) if after.contains('}') => {
            Err("one version of compose expands `${…}` even in single quotes, so no value can hold it; choose another")
        }
        _ => Ok(inside.replace(r"\'", "'")),
    }
}

fn double_quoted(inside: &str) -> Result<String, &'static str> {
    const ESCAPES: &str = "in double quotes, the two kinds of compose understand this backslash differently; \
                           write `\\\\` for one, or put the value in single quotes";
    let mut value = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        let escaped = match letter {
            '\\' => letters.next().unwrap_or('\\'),
            // Its backslash belongs to the one before.
            '"' => return Err(ESCAPES),
            _ => {
                value.push(letter);
                continue;
            }
        };
        let meant = match escaped {
            '\\' | '"' => escaped,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\'' | '$' | '0' => return Err(ESCAPES),
            _ => {
                value.push('\\');
                escaped
            }
        };
        value.push(meant);
    }
    match expands(inside) || expands(&value) {
        true => Err(DOLLAR),
        false => Ok(value),
    }
}

#[cfg(test)]
mod tests;
