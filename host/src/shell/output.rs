//! [`Printer`]: a [`Sheet`] on stdout; [`summary`]: the line that follows a statement on a terminal.

use std::io;
use std::time::Duration;

use cairn_frontend::mysql::{SqlType, TextRow};

use super::layout::{Layout, Sheet};
use super::statement::{Ran, Sink};
use crate::ui::Ui;

/// Prints the rows of one statement.
pub(crate) struct Printer<'a> {
    ui: &'a Ui,
    layout: Layout,
    has_names: bool,
    sheet: Option<Sheet>,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(ui: &'a Ui, layout: Layout, has_names: bool) -> Self {
        Self { ui, layout, has_names, sheet: None }
    }
}

impl Sink for Printer<'_> {
    fn columns(&mut self, columns: &[(String, SqlType)]) -> io::Result<()> {
        self.sheet = Some(Sheet::new(self.layout, self.has_names, columns));
        Ok(())
    }

    fn rows(&mut self, rows: Vec<TextRow>) -> io::Result<()> {
        let text = self.sheet.as_mut().map(|sheet| sheet.rows(rows));
        self.ui.show_raw(text.unwrap_or_default())
    }

    fn end(&mut self) -> io::Result<()> {
        let text = self.sheet.as_mut().map(Sheet::end);
        self.ui.show_raw(text.unwrap_or_default())
    }
}

/// As `mysql` says it.
pub(crate) fn summary(ran: &Ran, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let plural = |count: u64| if count == 1 { "row" } else { "rows" };
    match ran {
        Ran::Rows(0) => format!("Empty set ({seconds:.2} sec)"),
        Ran::Rows(count) => format!("{count} {} in set ({seconds:.2} sec)", plural(*count)),
        Ran::Done(done) => {
            let affected = done.affected;
            let info = match done.info.as_str() {
                "" => String::new(),
                info => format!("\n{info}"),
            };
            format!("Query OK, {affected} {} affected ({seconds:.2} sec){info}", plural(affected))
        }
    }
}

#[cfg(test)]
mod tests {
    use cairn_frontend::mysql::Done;

    use super::*;

    #[test]
    fn a_summary_is_that_of_mysql() {
        let took = Duration::from_millis(1234);
        let done = Done { affected: 1, ..Done::default() };
        assert_eq!(summary(&Ran::Done(done), took), "Query OK, 1 row affected (1.23 sec)");
        assert_eq!(summary(&Ran::Rows(0), took), "Empty set (1.23 sec)");
        assert_eq!(summary(&Ran::Rows(2), took), "2 rows in set (1.23 sec)");
    }
}
