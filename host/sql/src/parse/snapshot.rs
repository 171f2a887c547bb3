//! `SHOW SNAPSHOT`, `DROP SNAPSHOT`, and holds: `ALTER SNAPSHOT`, `SHOW HOLDS`.

use sqlparser::tokenizer::Token;

use crate::cursor::{Cursor, Result};
use crate::statement::{AlterSnapshot, SnapshotFilter, Statement};

/// `ON repository [WHERE ... | LIKE pattern]`
pub(super) fn show(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_any(&["ON", "FROM"])?;
    let repository = c.ident("a repository name")?;
    let filter = if c.accept_word("LIKE") {
        SnapshotFilter { like: Some(c.string("pattern in quotes")?), ..SnapshotFilter::default() }
    } else if c.accept_word("WHERE") {
        filter(c)?
    } else {
        SnapshotFilter::default()
    };
    Ok(Statement::ShowSnapshot { repository, filter })
}

/// `label ON repository [FORCE]` or `ON repository WHERE ... [FORCE]`
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    let label = if c.at_word("ON") { None } else { Some(c.ident("a label or ON")?) };
    c.expect_word("ON")?;
    let repository = c.ident("a repository name")?;
    let filter = match label {
        Some(label) => SnapshotFilter { labels: vec![label], ..SnapshotFilter::default() },
        None => {
            c.expect_word("WHERE")?;
            filter(c)?
        }
    };
    Ok(Statement::DropSnapshot { repository, filter, force: c.accept_word("FORCE") })
}

/// `label ON repository ADD HOLD name [COMMENT "reason"]` or `label ON repository DROP HOLD name`
pub(super) fn alter(c: &mut Cursor<'_>) -> Result<Statement> {
    let label = c.ident("a label")?;
    c.expect_word("ON")?;
    let repository = c.ident("a repository name")?;
    let adds = c.accept_word("ADD");
    if !adds {
        c.expect_word("DROP").map_err(|_| c.unexpected("ADD HOLD or DROP HOLD"))?;
    }
    c.expect_word("HOLD")?;
    let name = c.ident_or_string("the name of a hold")?;
    let change = if adds {
        let reason = c.accept_word("COMMENT").then(|| c.string("reason in quotes")).transpose()?;
        AlterSnapshot::AddHold { name, reason: reason.unwrap_or_default() }
    } else {
        AlterSnapshot::DropHold { name }
    };
    Ok(Statement::AlterSnapshot { label, repository, change })
}

/// `ON repository`
pub(super) fn show_holds(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_any(&["ON", "FROM"])?;
    Ok(Statement::ShowHolds { repository: c.ident("a repository name")? })
}

/// Conditions on SNAPSHOT and TIMESTAMP, joined by AND; each at most once.
fn filter(c: &mut Cursor<'_>) -> Result<SnapshotFilter> {
    let mut filter = SnapshotFilter::default();
    condition(c, &mut filter)?;
    while c.accept_word("AND") {
        condition(c, &mut filter)?;
    }
    Ok(filter)
}

fn condition(c: &mut Cursor<'_>, filter: &mut SnapshotFilter) -> Result<()> {
    let begin = c.unexpected("a condition that was not there before");
    let fresh = if c.accept_word("SNAPSHOT") {
        on_snapshot(c, filter)?
    } else {
        c.expect_word("TIMESTAMP").map_err(|_| c.unexpected("SNAPSHOT or TIMESTAMP"))?;
        on_timestamp(c, filter)?
    };
    if fresh { Ok(()) } else { Err(begin) }
}

fn on_snapshot(c: &mut Cursor<'_>, filter: &mut SnapshotFilter) -> Result<bool> {
    if c.accept_word("LIKE") {
        return Ok(filter.like.replace(c.string("pattern in quotes")?).is_none());
    }
    let labels = if c.accept_word("IN") {
        c.list(|c| c.string("label in quotes"))?
    } else if c.accept(&Token::Eq) {
        vec![c.string("label in quotes")?]
    } else {
        return Err(c.unexpected("=, IN or LIKE"));
    };
    Ok(std::mem::replace(&mut filter.labels, labels).is_empty())
}

fn on_timestamp(c: &mut Cursor<'_>, filter: &mut SnapshotFilter) -> Result<bool> {
    let bound = match c.peek() {
        Token::Eq => &mut filter.timestamp,
        Token::LtEq => &mut filter.not_after,
        Token::GtEq => &mut filter.not_before,
        Token::Lt => &mut filter.before,
        Token::Gt => &mut filter.after,
        _ => return Err(c.unexpected("=, <, <=, > or >=")),
    };
    c.advance();
    Ok(bound.replace(c.string("timestamp in quotes")?).is_none())
}

#[cfg(test)]
mod tests {
    use crate::statement::{AlterSnapshot, SnapshotFilter, Statement};
    use crate::testing::{error, one};

    fn shown(text: &str) -> SnapshotFilter {
        match one(text) {
            Statement::ShowSnapshot { repository, filter } if repository == "r" => filter,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn show_with_every_condition() {
        assert_eq!(shown("SHOW SNAPSHOT ON r"), SnapshotFilter::default());
        assert_eq!(shown("SHOW SNAPSHOT FROM `r`;"), SnapshotFilter::default());
        assert_eq!(
            shown(r#"SHOW SNAPSHOT ON r WHERE SNAPSHOT = "l" AND TIMESTAMP = "t""#),
            SnapshotFilter {
                labels: vec!["l".into()],
                timestamp: Some("t".into()),
                ..SnapshotFilter::default()
            }
        );
        assert_eq!(
            shown(
                "SHOW SNAPSHOT ON r WHERE timestamp >= 'a' AND snapshot IN ('l', 'm') AND timestamp <= 'b'"
            ),
            SnapshotFilter {
                labels: vec!["l".into(), "m".into()],
                not_before: Some("a".into()),
                not_after: Some("b".into()),
                ..SnapshotFilter::default()
            }
        );
        assert_eq!(
            shown("SHOW SNAPSHOT ON r WHERE timestamp > 'a' AND timestamp < 'b'"),
            SnapshotFilter {
                after: Some("a".into()),
                before: Some("b".into()),
                ..SnapshotFilter::default()
            }
        );
        let like = shown("SHOW SNAPSHOT ON r WHERE SNAPSHOT LIKE 'l%'");
        assert_eq!(like, shown("SHOW SNAPSHOT ON r LIKE 'l%'"));
        assert_eq!(like.like.as_deref(), Some("l%"));
    }

    #[test]
    fn drop_one_or_many() {
        assert_eq!(
            one("DROP SNAPSHOT l ON r FORCE"),
            Statement::DropSnapshot {
                repository: "r".into(),
                filter: SnapshotFilter { labels: vec!["l".into()], ..SnapshotFilter::default() },
                force: true,
            }
        );
        assert_eq!(
            one("DROP SNAPSHOT ON r WHERE TIMESTAMP <= '2024-01-01'"),
            Statement::DropSnapshot {
                repository: "r".into(),
                filter: SnapshotFilter {
                    not_after: Some("2024-01-01".into()),
                    ..SnapshotFilter::default()
                },
                force: false,
            }
        );
    }

    #[test]
    fn holds_are_added_dropped_and_shown() {
        let altered =
            |change| Statement::AlterSnapshot { label: "l".into(), repository: "r".into(), change };
        let add = |name: &str, reason: &str| {
            altered(AlterSnapshot::AddHold { name: name.into(), reason: reason.into() })
        };
        assert_eq!(
            one("ALTER SNAPSHOT l ON r ADD HOLD audit COMMENT 'tax 2026'"),
            add("audit", "tax 2026")
        );
        assert_eq!(one("alter snapshot l on r add hold 'case-7';"), add("case-7", ""));
        assert_eq!(
            one("ALTER SNAPSHOT l ON r DROP HOLD audit"),
            altered(AlterSnapshot::DropHold { name: "audit".into() })
        );
        assert_eq!(one("SHOW HOLDS ON r"), Statement::ShowHolds { repository: "r".into() });
        for (text, message) in [
            (
                "ALTER SNAPSHOT l ON r SET ('a' = 'b')",
                "expected ADD HOLD or DROP HOLD, found SET at line 1, column 23",
            ),
            (
                "ALTER SNAPSHOT l ON r DROP HOLD audit COMMENT 'x'",
                "expected end of statement, found COMMENT at line 1, column 39",
            ),
            ("ALTER SNAPSHOT l ADD HOLD audit", "expected ON, found ADD at line 1, column 18"),
        ] {
            assert_eq!(error(text), message);
        }
    }

    #[test]
    fn a_drop_never_means_everything() {
        assert_eq!(
            error("DROP SNAPSHOT ON r"),
            "expected WHERE, found end of statement at line 1, column 19"
        );
        assert_eq!(
            error("DROP SNAPSHOT ON r WHERE SNAPSHOT IN ()"),
            "expected label in quotes, found ) at line 1, column 39"
        );
    }

    #[test]
    fn conditions_are_checked() {
        for (condition, message) in [
            ("LABEL = 'l'", "expected SNAPSHOT or TIMESTAMP, found LABEL at line 1, column 26"),
            ("TIMESTAMP LIKE 't'", "expected =, <, <=, > or >=, found LIKE at line 1, column 36"),
            ("SNAPSHOT = l", "expected label in quotes, found l at line 1, column 37"),
            (
                "SNAPSHOT = 'l' AND SNAPSHOT = 'm'",
                "expected a condition that was not there before, found SNAPSHOT at line 1, column 45",
            ),
            (
                "SNAPSHOT = 'l' OR TIMESTAMP = 't'",
                "expected end of statement, found OR at line 1, column 41",
            ),
        ] {
            assert_eq!(error(&format!("SHOW SNAPSHOT ON r WHERE {condition}")), message);
        }
    }
}
