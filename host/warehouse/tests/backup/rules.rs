//! What a restore refuses, and what it leaves as it was when it does.

use cairn_warehouse::ddl::DistributionDefinition;

use crate::rig::{Cellar, House};

/// The causes of a failed restore in one line.
fn refused(outcome: Result<cairn_pipeline::RestoreReport, cairn_pipeline::Error>) -> String {
    let error = outcome.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn backed_up() -> (Cellar, House) {
    let (cellar, house) = (Cellar::new(), House::with_shop());
    house.create("orders", &[10]);
    house.add_segment("orders", "p10", 0, b"rows");
    cellar.back_up(&house, "one", &["orders"]);
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
    (cellar, house)
}

#[test]
fn a_table_with_other_columns_is_refused_column_by_column() {
    let (cellar, house) = backed_up();
    house.create_with("orders", &[10], |definition| {
        definition.columns[1].name = "amount".to_owned();
        definition.columns[1].nullable = false;
    });
    house.add_segment("orders", "p10", 1, b"live");
    let before = house.content("shop", "orders");
    let message = refused(cellar.restore(&house, "one", "shop", &[]));
    assert!(message.contains("Table orders already exist but with different schema"), "{message}");
    assert!(message.contains("column: `amount` INT NOT NULL in existed table"), "{message}");
    assert!(message.contains("column: `value` INT NULL"), "{message}");
    assert_eq!(house.content("shop", "orders"), before);
    assert_eq!(house.num_files(), 1);
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
}

#[test]
fn a_table_that_is_cut_in_another_way_is_refused() {
    let (cellar, house) = backed_up();
    house.create("orders", &[]);
    let message = refused(cellar.restore(&house, "one", "shop", &[]));
    assert!(message.contains("Table orders's partition type is different"), "{message}");
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
    house.create_with("orders", &[10], |definition| {
        let hash = Some(vec!["id".to_owned()]);
        definition.distribution = Some(DistributionDefinition { hash, buckets: Some(3) });
    });
    let message = refused(cellar.restore(&house, "one", "shop", &[]));
    assert!(message.contains("bucket num"), "{message}");
}

#[test]
fn partitions_that_meet_others_are_refused() {
    let (cellar, house) = backed_up();
    house.create("orders", &[15]);
    let message = refused(cellar.restore(&house, "one", "shop", &[]));
    assert!(
        message.contains("Partition p10 in table orders has conflict range with existing ranges"),
        "{message}"
    );
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
    house.create("orders", &[30]);
    cellar.restore(&house, "one", "shop", &[]).unwrap();
    let content = house.content("shop", "orders");
    assert_eq!(content[&("p10".to_owned(), 0)], [b"rows"]);
    assert!(content.contains_key(&("p30".to_owned(), 0)));
}

#[test]
fn a_table_that_is_being_restored_is_refused_to_others() {
    use cairn_pipeline::TabletSink;
    use cairn_pipeline::tablet::{ObjectKey, ObjectSpec, RestoreObject, RestorePlan};
    use cairn_warehouse::{RestoreSettings, WarehouseSink};

    let (cellar, house) = backed_up();
    cellar.restore(&house, "one", "shop", &[]).unwrap();
    let catalog = house.warehouse.catalog();
    let table = catalog.table("shop", "orders").unwrap();
    let definition = cairn_warehouse::Definition::Table(Box::new(cairn_warehouse::SnapshotTable {
        database: "shop".to_owned(),
        row: (**table.row()).clone(),
        partitions: Vec::new(),
    }));
    let plan = || RestorePlan {
        job: "j".to_owned(),
        objects: vec![RestoreObject {
            spec: ObjectSpec {
                key: ObjectKey::table("shop", "orders"),
                depends_on: Vec::new(),
                fingerprint: Vec::new(),
                definition: serde_json::to_vec(&definition).unwrap(),
                partitions: Vec::new(),
            },
            whole: true,
        }],
    };
    let settings =
        RestoreSettings { replication_num: 1, now: crate::rig::NOW, earlier: Default::default() };
    let sink = WarehouseSink::new(house.warehouse.clone(), settings);
    let staged = sink.begin(plan()).unwrap();
    let error = sink.begin(plan()).unwrap_err();
    assert_eq!(error.kind(), cairn_pipeline::tablet::TabletErrorKind::Busy, "{error}");
    let error = house.run(house.warehouse.drop_table("shop", "orders")).unwrap_err();
    assert_eq!(error.to_string(), "Table orders's state is not NORMAL: RESTORE");
    drop(staged);
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
}

#[test]
fn what_is_claimed_is_kept_from_others_until_the_switch_which_leaves_a_receipt() {
    use std::sync::Arc;

    use cairn_warehouse::{ErrorKind, RestoreClaim, RestoreSettings, WarehouseSink};

    let (cellar, house) = backed_up();
    cellar.restore(&house, "one", "shop", &[]).unwrap();
    let claim = || RestoreClaim::new(house.warehouse.clone());
    let names = || ["orders", "nowhere"].into_iter();
    let first = claim().with_receipt("receipts", "1");
    first.claim_named("shop", names()).unwrap();
    assert_eq!(claim().claim_named("shop", names()).unwrap_err().kind(), ErrorKind::Busy);
    let error = house.run(house.warehouse.drop_table("shop", "orders")).unwrap_err();
    assert_eq!(error.to_string(), "Table orders's state is not NORMAL: RESTORE");

    let receipt = || house.warehouse.store().document("receipts", "1").unwrap();
    assert_eq!(receipt(), None);
    let settings =
        RestoreSettings { replication_num: 1, now: crate::rig::NOW, earlier: Default::default() };
    let sink = WarehouseSink::claimed(house.warehouse.clone(), settings, Arc::new(first));
    cellar.restore_by(sink, "one", "shop", &[]).unwrap();
    assert_eq!(receipt(), Some(serde_json::json!(true)));
    house.run(house.warehouse.drop_table("shop", "orders")).unwrap();
}

#[test]
fn a_claim_that_is_released_keeps_nobody_out() {
    use cairn_warehouse::RestoreClaim;

    let (cellar, house) = backed_up();
    cellar.restore(&house, "one", "shop", &[]).unwrap();
    for is_dropped in [true, false] {
        let claim = RestoreClaim::new(house.warehouse.clone());
        claim.claim_named("shop", ["orders"].into_iter()).unwrap();
        claim.claim_named("shop", ["orders"].into_iter()).unwrap();
        if is_dropped {
            drop(claim)
        } else {
            claim.release()
        }
        let table = house.warehouse.catalog();
        table.table("shop", "orders").unwrap().check_normal().unwrap();
    }
}
