//! A command, and how compose takes one apart that is written as a line (shlex, POSIX).

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// A command: one line, or its words.
#[derive(Serialize, Clone)]
#[serde(untagged)]
pub enum Words {
    Line(String),
    List(Vec<String>),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Words;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a command line or a list of words")
            }
            fn visit_str<E>(self, line: &str) -> Result<Words, E> {
                Ok(Words::Line(line.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Words, A::Error> {
                let mut list = Vec::new();
                while let Some(word) = words.next_element::<String>()? {
                    list.push(word);
                }
                Ok(Words::List(list))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Words {
    /// Each as the container gets it. `None`: a quote of the line is not closed.
    pub fn split(&self) -> Option<Vec<String>> {
        match self {
            Words::List(words) => Some(words.clone()),
            Words::Line(line) => split(line),
        }
    }
}

pub fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        let line = r#"sh -c "python manage.py migrate && echo \"done\"" 'it''s' a\ b ''"#;
        assert_eq!(split(line).unwrap(), ["sh", "-c", "python manage.py migrate && echo \"done\"", "its", "a b", ""]);
        assert_eq!(split("sh -c 'x"), None);
        assert_eq!(split("  "), Some(Vec::new()));
    }
}
