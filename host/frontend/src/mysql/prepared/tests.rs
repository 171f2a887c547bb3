use proptest::prelude::*;

use super::*;
use crate::mysql::packet::Put;

const LIMIT: usize = 10_000;

/// As clients send parameters: NULLs, types, values.
fn sent(values: &[(u16, Option<&[u8]>)]) -> Vec<u8> {
    let mut nulls = vec![0_u8; values.len().div_ceil(8)];
    for (index, (_, value)) in values.iter().enumerate() {
        if value.is_none() {
            nulls[index / 8] |= 1 << (index % 8);
        }
    }
    let mut out = nulls;
    out.put_u8(1);
    for (kind, _) in values {
        out.put_u16(*kind);
    }
    for (_, value) in values {
        out.put(value.unwrap_or_default());
    }
    out
}

fn bound(sql: &str, values: &[(u16, Option<&[u8]>)]) -> Result<String, SqlError> {
    let mut statements = PreparedStatements::new(LIMIT);
    let (id, count) = statements.prepare(sql)?;
    assert_eq!(usize::from(count), values.len());
    statements.bind(id, &sent(values))
}

fn one(kind: u16, value: &[u8]) -> String {
    match bound("?", &[(kind, Some(value))]) {
        Ok(sql) => sql.trim().to_owned(),
        Err(error) => error.message,
    }
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_counted(bytes);
    out
}

#[test]
fn every_type_becomes_its_literal() {
    for (kind, value, expected) in [
        (1, vec![0xff], "-1"),
        (0x8001, vec![0xff], "255"),
        (2, vec![0, 0x80], "-32768"),
        (0x8002, vec![0, 0x80], "32768"),
        (13, vec![0xe8, 7], "2024"),
        (3, vec![0xff, 0xff, 0xff, 0xff], "-1"),
        (8, i64::MIN.to_le_bytes().to_vec(), "-9223372036854775808"),
        (0x8008, u64::MAX.to_le_bytes().to_vec(), "18446744073709551615"),
        (4, 1.1_f32.to_le_bytes().to_vec(), "1.1e0"),
        (5, (-1e300_f64).to_le_bytes().to_vec(), "-1e300"),
        (6, vec![], "NULL"),
        (10, vec![4, 0xe8, 7, 2, 29], "'2024-02-29'"),
        (10, vec![0], "'0000-00-00'"),
        (12, vec![4, 0xe8, 7, 2, 29], "'2024-02-29 00:00:00'"),
        (12, vec![7, 0xe8, 7, 2, 29, 1, 2, 3], "'2024-02-29 01:02:03'"),
        (7, vec![11, 0xe8, 7, 2, 29, 1, 2, 3, 4, 0, 0, 0], "'2024-02-29 01:02:03.000004'"),
        (11, vec![8, 1, 1, 0, 0, 0, 2, 3, 4], "'-26:03:04'"),
        (11, vec![12, 0, 0, 0, 0, 0, 2, 3, 4, 5, 0, 0, 0], "'02:03:04.000005'"),
        (11, vec![0], "'00:00:00'"),
        (246, counted(b"-12.50"), "-12.50"),
        (0, counted(b"+1.5E-10"), "+1.5E-10"),
        (246, counted(b".5"), ".5"),
        (253, counted(b"it's"), "'it''s'"),
        (254, counted(br"a\'b"), r"'a\\''b'"),
        (252, counted(b"\xff\x00"), "X'FF00'"),
        (252, counted(b"\0"), "'\0'"),
        (245, counted(br#"{"a": "b"}"#), r#"'{"a": "b"}'"#),
        (253, counted(b"two\r\nlines"), r"'two\r\nlines'"),
        (253, counted("\u{fc}?".as_bytes()), "'\u{fc}?'"),
        (253, counted(b""), "''"),
    ] {
        assert_eq!(one(kind, &value), expected, "type {kind}");
    }
}

#[test]
fn what_is_no_value_is_said() {
    let said = |kind, value: &[u8]| {
        let text = one(kind, value);
        text.strip_prefix("Incorrect arguments to EXECUTE: malformed packet: ").map(str::to_owned)
    };
    for (kind, value, expected) in [
        (3, vec![1, 2], "the value of a parameter is cut off"),
        (253, vec![9, 1], "the value of a parameter is cut off"),
        (5, f64::NAN.to_le_bytes().to_vec(), "SQL has no literal for infinity or NaN"),
        (246, counted(b"1; DROP TABLE t"), "a decimal is no number"),
        (246, counted(b"--1"), "a decimal is no number"),
        (246, counted(b"1e"), "a decimal is no number"),
        (246, counted(b"."), "a decimal is no number"),
        (246, counted(b""), "a decimal is no number"),
        (12, vec![3, 1, 2, 3], "a date is of no known length"),
        (11, vec![3, 1, 2, 3], "a time is of no known length"),
        (99, vec![], "a parameter is of an unknown type"),
    ] {
        assert_eq!(said(kind, &value).as_deref(), Some(expected));
    }
}

#[test]
fn literals_stand_apart_from_what_is_beside_them() {
    let minus_one: (u16, Option<&[u8]>) = (1, Some(&[0xff]));
    assert_eq!(bound("SELECT 1-?", &[minus_one]).unwrap(), "SELECT 1- -1 ");
    let text = counted(b"x");
    let text: (u16, Option<&[u8]>) = (253, Some(&text));
    assert_eq!(
        bound("VALUES('?',?,`?`,?)", &[text, (253, None)]).unwrap(),
        "VALUES('?', 'x' ,`?`, NULL )"
    );
}

#[test]
fn nulls_are_found_beyond_the_first_byte() {
    let sql = ["?"; 20].join(",");
    let values: Vec<(u16, Option<&[u8]>)> =
        (0..20).map(|index| (1, (index % 3 != 0).then_some(&[7_u8][..]))).collect();
    let expected: Vec<&str> =
        (0..20).map(|index| if index % 3 == 0 { " NULL " } else { " 7 " }).collect();
    assert_eq!(bound(&sql, &values).unwrap(), expected.join(","));
}

#[test]
fn types_are_told_once() {
    let mut statements = PreparedStatements::new(LIMIT);
    let (id, _) = statements.prepare("?").unwrap();
    assert_eq!(
        statements.bind(id, &[0, 0, 5]).unwrap_err().message,
        "Incorrect arguments to EXECUTE: malformed packet: the types of parameters were never told"
    );
    assert_eq!(statements.bind(id, &sent(&[(1, Some(&[5]))])).unwrap(), " 5 ");
    assert_eq!(statements.bind(id, &[0, 0, 6]).unwrap(), " 6 ");
    assert_eq!(statements.bind(9, &[]).unwrap_err().code, 1243);
}

#[test]
fn long_data_is_used_once() {
    let mut statements = PreparedStatements::new(LIMIT);
    let (id, _) = statements.prepare("?,?").unwrap();
    statements.add_long_data(id, 0, b"it's ");
    statements.add_long_data(id, 0, b"long");
    statements.add_long_data(id, 9, b"for nothing");
    statements.add_long_data(99, 0, b"for nobody");
    let rest = sent(&[(252, Some(&[])), (1, Some(&[5]))]);
    assert_eq!(statements.bind(id, &rest).unwrap(), " 'it''s long' , 5 ");
    assert_eq!(statements.bytes, 3 + 2 * PLACEHOLDER_BYTES);
    statements.add_long_data(id, 0, b"long");
    statements.reset(id).unwrap();
    assert_eq!(statements.bind(id, &sent(&[(253, Some(&[0])), (6, None)])).unwrap(), " '' , NULL ");
    statements.add_long_data(id, 0, &[0; LIMIT]);
    assert_eq!(statements.bind(id, &rest).unwrap_err().code, 1153);
    assert_eq!(statements.bind(id, &sent(&[(253, Some(&[0])), (6, None)])).unwrap(), " '' , NULL ");
    statements.close(id);
    assert_eq!(statements.bytes, 0);
    assert_eq!(statements.reset(id).unwrap_err().code, 1243);
}

#[test]
fn what_a_connection_keeps_is_bounded() {
    let mut statements = PreparedStatements::new(2 * LIMIT);
    assert_eq!(statements.prepare(" -- nothing").unwrap_err().code, 1065);
    for _ in 0..MOST {
        statements.prepare("?").unwrap();
    }
    assert_eq!(statements.prepare("?").unwrap_err().code, 1461);
    statements.close(1);
    assert_eq!(statements.prepare("?").unwrap(), (u32::try_from(MOST).unwrap() + 1, 1));

    let mut statements = PreparedStatements::new(LIMIT);
    assert_eq!(statements.prepare(&"x".repeat(LIMIT + 1)).unwrap_err().code, 1461);
    let (id, _) = statements.prepare("?").unwrap();
    let large = counted(&[b'\''; 6000]);
    assert_eq!(statements.bind(id, &sent(&[(253, Some(&large))])).unwrap_err().code, 1153);

    let mut statements = PreparedStatements::new(1 << 20);
    assert_eq!(statements.prepare(&"?".repeat(65_535)).unwrap().1, 65_535);
    assert_eq!(statements.prepare(&"?".repeat(65_536)).unwrap_err().code, 1390);
}

#[test]
fn what_is_kept_beside_the_bytes_counts_as_well() {
    let mut statements = PreparedStatements::new(LIMIT);
    assert_eq!(statements.prepare(&"?".repeat(LIMIT / 2)).unwrap_err().code, 1461);
    let (id, count) = statements.prepare(&"?".repeat(200)).unwrap();
    (0..count).for_each(|parameter| statements.add_long_data(id, parameter, b""));
    assert!(statements.bytes <= LIMIT);
    assert_eq!(statements.bind(id, &[]).unwrap_err().code, 1153, "it was too much");
    assert_eq!(statements.bytes, 200 + 200 * PLACEHOLDER_BYTES);
}

proptest! {
    #[test]
    fn binding_never_panics(parameters: Vec<u8>, kinds in prop::collection::vec(0..256_u16, 1..5)) {
        let mut statements = PreparedStatements::new(LIMIT);
        let (id, _) = statements.prepare(&"?".repeat(kinds.len())).unwrap();
        let _ = statements.bind(id, &parameters);
        let mut typed = vec![0, 1];
        for kind in &kinds {
            typed.put_u16(*kind);
        }
        typed.put(&parameters);
        let _ = statements.bind(id, &typed);
    }

    /// Whatever a text holds, what it was bound into has the same statements and placeholders as before.
    #[test]
    fn a_text_stays_inside_its_literal(text in r#"[-a?;'"`\\/*# \n\r\u{fc}]{0,40}"#, bytes: Vec<u8>) {
        for value in [text.as_bytes(), &bytes] {
            let sql = bound("SELECT ? FROM t -- x", &[(253, Some(&counted(value)))]).unwrap();
            prop_assert_eq!(cairn_sql::placeholders(&sql), Vec::<usize>::new());
            prop_assert_eq!(cairn_sql::split(&sql).len(), 1);
            prop_assert!(sql.ends_with("'  FROM t -- x"));
        }
    }
}
