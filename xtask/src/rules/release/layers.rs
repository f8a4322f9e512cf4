//! Which layers of an image a host has: only the others have to travel.

/// How many of the first layers of `own` are those of some image that `listed` names: lines of an id and a JSON list. `None`: the image
/// `id` itself is there. Docker knows a layer by those below it, so only the same beginning counts.
pub fn known(id: &str, own: &[String], listed: &str) -> Option<usize> {
    let images = listed.lines().filter_map(|line| line.split_once(' '));
    let mut most = 0;
    for (other, layers) in images {
        if other == id {
            return None;
        }
        let layers: Vec<String> = serde_json::from_str(layers).unwrap_or_default();
        most = most.max(own.iter().zip(&layers).take_while(|(own, other)| own == other).count());
    }
    Some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_beginning_counts() {
        let own = ["a", "b", "c"].map(str::to_owned);
        let listed = "1 [\"b\",\"c\"]\n2 [\"a\",\"b\",\"x\"]\n3 null\nnonsense\n4 [\"a\"]\n";
        assert_eq!(known("5", &own, listed), Some(2));
        assert_eq!(known("5", &own, ""), Some(0));
        assert_eq!(known("2", &own, listed), None);
    }
}
