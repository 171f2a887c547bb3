//! `PARTITION BY`, partitions and `DISTRIBUTED BY`.

use sqlparser::tokenizer::Token;

use super::column::signed_number;
use super::interval::{interval, step};
use crate::cursor::{Cursor, Result, is_word};
use crate::statement::{Distribution, PartitionDefinition, Partitioning};

/// What comes behind `PARTITION BY`.
pub(super) fn partitioning(c: &mut Cursor<'_>) -> Result<Partitioning> {
    if c.at_word("RANGE") && c.peek_at(1) == &Token::LParen {
        c.advance();
        return Ok(Partitioning::Range {
            columns: c.idents("a column name")?,
            partitions: definitions(c)?,
        });
    }
    if c.at_word("LIST") && c.peek_at(1) == &Token::LParen {
        c.advance();
        return Ok(Partitioning::List {
            columns: c.idents("a column name")?,
            partitions: definitions(c)?,
        });
    }
    let in_parentheses = c.accept(&Token::LParen);
    let partitioning = if c.at_word("DATE_TRUNC") && c.peek_at(1) == &Token::LParen {
        date_trunc(c)?
    } else {
        let columns = c.commas(|c| c.ident("RANGE, LIST, date_trunc or a column name"))?;
        Partitioning::Automatic { unit: None, columns }
    };
    if in_parentheses {
        c.expect(&Token::RParen)?;
    }
    Ok(partitioning)
}

/// `date_trunc('unit', column)`
fn date_trunc(c: &mut Cursor<'_>) -> Result<Partitioning> {
    c.advance();
    c.expect(&Token::LParen)?;
    let unit = c.string("unit of time in quotes")?.to_ascii_lowercase();
    c.expect(&Token::Comma)?;
    let columns = vec![c.ident("a column name")?];
    c.expect(&Token::RParen)?;
    Ok(Partitioning::Automatic { unit: Some(unit), columns })
}

/// `(partition, ...)`, also none.
fn definitions(c: &mut Cursor<'_>) -> Result<Vec<PartitionDefinition>> {
    if c.peek() == &Token::LParen && c.peek_at(1) == &Token::RParen {
        c.advance();
        c.advance();
        return Ok(Vec::new());
    }
    c.list(|c| if c.at_word("START") { every(c) } else { named(c) })
}

/// `PARTITION p VALUES ...`
fn named(c: &mut Cursor<'_>) -> Result<PartitionDefinition> {
    c.expect_word("PARTITION").map_err(|_| c.unexpected("PARTITION or START"))?;
    definition(c)
}

/// `p VALUES LESS THAN (...) | [(...), (...)) | IN (...)`
pub(super) fn definition(c: &mut Cursor<'_>) -> Result<PartitionDefinition> {
    let name = c.ident("a partition name")?;
    c.expect_word("VALUES")?;
    if c.accept_word("LESS") {
        c.expect_word("THAN")?;
        let bound = if c.accept_word("MAXVALUE") { vec![None] } else { c.list(bound)? };
        return Ok(PartitionDefinition::LessThan { name, bound });
    }
    if c.accept_word("IN") {
        return Ok(PartitionDefinition::In { name, values: c.list(row)? });
    }
    if !c.accept(&Token::LBracket) {
        return Err(c.unexpected("LESS THAN, IN or ["));
    }
    let from = c.list(bound)?;
    c.expect(&Token::Comma)?;
    let to = c.list(bound)?;
    c.expect(&Token::RParen)?;
    Ok(PartitionDefinition::Fixed { name, from, to })
}

/// `START ("a") END ("b") EVERY (INTERVAL n unit | n)`
pub(super) fn every(c: &mut Cursor<'_>) -> Result<PartitionDefinition> {
    c.expect_word("START")?;
    let start = in_parentheses(c, value)?;
    c.expect_word("END")?;
    let end = in_parentheses(c, value)?;
    c.expect_word("EVERY")?;
    let (step, unit) = in_parentheses(c, |c| {
        if c.at_word("INTERVAL") {
            interval(c).map(|(step, unit)| (step, Some(unit)))
        } else {
            step(c).map(|step| (step, None))
        }
    })?;
    Ok(PartitionDefinition::Every { start, end, step, unit })
}

/// `PARTITION p`, `PARTITIONS (p, ...)`: the names.
pub(super) fn names(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    c.expect_any(&["PARTITION", "PARTITIONS"])?;
    if c.peek() == &Token::LParen {
        return c.idents("a partition name");
    }
    Ok(vec![c.ident("a partition name")?])
}

/// The names, where any are typed.
pub(super) fn optional_names(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    if c.at_any(&["PARTITION", "PARTITIONS"]) { names(c) } else { Ok(Vec::new()) }
}

/// `DISTRIBUTED BY HASH (columns) | RANDOM [BUCKETS n]`, behind the first word.
pub(super) fn distribution(c: &mut Cursor<'_>) -> Result<Distribution> {
    c.expect_word("BY")?;
    let hash = if c.accept_word("HASH") {
        Some(c.idents("a column name")?)
    } else {
        c.expect_word("RANDOM").map_err(|_| c.unexpected("HASH or RANDOM"))?;
        None
    };
    let buckets = if c.accept_word("BUCKETS") { Some(step(c)?) } else { None };
    Ok(Distribution { hash, buckets })
}

fn in_parentheses<T>(
    c: &mut Cursor<'_>,
    inner: impl FnOnce(&mut Cursor<'_>) -> Result<T>,
) -> Result<T> {
    c.expect(&Token::LParen)?;
    let inner = inner(c)?;
    c.expect(&Token::RParen)?;
    Ok(inner)
}

/// A value of a partition column as text: a string or a number.
fn value(c: &mut Cursor<'_>) -> Result<String> {
    match c.accept_string() {
        Some(value) => Ok(value),
        None => signed_number(c).map_err(|_| c.unexpected("a string or a number")),
    }
}

/// A value, or MAXVALUE.
fn bound(c: &mut Cursor<'_>) -> Result<Option<String>> {
    if is_word(c.peek(), "MAXVALUE") {
        c.advance();
        return Ok(None);
    }
    value(c).map(Some).map_err(|_| c.unexpected("a string, a number or MAXVALUE"))
}

/// A value, or one for each column in parentheses.
fn row(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    if c.peek() == &Token::LParen { c.list(value) } else { Ok(vec![value(c)?]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Partitioning, String> {
        let mut c = Cursor::new(text).unwrap();
        let partitioning = partitioning(&mut c).map_err(|error| error.to_string())?;
        c.end().map_err(|error| error.to_string())?;
        Ok(partitioning)
    }

    fn strings(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn bounds(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned())).collect()
    }

    #[test]
    fn ranges() {
        let parsed = parse(
            r#"RANGE (a, `b`) (
                PARTITION p1 VALUES LESS THAN ("2024-01-01", "1"),
                PARTITION p2 VALUES [("2024-01-01", 1), ("2024-02-01", -5)),
                PARTITION p3 VALUES LESS THAN (MAXVALUE, MAXVALUE),
                PARTITION p4 VALUES LESS THAN MAXVALUE,
                START ("2024-03-01") END ("2025-01-01") EVERY (INTERVAL 1 MONTH),
                START ("1") END ("10") EVERY (3)
            )"#,
        );
        let name = |name: &str| name.to_owned();
        let partitions = vec![
            PartitionDefinition::LessThan { name: name("p1"), bound: bounds(&["2024-01-01", "1"]) },
            PartitionDefinition::Fixed {
                name: name("p2"),
                from: bounds(&["2024-01-01", "1"]),
                to: bounds(&["2024-02-01", "-5"]),
            },
            PartitionDefinition::LessThan { name: name("p3"), bound: vec![None, None] },
            PartitionDefinition::LessThan { name: name("p4"), bound: vec![None] },
            PartitionDefinition::Every {
                start: name("2024-03-01"),
                end: name("2025-01-01"),
                step: 1,
                unit: Some(name("month")),
            },
            PartitionDefinition::Every { start: name("1"), end: name("10"), step: 3, unit: None },
        ];
        assert_eq!(
            parsed.unwrap(),
            Partitioning::Range { columns: strings(&["a", "b"]), partitions }
        );
        assert_eq!(
            parse("range(a)()").unwrap(),
            Partitioning::Range { columns: strings(&["a"]), partitions: vec![] }
        );
    }

    #[test]
    fn lists() {
        let parsed = parse(
            "LIST (a, b) (PARTITION p VALUES IN (('x', '1'), ('y', '2')), PARTITION q VALUES IN ('z', 3))",
        );
        let partitions = vec![
            PartitionDefinition::In {
                name: "p".into(),
                values: vec![strings(&["x", "1"]), strings(&["y", "2"])],
            },
            PartitionDefinition::In {
                name: "q".into(),
                values: vec![strings(&["z"]), strings(&["3"])],
            },
        ];
        assert_eq!(
            parsed.unwrap(),
            Partitioning::List { columns: strings(&["a", "b"]), partitions }
        );
    }

    #[test]
    fn automatic() {
        let automatic = |unit: Option<&str>, columns: &[&str]| Partitioning::Automatic {
            unit: unit.map(Into::into),
            columns: strings(columns),
        };
        assert_eq!(parse("date_trunc('DAY', dt)").unwrap(), automatic(Some("day"), &["dt"]));
        assert_eq!(parse("(date_trunc('month', dt))").unwrap(), automatic(Some("month"), &["dt"]));
        assert_eq!(parse("(a, b)").unwrap(), automatic(None, &["a", "b"]));
        assert_eq!(parse("a, b").unwrap(), automatic(None, &["a", "b"]));
        assert_eq!(parse("(list)").unwrap(), automatic(None, &["list"]));
    }

    #[test]
    fn errors() {
        for (text, message) in [
            (
                "RANGE (a) (p VALUES IN (1))",
                "expected PARTITION or START, found p at line 1, column 12",
            ),
            (
                "RANGE (a) (PARTITION p VALUES (1))",
                "expected LESS THAN, IN or [, found ( at line 1, column 31",
            ),
            (
                "RANGE (a) (PARTITION p VALUES LESS THAN (now()))",
                "expected a string, a number or MAXVALUE, found now at line 1, column 42",
            ),
            (
                "RANGE (a) (START ('1') END ('2') EVERY (0))",
                "expected a number greater than 0, found 0 at line 1, column 41",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }
}
