//! The shares of their limits that figures reach, drawn as bars.

use std::fmt::Write;

use super::Row;

const ROW: usize = 22;
const LABELS: usize = 430;
/// Pixels of a bar that reaches its limit.
const FULL: f64 = 260.0;
/// A bar is not drawn longer than this share of the limit.
const LONGEST: f64 = 2.0;
/// Where the text behind the longest bar ends.
const WIDTH: usize = 1020;

/// An SVG in colours that can be seen on white and on black.
pub(crate) fn bars(rows: &[Row]) -> String {
    let drawn: Vec<(&Row, f64)> = rows.iter().filter_map(|row| Some((row, row.ratio?))).collect();
    let height = ROW * (drawn.len() + 2);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#808080\">\n<text x=\"{LABELS}\" y=\"15\">share of the limit (line: all of it)</text>\n"
    );
    for (index, (row, ratio)) in drawn.iter().enumerate() {
        let y = ROW * (index + 1);
        let width = ratio.clamp(0.0, LONGEST) * FULL;
        let says = row.limit.as_ref().map_or("", |limit| &limit.says);
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABELS}\" y=\"{}\" width=\"{width:.1}\" height=\"14\" fill=\"#3b82c4\"/>\
             <text x=\"{:.1}\" y=\"{}\">{ratio:.2} of {}</text>",
            LABELS - 8,
            y + 15,
            escaped(&row.name),
            y + 4,
            width + 6.0 + f64::from(u32::try_from(LABELS).unwrap_or(0)),
            y + 15,
            escaped(says),
        );
    }
    let line = f64::from(u32::try_from(LABELS).unwrap_or(0)) + FULL;
    let _ = writeln!(
        svg,
        "<line x1=\"{line}\" x2=\"{line}\" y1=\"{ROW}\" y2=\"{height}\" stroke=\"#808080\" stroke-dasharray=\"3 3\"/>\n</svg>"
    );
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
