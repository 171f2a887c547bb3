//! [`Sheet`]: one result set as `mysql` prints it: a box, lines of values between tabs, or a line for each value.
//!
//! Pure: rows in, text out. Lines are made as rows come; a box knows its widths only when all rows are there.

use cairn_frontend::mysql::{SqlType, TextRow};
use comfy_table::{Cell, CellAlignment, ContentLineStyle, LineStyle, Table, TableStyle};

/// What `mysql` draws.
const BOX: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('+', '-', '+', '+'))
    .header_lines(ContentLineStyle::new('|', '|', '|'))
    .header_separator(LineStyle::new('+', '-', '+', '+'))
    .content_lines(ContentLineStyle::new('|', '|', '|'))
    .bottom_border(LineStyle::new('+', '-', '+', '+'));

/// What stands for no value.
const NULL: &str = "NULL";

/// How result sets look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A box.
    Table,
    /// Values between tabs; what would break a line is written with a backslash.
    Tabs,
    /// A line for each value.
    Vertical,
}

/// A result set that is being printed.
#[derive(Debug)]
pub(crate) struct Sheet {
    layout: Layout,
    has_names: bool,
    columns: Vec<(String, SqlType)>,
    /// What a box waits for.
    kept: Vec<TextRow>,
    num_rows: u64,
}

impl Sheet {
    pub(crate) fn new(layout: Layout, has_names: bool, columns: &[(String, SqlType)]) -> Self {
        Self { layout, has_names, columns: columns.to_vec(), kept: Vec::new(), num_rows: 0 }
    }

    /// What rows add: the first ones their names, too.
    pub(crate) fn rows(&mut self, rows: Vec<TextRow>) -> String {
        let first = self.num_rows;
        self.num_rows += rows.len() as u64;
        match self.layout {
            Layout::Table => {
                self.kept.extend(rows);
                String::new()
            }
            Layout::Tabs => {
                let has_names = self.has_names && first == 0 && !rows.is_empty();
                let names = self.columns.iter().map(|(name, _)| escaped(name));
                let names = if has_names { line(names) } else { String::new() };
                let lines = rows.into_iter().map(|row| line(row.into_iter().map(tabbed)));
                names + &lines.collect::<String>()
            }
            Layout::Vertical => {
                (first..).zip(rows).map(|(before, row)| self.vertical(before + 1, row)).collect()
            }
        }
    }

    /// What stands behind them.
    pub(crate) fn end(&mut self) -> String {
        match self.layout {
            Layout::Table if self.num_rows > 0 => self.boxed(),
            _ => String::new(),
        }
    }

    fn boxed(&mut self) -> String {
        let mut table = Table::new();
        table.load_style(BOX);
        if self.has_names {
            table.set_header(self.columns.iter().map(|(name, _)| printable(name)));
        }
        for row in self.kept.drain(..) {
            let values = row.into_iter().zip(&self.columns);
            table.add_row(values.map(|(value, (_, kind))| cell(value.as_deref(), *kind)));
        }
        format!("{table}\n")
    }

    fn vertical(&self, number: u64, row: TextRow) -> String {
        let stars = "*".repeat(27);
        let mut text = format!("{stars} {number}. row {stars}\n");
        let names = self.columns.iter().map(|(name, _)| printable(name));
        let names: Vec<String> = names.collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, value) in names.iter().zip(row) {
            let value = printable(value.as_deref().unwrap_or(NULL));
            text.push_str(&match self.has_names {
                true => format!("{name:>width$}: {value}\n"),
                false => format!("{value}\n"),
            });
        }
        text
    }
}

/// Numbers stand on the right, below names that do not.
fn cell(value: Option<&str>, kind: SqlType) -> Cell {
    let cell = Cell::new(printable(value.unwrap_or(NULL)));
    if is_number(kind) { cell.set_alignment(CellAlignment::Right) } else { cell }
}

fn is_number(kind: SqlType) -> bool {
    !matches!(
        kind,
        SqlType::Null | SqlType::Date | SqlType::DateTime | SqlType::Varchar | SqlType::Varbinary
    )
}

fn line(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join("\t") + "\n"
}

fn tabbed(value: Option<String>) -> String {
    value.map_or_else(|| NULL.to_owned(), |value| escaped(&value))
}

/// As `mysql --batch` writes it: one line, and nothing in it is a tab.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            other => out.push(other),
        }
    }
    out
}

/// Values come from anywhere: what would steer a terminal is shown escaped, lines stay lines.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| match character {
            '\n' => vec![character],
            '\t' => vec![' '; 4],
            other if other.is_control() => other.escape_default().collect(),
            other => vec![other],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(layout: Layout) -> String {
        let columns = [("k".to_owned(), SqlType::BigInt), ("v".to_owned(), SqlType::Varchar)];
        let mut sheet = Sheet::new(layout, true, &columns);
        let value = |text: &str| Some(text.to_owned());
        let rows = vec![vec![value("1"), value("a\tb\\")], vec![value("12"), None]];
        let mut text = sheet.rows(rows);
        text += &sheet.rows(vec![vec![None, value("ä\nö\u{1b}[1m")]]);
        text + &sheet.end()
    }

    #[test]
    fn a_box_is_that_of_mysql() {
        let expected = "\
+------+------------+
| k    | v          |
+------+------------+
|    1 | a    b\\    |
|   12 | NULL       |
| NULL | ä          |
|      | ö\\u{1b}[1m |
+------+------------+
";
        assert_eq!(sheet(Layout::Table), expected);
    }

    #[test]
    fn batches_are_one_line_each() {
        let expected = "k\tv\n1\ta\\tb\\\\\n12\tNULL\nNULL\tä\\nö\u{1b}[1m\n";
        assert_eq!(sheet(Layout::Tabs), expected);
    }

    #[test]
    fn vertical_rows_are_counted_over_batches() {
        let shown = sheet(Layout::Vertical);
        let stars = "*".repeat(27);
        assert!(shown.starts_with(&format!("{stars} 1. row {stars}\nk: 1\nv: a    b\\\n")));
        assert!(shown.contains(&format!("{stars} 3. row {stars}\nk: NULL\n")), "{shown}");
    }

    #[test]
    fn no_rows_are_nothing() {
        for layout in [Layout::Table, Layout::Tabs, Layout::Vertical] {
            let mut sheet = Sheet::new(layout, true, &[("k".to_owned(), SqlType::Int)]);
            assert_eq!(sheet.rows(Vec::new()) + &sheet.end(), "");
        }
    }
}
