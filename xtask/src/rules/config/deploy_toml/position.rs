//! Where in the file something stands.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Line and column, both counted from 1.
pub struct Position {
    pub line: usize,
    column: usize,
}

impl Position {
    pub fn of_byte(text: &str, byte: usize) -> Position {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Position { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The names of the tables in a table.
pub fn tables_of(text: &str, name: &str) -> Vec<String> {
    let Ok(file) = DeTable::parse(text) else { return Vec::new() };
    let table = file.get_ref().iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value.get_ref());
    let Some(DeValue::Table(table)) = table else { return Vec::new() };
    table.iter().map(|(name, _)| name.get_ref().to_string()).collect()
}

/// Whether the file has this key.
pub fn has_key(text: &str, key: &[&str]) -> bool {
    let Ok(file) = DeTable::parse(text) else { return false };
    let mut table = Some(file.get_ref());
    key.iter().all(|part| {
        let found = table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == part));
        table = found.and_then(|(_, value)| value.get_ref().as_table());
        found.is_some()
    })
}

/// Where the value of a key stands; what surrounds it, where the file leaves it to its default.
pub fn of_key(text: &str, key: &[String]) -> Option<Position> {
    let file = DeTable::parse(text).ok()?;
    let mut table = file.get_ref();
    let mut found = None;
    for part in key {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        found = Some(start(name, value));
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    found.map(|byte| Position::of_byte(text, byte))
}

/// A table's value begins with its header, as its name does.
fn start(name: &Spanned<impl Sized>, value: &Spanned<DeValue>) -> usize {
    match value.get_ref() {
        DeValue::Table(_) => name.span().start,
        _ => value.span().start,
    }
}
