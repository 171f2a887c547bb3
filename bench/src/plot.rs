//! Bar plots as SVG, written by hand: a few rectangles and texts need no library.
//!
//! One file for each set and measure. In it a group of bars for each scenario, with a scale of its own since
//! a full backup and an unchanged one differ a hundredfold; the number stands at each bar, and a line
//! through its end shows the spread.

use std::fmt::Write;

use crate::stats::Spread;
use crate::summary::{Case, Row};
use crate::tool::REFERENCE;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// The set that it shows.
    pub set: String,
    /// Text that stands for it.
    pub title: String,
    /// Name of the file.
    pub file: String,
    /// What is in it.
    pub svg: String,
}

/// What is plotted.
struct Measure {
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    decimals: usize,
    of: fn(&Row) -> Spread,
}

const MEASURES: [Measure; 4] = [
    Measure { name: "wall", title: "wall time", unit: "s", decimals: 2, of: |row| row.wall },
    Measure { name: "cpu", title: "CPU time", unit: "s", decimals: 2, of: |row| row.cpu },
    Measure {
        name: "memory",
        title: "peak memory",
        unit: "MiB",
        decimals: 0,
        of: |row| in_mib(row.peak),
    },
    Measure {
        name: "stored",
        title: "size of the repository",
        unit: "MiB",
        decimals: 0,
        of: |row| in_mib(row.stored),
    },
];

fn in_mib(bytes: Spread) -> Spread {
    let mib = f64::from(1 << 20);
    Spread { median: bytes.median / mib, min: bytes.min / mib, max: bytes.max / mib }
}

// Everything in pixels.
const WIDTH: f64 = 760.0;
const LEFT: f64 = 110.0;
/// Room for the number behind the longest bar.
const RIGHT: f64 = 110.0;
const TITLE_HEIGHT: f64 = 34.0;
const GROUP_HEIGHT: f64 = 30.0;
const BAR_HEIGHT: f64 = 18.0;
const BAR_GAP: f64 = 4.0;

const COLOR_REFERENCE: &str = "#0b7a5c";
const COLOR_PEER: &str = "#7f95b8";
/// For what is no backup tool.
const COLOR_LIMIT: &str = "#b9b9b9";

/// The plots of all sets.
pub(crate) fn plots(cases: &[Case]) -> Vec<Plot> {
    let mut sets: Vec<&str> = cases.iter().map(|case| case.set.as_str()).collect();
    sets.dedup();
    let of_set = |set: &str| {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.set == set).collect();
        MEASURES.iter().map(move |measure| plot(set, measure, &cases)).collect::<Vec<_>>()
    };
    sets.into_iter().flat_map(of_set).collect()
}

fn plot(set: &str, measure: &Measure, cases: &[&Case]) -> Plot {
    let title = format!("{set}: {}", measure.title);
    let (mut body, mut top) = (String::new(), TITLE_HEIGHT);
    for case in cases {
        top = group(&mut body, top, measure, case);
    }
    let height = top + BAR_GAP;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}, {} (less is better)</text>\n\
         {body}</svg>\n",
        escaped(&title),
        measure.unit,
    );
    Plot {
        set: set.to_owned(),
        title,
        file: format!("{}-{}.svg", set.replace('@', "-"), measure.name),
        svg,
    }
}

/// Draws the bars of a case from `top` down, and tells where the next may begin.
fn group(body: &mut String, top: f64, measure: &Measure, case: &Case) -> f64 {
    let spreads: Vec<(&Row, Spread)> =
        case.rows.iter().map(|row| (row, (measure.of)(row))).collect();
    let longest = spreads.iter().map(|(_, spread)| spread.max).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / longest;
    text(body, 8.0, top + GROUP_HEIGHT - 10.0, "font-weight=\"bold\"", case.scenario.name());
    let mut y = top + GROUP_HEIGHT;
    for (row, spread) in spreads {
        bar(body, y, scale, measure, row, spread);
        y += BAR_HEIGHT + BAR_GAP;
    }
    y
}

fn bar(body: &mut String, y: f64, scale: f64, measure: &Measure, row: &Row, spread: Spread) {
    let (middle, baseline) = (y + BAR_HEIGHT / 2.0, y + BAR_HEIGHT - 5.0);
    let [end, min, max] = [spread.median, spread.min, spread.max].map(|value| LEFT + value * scale);
    text(body, LEFT - 6.0, baseline, "text-anchor=\"end\"", &row.tool);
    // Writing into a String does not fail.
    let _ = writeln!(
        body,
        "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{}\"/>",
        end - LEFT,
        color(&row.tool),
    );
    if spread.max > spread.min {
        let _ = writeln!(
            body,
            "<path d=\"M{min:.1} {middle}H{max:.1}\" stroke=\"#222\" stroke-width=\"1.5\"/>"
        );
    }
    let (decimals, median) = (measure.decimals, spread.median);
    text(body, max + 6.0, baseline, "", &format!("{median:.decimals$}"));
}

fn text(body: &mut String, x: f64, y: f64, attributes: &str, content: &str) {
    // Writing into a String does not fail.
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y}\" {attributes}>{}</text>", escaped(content));
}

fn color(tool: &str) -> &'static str {
    match tool.split('-').next() {
        Some(REFERENCE) => COLOR_REFERENCE,
        Some("cp" | "floor") => COLOR_LIMIT,
        _ => COLOR_PEER,
    }
}

/// Names come from folders and files: they must not become markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;
    use crate::scenario::Scenario;
    use crate::summary;

    #[test]
    fn bars_have_the_length_of_their_numbers() {
        let mut samples = vec![
            sample("cairn", Scenario::Full, 0, 1.0),
            sample("a<b", Scenario::Full, 0, 2.0),
            sample("a<b", Scenario::Full, 1, 4.0),
        ];
        samples[0].set = "x@1".into();
        samples[1].set = "x@1".into();
        samples[2].set = "x@1".into();
        let plots = plots(&summary::cases(&samples));
        let files: Vec<&str> = plots.iter().map(|plot| plot.file.as_str()).collect();
        assert_eq!(files, ["x-1-wall.svg", "x-1-cpu.svg", "x-1-memory.svg", "x-1-stored.svg"]);
        let wall = &plots[0].svg;
        assert!(wall.contains("width=\"135.0\" height=\"18\" fill=\"#0b7a5c\""), "{wall}");
        assert!(wall.contains("width=\"405.0\" height=\"18\" fill=\"#7f95b8\""), "{wall}");
        assert!(wall.contains("M380.0 ") && wall.contains("H650.0"), "{wall}");
        assert!(wall.contains("a&lt;b") && wall.contains(">3.00</text>"), "{wall}");
    }
}
