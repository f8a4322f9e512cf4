//! Plots as SVG, by hand: lines over steps, or a bar per series whose parts are the steps. Legends and axes take the room that their texts need,
//! and the colours follow the reader's light or dark page.

use std::fmt::Write;

use super::figures::{Plot, Shape};

const WIDTH: f64 = 920.0;
/// Of the part between the axes.
const HEIGHT: f64 = 300.0;
const TOP: f64 = 44.0;
const GAP: f64 = 16.0;
/// Of a letter at 12 px; sans-serif letters are rarely wider.
const LETTER: f64 = 6.6;
const ROW: f64 = 20.0;
const BAR: f64 = 24.0;
const COLOURS: [&str; 14] = [
    "#1b78c8", "#d1495b", "#3c9d53", "#d99a1c", "#8a5fbf", "#6b7a82", "#1fa3b5", "#b06a35", "#c2549f", "#7a9a01",
    "#4455aa", "#e07a3f", "#2f8f83", "#999999",
];
/// Texts and lines of the page's own colour, whichever it is.
const STYLE: &str = "<style>text{fill:#24292f}.grid{stroke:#d0d7de}@media (prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#444c56}}</style>";

pub fn svg(plot: &Plot) -> String {
    match plot.shape {
        Shape::Lines => lines(plot, false),
        Shape::LogLines => lines(plot, true),
        Shape::Bars => bars(plot),
    }
}

fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

/// A document with a title, of which `inside` takes so much height below the title, and a legend under that.
fn document(title: &str, height: f64, inside: &str, legend: &[String]) -> String {
    let (mut keys, mut at, mut row) = (String::new(), GAP, TOP + height + ROW);
    for (number, name) in legend.iter().enumerate() {
        let width = width_of(name) + 2.0 * GAP + 10.0;
        if at + width > WIDTH && at > GAP {
            (at, row) = (GAP, row + ROW);
        }
        let colour = COLOURS[number % COLOURS.len()];
        writeln!(keys, "<rect x=\"{at:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>", row - 9.0)
            .unwrap();
        writeln!(keys, "<text x=\"{:.1}\" y=\"{row:.1}\">{}</text>", at + 16.0, escaped(name)).unwrap();
        at += width;
    }
    let whole = row + GAP;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {whole:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n{STYLE}\n\
         <text x=\"{GAP}\" y=\"24\" font-size=\"15\">{}</text>\n{inside}{keys}</svg>\n",
        escaped(title)
    )
}

/// Values for an axis up to `most`: 1, 2 or 5 times a power of ten apart.
fn ticks(most: f64) -> Vec<f64> {
    let rough = most / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(rough);
    (0..=(most / step).ceil() as usize).map(|number| number as f64 * step).collect()
}

/// The same where each is ten times the one before, with 2 and 5 between.
fn log_ticks(least: f64, most: f64) -> Vec<f64> {
    let decades = (least.log10().floor() as i32)..=(most.log10().ceil() as i32);
    let all: Vec<f64> = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(decade))).collect();
    let from = all.iter().rposition(|tick| *tick <= least).unwrap_or(0);
    let to = all.iter().position(|tick| *tick >= most).unwrap_or(all.len() - 1);
    all[from..=to].to_vec()
}

fn lines(plot: &Plot, log: bool) -> String {
    let values = || plot.series.values().flatten().copied().filter(|value| *value > 0.0);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN_POSITIVE, f64::max));
    let ticks = if log { log_ticks(least, most) } else { ticks(most) };
    let scale = |value: f64| if log { value.max(least).log10() } else { value };
    let (low, high) = (scale(ticks[0]), scale(ticks[ticks.len() - 1]));
    let labels: Vec<String> = ticks.iter().map(|tick| format!("{} {}", number(*tick), plot.unit)).collect();
    let left = GAP + labels.iter().map(|label| width_of(label)).fold(0.0, f64::max) + 8.0;
    let right = WIDTH - 2.0 * GAP;
    let x = |step: usize| left + (right - left) * step as f64 / (plot.steps.len().max(2) - 1) as f64;
    let y = |value: f64| TOP + HEIGHT * (1.0 - (scale(value) - low) / (high - low));
    let mut inside = String::new();
    for (tick, label) in ticks.iter().zip(&labels) {
        let at = y(*tick);
        writeln!(inside, "<line class=\"grid\" x1=\"{left:.1}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>")
            .unwrap();
        writeln!(inside, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 8.0, at + 4.0)
            .unwrap();
    }
    // As many names as fit beside each other.
    let widest = plot.steps.iter().map(|name| width_of(name) + GAP).fold(1.0, f64::max);
    let every = ((plot.steps.len() as f64 * widest / (right - left)).ceil() as usize).max(1);
    for (step, name) in plot.steps.iter().enumerate().step_by(every) {
        writeln!(
            inside,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(step),
            TOP + HEIGHT + ROW,
            escaped(name)
        )
        .unwrap();
    }
    for (number, values) in plot.series.values().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> =
            values.iter().enumerate().map(|(step, value)| format!("{:.1},{:.1}", x(step), y(*value))).collect();
        writeln!(
            inside,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        )
        .unwrap();
    }
    document(&plot.title, HEIGHT + ROW + GAP, &inside, &names(plot.series.keys()))
}

fn bars(plot: &Plot) -> String {
    let sums = || plot.series.values().map(|values| values.iter().sum::<f64>());
    let ticks = ticks(sums().fold(f64::MIN_POSITIVE, f64::max));
    let most = ticks[ticks.len() - 1];
    let names_of_bars = names(plot.series.keys());
    let left = GAP + names_of_bars.iter().map(|name| width_of(name)).fold(0.0, f64::max) + 8.0;
    let right = WIDTH - 4.0 * GAP;
    let x = |value: f64| left + (right - left) * value / most;
    let height = plot.series.len() as f64 * (BAR + GAP);
    let mut inside = String::new();
    for tick in &ticks {
        let at = x(*tick);
        writeln!(
            inside,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{:.1}\"/>",
            TOP + height
        )
        .unwrap();
        let label = format!("{} {}", number(*tick), plot.unit);
        writeln!(
            inside,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            TOP + height + ROW - 4.0
        )
        .unwrap();
    }
    for (row, (name, values)) in names_of_bars.iter().zip(plot.series.values()).enumerate() {
        let top = TOP + row as f64 * (BAR + GAP) + GAP / 2.0;
        let middle = top + BAR / 2.0 + 4.0;
        writeln!(
            inside,
            "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            escaped(name)
        )
        .unwrap();
        let mut from = 0.0;
        for (step, value) in values.iter().enumerate() {
            let (begin, end) = (x(from), x(from + value));
            let (colour, name) = (COLOURS[step % COLOURS.len()], escaped(&plot.steps[step]));
            writeln!(
                inside,
                "<rect x=\"{begin:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"><title>{name}: {} {}</title></rect>",
                end - begin,
                number(*value),
                plot.unit
            )
            .unwrap();
            from += value;
        }
        writeln!(inside, "<text x=\"{:.1}\" y=\"{middle:.1}\">{} {}</text>", x(from) + 6.0, number(from), plot.unit)
            .unwrap();
    }
    document(&plot.title, height + ROW, &inside, &plot.steps)
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.map(|name| name.replace('`', "")).collect()
}

/// Three digits at most, and none that say nothing.
fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
