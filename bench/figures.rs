//! Measured figures: kept as JSON beside the page that shows them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::support::server::repository;

/// One thing that was measured several times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    pub what: String,
    /// `s`, `ms`, `bytes`, …
    pub unit: String,
    pub values: Vec<f64>,
    /// At most this.
    pub bar: Option<f64>,
}

impl Figure {
    pub fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    pub fn median(&self) -> f64 {
        let values = self.sorted();
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
    }

    /// The median of times, the worst of counts.
    pub fn met(&self) -> Option<bool> {
        let worst = self.sorted().last().copied().unwrap_or_default();
        let measured = if self.unit == "failed" { worst } else { self.median() };
        self.bar.map(|bar| measured <= bar)
    }
}

/// How series over the same steps are drawn.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub enum Shape {
    /// A line each.
    #[default]
    Lines,
    /// The same, where what is ten times as much is as far away everywhere.
    LogLines,
    /// A bar each, whose parts are the steps.
    Bars,
}

/// Series over the same steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plot {
    pub file: String,
    pub title: String,
    #[serde(default)]
    pub shape: Shape,
    pub unit: String,
    pub steps: Vec<String>,
    pub series: BTreeMap<String, Vec<f64>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// What it was measured on and with.
    pub with: BTreeMap<String, String>,
    pub figures: Vec<Figure>,
    pub plots: Vec<Plot>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    pub parts: BTreeMap<String, Part>,
    #[serde(skip)]
    current: String,
    /// What the part that is measured now had before.
    #[serde(skip)]
    pub before: Vec<Figure>,
}

fn file() -> PathBuf {
    repository().join("docs/performance/results.json")
}

impl Figures {
    /// What was measured before, where there is anything.
    pub fn load() -> Figures {
        std::fs::read(file()).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default()
    }

    pub fn store(&self) {
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), serde_json::to_string_pretty(self).unwrap() + "\n").unwrap();
    }

    pub fn begin(&mut self, part: &str) {
        self.current = part.to_owned();
        let new = Part { with: machine(), ..Part::default() };
        self.before = self.parts.insert(part.to_owned(), new).map(|part| part.figures).unwrap_or_default();
    }

    /// What is measured of the part so far.
    pub fn measured(&self) -> &[Figure] {
        &self.parts[&self.current].figures
    }

    fn part(&mut self) -> &mut Part {
        self.parts.get_mut(&self.current).expect("a part has begun")
    }

    pub fn add(&mut self, what: &str, unit: &str, values: Vec<f64>) {
        self.push(Figure { what: what.to_owned(), unit: unit.to_owned(), values, bar: None });
    }

    pub fn add_with_bar(&mut self, what: &str, unit: &str, values: Vec<f64>, bar: f64) {
        self.push(Figure { what: what.to_owned(), unit: unit.to_owned(), values, bar: Some(bar) });
    }

    pub fn add_against(&mut self, what: &str, unit: &str, values: Vec<f64>, bar: Option<f64>) {
        self.push(Figure { what: what.to_owned(), unit: unit.to_owned(), values, bar });
    }

    fn push(&mut self, figure: Figure) {
        assert!(!figure.values.is_empty(), "{}: nothing was measured", figure.what);
        let bar = figure.bar.map(|bar| format!(", at most {bar}")).unwrap_or_default();
        println!("  {}: {:.3} {}{bar}; {:?}", figure.what, figure.median(), figure.unit, figure.values);
        self.part().figures.push(figure);
    }

    pub fn plot(&mut self, plot: Plot) {
        self.part().plots.push(plot);
    }
}

/// The page of figures changes while it is written.
const COMMIT: &str = "git diff --quiet HEAD -- xtask bench backend || changed=-changed
    echo \"$(git rev-parse --short=10 HEAD)$changed\"";

fn machine() -> BTreeMap<String, String> {
    let first = |program: &str, words: &[&str]| {
        let output = Command::new(program).args(words).current_dir(repository()).output();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().next().unwrap_or("not there").trim().to_owned()
    };
    let shell = |script: &str| first("bash", &["-c", script]);
    let named = [
        ("processor", shell("nproc; exit") + " x " + &shell("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1")),
        ("memory", shell("awk '/MemTotal/ { printf \"%.0f GB\", $2 / 1e6 }' /proc/meminfo")),
        ("system", shell(". /etc/os-release; echo \"$PRETTY_NAME\"")),
        ("docker", first("docker", &["version", "--format", "{{.Server.Version}}"])),
        ("nginx", first("nginx", &["-v"]).replace("nginx version: ", "")),
        ("ssh", first("ssh", &["-V"])),
        ("rust", first("rustc", &["--version"])),
        ("commit", shell(COMMIT)),
        ("load before", shell("cut -d' ' -f1 /proc/loadavg")),
    ];
    named.map(|(name, value)| (name.to_owned(), value)).into()
}
