//! SQLAlchemy's dialect for StarRocks, on a real server: it reflects what it finds in the catalog.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cairn_frontend::mysql::{MysqlConfig, MysqlServer};
use cairn_frontend::{Frontend, FrontendService, Parts};
use cairn_pipeline::{Engine, RepositorySettings};
use cairn_warehouse::Warehouse;
use cairn_warehouse::load::LoadConfig;
use cairn_warehouse::query::QueryConfig;

use crate::clients::expect_done;
use crate::programs::python;

#[test]
fn the_dialect_of_sqlalchemy_reflects_and_queries() {
    let directory = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let frontend = Frontend::start(Parts {
        warehouse: Warehouse::open(directory.path()).unwrap(),
        queries: QueryConfig::default(),
        loads: LoadConfig::default(),
        engine: Engine::start().unwrap(),
        repository_settings: RepositorySettings::default(),
        repository_secret: None,
        storage_properties: Default::default(),
        job_settings: cairn_frontend::JobSettings::default(),
        local_repositories: Vec::new(),
        runtime: runtime.handle().clone(),
    })
    .unwrap();
    let config = MysqlConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let service = Arc::new(FrontendService(frontend));
    let server = MysqlServer::start(config, service, runtime.handle()).unwrap();
    let port = server.address().port().to_string();
    expect_done(python("sqlalchemy_probe.py", &[port]));
    #[expect(clippy::disallowed_methods, reason = "the test is on no runtime")]
    runtime.handle().block_on(server.shutdown(Duration::ZERO));
}
