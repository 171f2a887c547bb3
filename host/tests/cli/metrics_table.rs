//! `grafana/README.md` documents every metric, and no other.

use std::collections::BTreeMap;

/// The rows `| name | type | labels | meaning |` of the table, by name.
pub(crate) fn documented() -> BTreeMap<String, (String, String)> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../grafana/README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `cairn_"));
    rows.map(|row| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let mut cell = || cells.next().unwrap_or_default().to_owned();
        (cell().trim_matches('`').to_owned(), (cell(), cell()))
    })
    .collect()
}

#[test]
fn the_table_is_what_the_code_has() {
    let known: BTreeMap<String, (String, String)> = cairn_pipeline::metrics::all()
        .map(|spec| {
            let kind = format!("{:?}", spec.kind).to_lowercase();
            (spec.name.to_owned(), (kind, spec.labels.join(", ")))
        })
        .collect();
    assert_eq!(documented(), known);
}
