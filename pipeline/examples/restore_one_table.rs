//! Restoring one table beside the live one: under another name, or only some of its partitions in place.
//!
//! ```sh
//! cargo run -p cairn-pipeline --example restore_one_table -- \
//!     REPOSITORY LABEL DATABASE.TABLE NEW_NAME WAREHOUSE [PARTITION...]
//! ```
//! With NEW_NAME equal to the table's own name the table is replaced, atomically.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use cairn_pipeline::directory::DirectorySink;
use cairn_pipeline::{Engine, RestoreItem, RestoreRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [location, label, table, new_name, warehouse, partitions @ ..] = arguments.as_slice()
    else {
        return Err("usage: restore_one_table REPOSITORY LABEL DATABASE.TABLE NEW_NAME WAREHOUSE \
                    [PARTITION...]"
            .into());
    };
    let (database, table) = table.split_once('.').ok_or("the table is named DATABASE.TABLE")?;
    let item = RestoreItem {
        database: database.to_owned(),
        object: Some(table.to_owned()),
        // None is the whole table: partitions that the snapshot lacks disappear.
        partitions: (!partitions.is_empty()).then(|| partitions.to_vec()),
        as_database: None,
        as_object: Some(new_name.clone()),
    };

    let engine = Engine::start()?;
    let repository = engine.open_repository_read_only(location)?;
    let sink = Arc::new(DirectorySink::open(Path::new(warehouse))?);
    let request = RestoreRequest::new(label)?.item(item);
    let report = engine.restore(&repository, sink, request).wait()?;
    for object in &report.objects {
        let (database, name) = (&object.database, &object.name);
        println!("{database}.{name}: {} segments, {} bytes", object.segments, object.bytes);
    }
    Ok(())
}
