//! A plot as SVG: a line per series over named steps. Plain enough to be read in a diff.

use std::fmt::Write;

use super::figures::Plot;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 300.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 150.0;
const COLOURS: [&str; 8] = ["#1b6ca8", "#d1495b", "#3c8d53", "#edae49", "#6a4c93", "#5c6770", "#2ab7ca", "#9c5b2e"];

pub fn svg(plot: &Plot) -> String {
    let most = plot.series.values().flatten().copied().fold(f64::MIN_POSITIVE, f64::max) * 1.05;
    let x = |step: usize| LEFT + (WIDTH - LEFT - RIGHT) * step as f64 / (plot.steps.len().max(2) - 1) as f64;
    let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / most;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(&plot.title)
    );
    for part in 0..=4 {
        let value = most * f64::from(part) / 4.0;
        let at = y(value);
        let end = WIDTH - RIGHT;
        writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{end}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>").unwrap();
        let label = format!("{value:.2} {}", plot.unit);
        writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, at + 4.0).unwrap();
    }
    for (step, name) in plot.steps.iter().enumerate() {
        let (at, below) = (x(step), HEIGHT - BOTTOM + 14.0);
        let turned = format!("transform=\"rotate(35 {at:.1} {below})\"");
        writeln!(svg, "<text x=\"{at:.1}\" y=\"{below}\" {turned}>{}</text>", escaped(name)).unwrap();
    }
    for (number, (name, values)) in plot.series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> =
            values.iter().enumerate().map(|(step, value)| format!("{:.1},{:.1}", x(step), y(*value))).collect();
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        )
        .unwrap();
        for (step, value) in values.iter().enumerate() {
            writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", x(step), y(*value)).unwrap();
        }
        let (at, row) = (WIDTH - RIGHT + 16.0, TOP + 18.0 * number as f64);
        writeln!(svg, "<rect x=\"{at}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>", row - 9.0).unwrap();
        writeln!(svg, "<text x=\"{}\" y=\"{row}\">{}</text>", at + 16.0, escaped(&name.replace('`', ""))).unwrap();
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
