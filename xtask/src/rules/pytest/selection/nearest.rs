//! "Did you mean": the name that a mistyped one stands for.

/// The name that differs from `name` by few letters.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 2).clamp(1, 3);
    names
        .map(|other| (strsim::levenshtein(name, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["routes", "auth", "recommendations", "ui"];
        for (given, expected) in [
            ("route", Some("routes")),
            ("rotues", Some("routes")),
            ("Auth", Some("auth")),
            ("auht", Some("auth")),
            ("recomendation", Some("recommendations")),
            ("worker", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(given, names.into_iter()), expected, "{given}");
        }
    }
}
