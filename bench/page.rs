//! The page of figures: what a person wrote stays, the tables between the marks are made anew.

use std::fmt::Write;

use super::figures::{Figure, Figures, Part};
use super::plot;
use crate::support::server::repository;

const BEGIN: &str = "<!-- figures: made by `make bench` -->";
const END: &str = "<!-- end of figures -->";

pub fn write(figures: &Figures) {
    let path = repository().join("docs/PERFORMANCE.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/PERFORMANCE.md has the marks of its figures");
    let (_, after) = rest.split_once(END).expect("docs/PERFORMANCE.md has the marks of its figures");
    std::fs::write(path, format!("{before}{BEGIN}\n{}{END}{after}", tables(figures))).unwrap();
    for plot in figures.parts.values().flat_map(|part| &part.plots) {
        std::fs::write(repository().join("docs/performance").join(&plot.file), plot::svg(plot)).unwrap();
    }
}

fn tables(figures: &Figures) -> String {
    let all = || figures.parts.values().flat_map(|part| &part.figures);
    let mut text = "\n### Held against their bars\n\n".to_owned();
    text += &table(&mut all().filter(|figure| figure.bar.is_some()));
    for (name, part) in &figures.parts {
        write!(text, "\n### {name}\n\n{}.\n\n{}", with(part), table(&mut part.figures.iter())).unwrap();
        for plot in &part.plots {
            write!(text, "\n![{}](performance/{})\n", plot.title, plot.file).unwrap();
        }
    }
    text + "\n"
}

fn with(part: &Part) -> String {
    part.with.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<String>>().join("; ")
}

fn table(figures: &mut dyn Iterator<Item = &Figure>) -> String {
    let mut text = "| what | unit | median | minimum | maximum | times | bar | |\n| --- | --- | --: | --: | --: | --: | --: | --- |\n".to_owned();
    for figure in figures {
        let values = figure.sorted();
        let bar = figure.bar.map(number).unwrap_or_default();
        let met = match figure.met() {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "",
        };
        let cells = [number(figure.median()), number(values[0]), number(values[values.len() - 1])].join(" | ");
        writeln!(text, "| {} | {} | {cells} | {} | {bar} | {met} |", figure.what, figure.unit, values.len()).unwrap();
    }
    text
}

/// Three digits, and all of a whole number.
fn number(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
