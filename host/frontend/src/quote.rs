//! Names and texts as they are typed: what is shown can be typed again. Pure.

/// A name in backticks.
pub(crate) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Names in backticks, with commas between them.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|it| name(it)).collect::<Vec<_>>().join(", ")
}

/// A text in single quotes.
pub(crate) fn text(text: &str) -> String {
    within(text, '\'')
}

/// A text in double quotes, as StarRocks writes those of definitions.
pub(crate) fn value(text: &str) -> String {
    within(text, '"')
}

fn within(text: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for letter in text.chars() {
        if letter == quote || letter == '\\' {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use cairn_sql::statement::{CreateTable, Statement};

    use super::*;

    #[test]
    fn what_is_quoted_is_read_as_it_was() {
        for odd in
            ["plain", "it's", "a \"b\"", "back\\slash", "two\nlines", "50\\%", "`tick`", "表"]
        {
            let typed = format!(
                "CREATE TABLE {} (a INT COMMENT {}) COMMENT {}",
                name(odd),
                text(odd),
                value(odd)
            );
            let Ok(Statement::CreateTable(CreateTable { name, columns, comment, .. })) =
                cairn_sql::parse_one(&typed)
            else {
                panic!("{typed}");
            };
            assert_eq!(name.name, odd);
            assert_eq!(columns[0].comment, odd);
            assert_eq!(comment.as_deref(), Some(odd));
        }
    }
}
