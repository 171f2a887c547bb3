//! The pipeline of a job as a picture: its stages, and between them the edges with what waits there. Pure.

use cairn_pipeline::{EdgeId, StageId};
use maud::{Markup, html};

use super::pace::{EdgePace, Pace, StagePace};
use super::verdict::{self, Doing};
use crate::ui::{bytes, count, plural};

/// A backup at rest.
const AT_REST: [StageId; 5] =
    [StageId::Snapshot, StageId::Chunker, StageId::Checksum, StageId::Uploader, StageId::Committer];
/// Width and height of the graph of rates in its own units; the style stretches it.
const GRAPH: (u64, u64) = (60, 100);

/// A pipeline that runs.
pub(super) fn running(pace: &Pace, is_committing: bool) -> Markup {
    let slow = verdict::holds_back(pace, is_committing);
    html! {
        ol.pipeline aria-label="stages of the job" {
            @for stage in &pace.stages {
                @if let Some(id) = verdict::edge_to(stage.reading.stage) {
                    (edge(id, verdict::edge(pace, id)))
                }
                (working(stage, verdict::doing(pace, stage, slow)))
            }
        }
        p.verdict { (verdict::words(pace, slow)) }
    }
}

/// A pipeline with nothing to do.
pub(super) fn at_rest() -> Markup {
    html! {
        ol.pipeline.rests aria-label="stages of a backup" {
            @for stage in AT_REST {
                @if let Some(id) = verdict::edge_to(stage) { (edge(id, None)) }
                li.stage {
                    h4 { (stage.as_str()) }
                    p.about { (about(stage)) }
                }
            }
        }
    }
}

/// How fast a job went in the last minute.
pub(super) fn graph(history: &[u64]) -> Markup {
    let (width, height) = GRAPH;
    let most = history.iter().copied().max().unwrap_or_default().max(1);
    let begin = width.saturating_sub(history.len() as u64);
    let points = history.iter().zip(begin..).map(|(rate, x)| {
        let y = height - u64::try_from(u128::from(*rate) * 90 / u128::from(most)).unwrap_or(0);
        format!("{x},{y}")
    });
    let line = points.collect::<Vec<_>>().join(" ");
    let area = format!("{begin},{height} {line} {},{height}", width.saturating_sub(1));
    let title = format!("the last minute, at most {}/s", bytes(most));
    html! {
        svg.graph viewBox={ "0 0 " (width - 1) " " (height) } preserveAspectRatio="none" role="img" aria-label=(title) {
            @if history.len() > 1 {
                polygon points=(area) {}
                polyline points=(line) {}
            }
        }
    }
}

fn working(stage: &StagePace, doing: Doing) -> Markup {
    let reading = stage.reading;
    let class = match doing {
        Doing::HoldsBack => "stage slow",
        Doing::Works => "stage works",
        Doing::WaitsForInput | Doing::WaitsForRoom | Doing::Done => "stage waits",
    };
    // Stages that move no bytes count items only.
    let has_bytes = reading.bytes > 0;
    let (amount, items) = match doing {
        Doing::Done => (bytes(reading.bytes), plural(reading.items, "item")),
        _ => {
            let rate = format!("{}/s", bytes(stage.bytes_per_second));
            (rate, items_per_second(stage.items_per_second))
        }
    };
    html! {
        li class=(class) title={ (about(reading.stage)) ": " (plural(reading.items, "item")) ", " (bytes(reading.bytes)) } {
            h4 { (reading.stage.as_str()) }
            p.rate { @if has_bytes { (amount) } @else { (items) } }
            p.items {
                @if has_bytes { (items) } @else { (about(reading.stage)) }
            }
            p.doing { (doing.words()) }
        }
    }
}

fn edge(id: EdgeId, edge: Option<&EdgePace>) -> Markup {
    let fill = edge.map_or(0.0, EdgePace::fill);
    let waiting = edge.map_or_else(String::new, |edge| {
        format!("{} of {}", count(edge.reading.items), count(edge.reading.max_items))
    });
    let class = if fill > 0.7 { "edge full" } else { "edge" };
    html! {
        li class=(class) title={ "edge " (id.as_str()) @if !waiting.is_empty() { ": " (waiting) " items wait" } } {
            svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                rect.room width="100" height="10" rx="0" {}
                rect.held width=(format!("{:.0}", fill * 100.0)) height="10" {}
            }
            span { (waiting) }
        }
    }
}

fn items_per_second(rate: f64) -> String {
    if rate >= 100.0 { format!("{rate:.0} items/s") } else { format!("{rate:.1} items/s") }
}

fn about(stage: StageId) -> &'static str {
    match stage {
        StageId::Snapshot => "reads segments",
        StageId::Chunker => "cuts chunks",
        StageId::Checksum => "hashes chunks",
        StageId::Uploader => "stores packs",
        StageId::Committer => "writes the record",
        StageId::Fetcher => "reads packs",
        StageId::Verifier => "decodes, checks",
        StageId::Installer => "writes segments",
        StageId::Tally => "counts",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_of_anything_stays_in_its_frame() {
        assert!(!graph(&[]).into_string().contains("poly"));
        let drawn = graph(&[0, u64::MAX, 5]).into_string();
        assert!(drawn.contains("57,100 58,10 59,100"), "{drawn}");
        let whole = graph(&[7; 60]).into_string();
        assert!(whole.contains("0,10 1,10") && whole.contains("59,10"), "{whole}");
    }
}
