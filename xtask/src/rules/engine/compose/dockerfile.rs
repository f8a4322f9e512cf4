//! What a Dockerfile tells of the service that is built of it.

/// Of the stage that is the image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dockerfile {
    /// What it is made from.
    pub base: String,
    /// The first port that it exposes.
    pub port: Option<u16>,
    /// The words of its health check.
    pub health_check: Option<Vec<String>>,
}

/// `target`: the stage that is built, where it is not the last one.
pub fn read(text: &str, target: Option<&str>) -> Dockerfile {
    let mut stages: Vec<(String, Dockerfile)> = Vec::new();
    for line in text.replace("\r\n", "\n").replace("\\\n", " ").lines() {
        let mut words = line.split_whitespace();
        let instruction = words.next().unwrap_or_default().to_ascii_uppercase();
        if instruction == "FROM" {
            let words: Vec<&str> = words.clone().filter(|word| !word.starts_with("--")).collect();
            let base = words.first().copied().unwrap_or_default();
            let name = words.get(2).copied().unwrap_or_default().to_owned();
            // A stage that goes on with another one has what that has.
            let before = stages.iter().find(|(stage, _)| stage == base).map(|(_, image)| image.clone());
            stages
                .push((name, before.unwrap_or_else(|| Dockerfile { base: base.to_owned(), ..Dockerfile::default() })));
        }
        let Some((_, image)) = stages.last_mut() else { continue };
        match instruction.as_str() {
            "EXPOSE" => image.port = image.port.or_else(|| words.next()?.split('/').next()?.parse().ok()),
            "HEALTHCHECK" => {
                let command: Vec<String> =
                    words.skip_while(|word| !word.eq_ignore_ascii_case("CMD")).skip(1).map(str::to_owned).collect();
                image.health_check = (!command.is_empty()).then_some(command);
            }
            _ => {}
        }
    }
    let named = target.and_then(|target| stages.iter().find(|(stage, _)| stage == target));
    named.or(stages.last()).map(|(_, image)| image.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_that_is_built_is_what_runs() {
        let text = "FROM --platform=x node AS build\nEXPOSE 1\nfrom nginx\r\nRUN x\nexpose 3000/tcp 3001\n\
                    HEALTHCHECK --interval=5s \\\r\n  CMD curl -f http://localhost:3000/up || exit 1\nFROM build as dev\n";
        let image = read(text, Some("dev"));
        assert_eq!((image.base.as_str(), image.port), ("node", Some(1)));
        let image = read(&text.replace("FROM build as dev\n", ""), None);
        assert_eq!((image.base.as_str(), image.port), ("nginx", Some(3000)));
        assert_eq!(image.health_check.unwrap().join(" "), "curl -f http://localhost:3000/up || exit 1");
        let none = Dockerfile { base: "x".to_owned(), ..Dockerfile::default() };
        assert_eq!(read("FROM x\nEXPOSE $PORT\nHEALTHCHECK NONE\n", None), none);
    }
}
