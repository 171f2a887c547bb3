//! The status page: jobs of this process, snapshots of its repositories. No script, no style to load.

use std::fmt::Write;
use std::sync::Arc;

use cairn_pipeline::{ListedSnapshot, Repository};
use tokio::task::JoinError;

use super::Served;
use crate::ui::{bytes, duration};

/// Snapshots of one repository that the page shows; more are counted.
const MAX_SNAPSHOTS: usize = 100;

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cairn</title>\
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2em .8em .2em 0;\
border-bottom:1px solid #ddd}td.n,th.n{text-align:right}</style><h1>Cairn</h1>\
<p><a href=\"/metrics\">metrics</a> · <a href=\"/healthz\">health</a></p>\n";

/// Reads the repositories and writes the page.
pub(super) async fn render(served: &Arc<Served>) -> Result<String, JoinError> {
    let served = Arc::clone(served);
    // Reading a repository blocks, and slowly when it is far away.
    tokio::task::spawn_blocking(move || {
        let mut page = HEAD.to_owned();
        jobs(&served, &mut page);
        for (location, repository) in &served.repositories {
            snapshots(location, repository, &mut page);
        }
        page
    })
    .await
}

fn jobs(served: &Served, page: &mut String) {
    let jobs = served.board.jobs();
    if jobs.is_empty() {
        return;
    }
    page.push_str("<h2>Jobs</h2><table><tr><th>kind<th>label<th>state<th>job\n");
    for job in jobs {
        let (kind, state) = (job.kind.as_str(), job.state.as_str());
        let (label, id) = (escape(&job.label), escape(&job.id));
        put(page, format_args!("<tr><td>{kind}<td>{label}<td>{state}<td>{id}\n"));
    }
    page.push_str("</table>\n");
}

fn snapshots(location: &str, repository: &Repository, page: &mut String) {
    put(page, format_args!("<h2>{}</h2>\n", escape(location)));
    match repository.snapshots() {
        Ok(listed) if listed.is_empty() => page.push_str("<p>No snapshots yet.</p>\n"),
        Ok(listed) => table(listed, page),
        Err(error) => {
            let why = escape(&format!("{:#}", anyhow::Error::from(error)));
            put(page, format_args!("<p><strong>{why}</strong></p>\n"));
        }
    }
}

fn table(mut listed: Vec<ListedSnapshot>, page: &mut String) {
    listed.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.modified));
    page.push_str(
        "<table><tr><th>snapshot<th>taken (UTC)<th class=n>size<th class=n>stored<th class=n>took\n",
    );
    for snapshot in listed.iter().take(MAX_SNAPSHOTS) {
        let label = escape(snapshot.label.as_str());
        match &snapshot.record {
            Ok(record) => {
                let took = std::time::Duration::from_millis(record.stats.duration_ms);
                let cells = [
                    bytes(record.stats.raw_bytes),
                    bytes(record.stats.stored_bytes),
                    duration(took),
                ];
                put(page, format_args!("<tr><td>{label}<td>{}", record.timestamp));
                cells.iter().for_each(|cell| put(page, format_args!("<td class=n>{cell}")));
                page.push('\n');
            }
            Err(error) => put(
                page,
                format_args!("<tr><td>{label}<td colspan=4>{}\n", escape(&error.to_string())),
            ),
        }
    }
    page.push_str("</table>\n");
    if let Some(more) = listed.len().checked_sub(MAX_SNAPSHOTS).filter(|more| *more > 0) {
        put(page, format_args!("<p>and {more} older ones</p>\n"));
    }
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string has no way to fail.
    let _ = page.write_fmt(text);
}

/// Text that is no markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
