use super::*;

#[test]
fn every_relation_has_its_own_name_and_as_many_cells_as_columns() {
    let mut seen = std::collections::BTreeSet::new();
    let catalog = Catalog::default();
    for definition in definitions() {
        assert!(seen.insert(definition.name), "{} is there twice", definition.name);
        for row in (definition.rows)(&catalog) {
            assert!(row.len() <= definition.columns.len(), "{}", definition.name);
        }
        relation(&catalog, &Vec::new, definition.name).expect("is made of an empty catalog");
    }
    for name in ["tables", "columns", "schemata", "views", "key_column_usage", "engines"] {
        assert!(seen.contains(name), "{name}");
    }
}

#[test]
fn an_unknown_relation_is_refused() {
    let error = relation(&Catalog::default(), &Vec::new, "nope").expect_err("there is none");
    assert_eq!(error.to_string(), "Unknown table 'information_schema.nope'");
    assert!(column_names("NOPE").is_empty());
    assert_eq!(column_names("Schemata").first().map(String::as_str), Some("CATALOG_NAME"));
}
