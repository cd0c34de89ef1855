//! Bar charts as SVG for docs/performance.md.

use std::fmt::Write;
use std::path::Path;

const BAR: usize = 26;
const LEFT: usize = 170;
const WIDTH: usize = 640;

/// Writes a chart with a bar for each name.
pub(crate) fn write(folder: &str, file: &str, title: &str, names: &[&str], values: &[f64]) {
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let height = 44 + BAR * names.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"13\">\n<style>text {{ fill: #24292f }} rect {{ fill: #8c959f }} .ours {{ fill: #0969da }} \
         @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .ours {{ fill: #4493f8 }} }}</style>\n\
         <text x=\"8\" y=\"22\" font-weight=\"600\">{title}</text>\n"
    );
    for (row, (name, value)) in names.iter().zip(values).enumerate() {
        let (y, class) =
            (36 + BAR * row, if *name == "originatord" { " class=\"ours\"" } else { "" });
        let width = value / most * (WIDTH - LEFT - 80) as f64;
        let shown = if *value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text><rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" \
             height=\"18\"{class}/><text x=\"{:.1}\" y=\"{}\">{shown}</text>",
            LEFT - 8,
            y + 14,
            LEFT as f64 + width + 6.0,
            y + 14
        );
    }
    svg.push_str("</svg>\n");
    std::fs::write(Path::new(folder).join(file), svg).expect("the chart is written");
}
