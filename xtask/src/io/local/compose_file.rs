//! Which file of the app is compose's, where `deploy.toml` does not say.

use crate::io::console;
use crate::rules::config::Config;
use crate::rules::engine::compose::FILE_NAMES;

/// The same with the file that is there. Where there is none, the default stays, and is missed by whoever reads it.
pub fn found(mut config: Config) -> Config {
    let app = config.root.join(&config.project.app);
    let there: Vec<&str> = FILE_NAMES.into_iter().filter(|name| app.join(name).is_file()).collect();
    if let Some((name, others)) = there.split_first() {
        if !others.is_empty() {
            let others = others.join(", ");
            console::note(&format!(
                "{name} is the compose file; {others} is not used (`compose`, [project] in deploy.toml)"
            ));
        }
        config.project.compose = vec![(*name).to_owned()];
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures;

    #[test]
    fn the_file_that_is_there_is_found_and_of_several_the_usual_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = fixtures::config();
        config.root = folder.path().to_owned();
        let app = folder.path().join(&config.project.app);
        std::fs::create_dir_all(&app).unwrap();
        for (file, expected) in [
            ("other.yaml", "docker-compose.yml"),
            ("compose.yaml", "compose.yaml"),
            ("docker-compose.yml", "docker-compose.yml"),
        ] {
            std::fs::write(app.join(file), "").unwrap();
            assert_eq!(found(config.clone()).project.compose, [expected], "{file}");
        }
    }
}
