//! Real servers that live as long as a value: [`HdfsCluster`] and [`RadosGateway`].
//!
//! Scripts beside the sources start them on loopback, from packages; what is missing on a machine is said, and
//! [`crate::skip_unless_required`] decides whether that is a failure. They end when their value is dropped.

mod hdfs;
mod radosgw;

pub use self::hdfs::{HdfsCluster, HdfsMode};
pub use self::radosgw::RadosGateway;

use std::path::{Path, PathBuf};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name)
}
