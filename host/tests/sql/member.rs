//! The table of the guide, `sr_hub.sr_member`, and rows for it that do not compress.

use std::ops::Range;

use crate::client::Client;
use crate::place::{Place, noise};

/// How long a name is: most of a row.
const NAME_BYTES: usize = 200;

/// Makes database and table, with partitions and several buckets.
pub(crate) fn create(client: &Client) {
    client.run(
        "CREATE DATABASE sr_hub; CREATE TABLE sr_hub.sr_member (id INT NOT NULL, name STRING, city INT, joined DATE) \
         DUPLICATE KEY(id) PARTITION BY RANGE(id) \
         (PARTITION p1 VALUES LESS THAN ('1000'), PARTITION p2 VALUES LESS THAN ('2000'), \
         PARTITION p3 VALUES LESS THAN MAXVALUE) DISTRIBUTED BY HASH(id) BUCKETS 2",
    );
}

/// The statement that loads these rows.
pub(crate) fn load(ids: Range<u32>) -> String {
    let row = |id: u32| {
        let bytes = noise(&format!("member-{id}"), 0, NAME_BYTES);
        let name: String = bytes.iter().map(|byte| char::from(b' ' + 1 + byte % 64)).collect();
        // Nothing in it ends a text.
        let name = name.replace(['\'', '\\'], "_");
        format!("({id}, '{name}', {}, '2026-02-{:02}')", id % 7, id % 28 + 1)
    };
    let rows: Vec<String> = ids.map(row).collect();
    format!("INSERT INTO sr_hub.sr_member VALUES {}", rows.join(", "))
}

/// All rows of a table like it, in order.
#[track_caller]
pub(crate) fn rows(client: &Client, table: &str) -> String {
    client.run(&format!("SELECT * FROM {table} ORDER BY id, name"))
}

/// A local directory of the place as a repository.
pub(crate) fn repository(place: &Place, client: &Client, name: &str) {
    let location = place.path("repo");
    client.run(&format!(
        "CREATE REPOSITORY {name} WITH BROKER ON LOCATION 'file://{}'",
        location.display()
    ));
}

/// RESTORE of the table, with what follows its name.
pub(crate) fn restore_statement(
    client: &Client,
    repository: &str,
    label: &str,
    more: &str,
) -> String {
    let timestamp = client.timestamp(repository, label);
    format!(
        "RESTORE SNAPSHOT sr_hub.{label} FROM {repository} ON (sr_member {more}) \
         PROPERTIES ('backup_timestamp' = '{timestamp}')"
    )
}
