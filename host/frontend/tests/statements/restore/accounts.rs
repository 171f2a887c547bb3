//! Users, roles, grants and resource groups in snapshots: an addition to StarRocks'.

use cairn_frontend::mysql::Service;
use cairn_warehouse::catalog::model::GrantScope;

use super::{Cellar, restore, taken_at};
use crate::rig::Rig;

const ON: &str = "ON (ALL USERS, ALL ROLES, ALL RESOURCE GROUPS)";

async fn with_accounts(cellar: &Cellar) -> Rig {
    let mut rig = cellar.server().await;
    for sql in [
        "CREATE TABLE t (k INT)",
        "CREATE ROLE readers",
        "GRANT SELECT ON TABLE d.t TO ROLE readers",
        "CREATE USER ann IDENTIFIED BY 'secret'",
        "CREATE USER 'bob'@'10.%' IDENTIFIED BY 'other'",
        "GRANT readers TO USER ann",
        "GRANT INSERT ON TABLE d.t TO USER 'bob'@'10.%'",
        "CREATE RESOURCE GROUP rg TO (user = 'ann') WITH ('cpu_weight' = '4')",
    ] {
        rig.root.done(sql).await;
    }
    rig.root.done(&format!("BACKUP SNAPSHOT accounts TO repo {ON}")).await;
    rig.frontend.jobs().idle().await;
    rig
}

#[tokio::test]
async fn accounts_come_back_with_what_they_may_do() {
    let cellar = Cellar::new();
    let mut rig = with_accounts(&cellar).await;
    let jobs = rig.root.rows("SHOW BACKUP").await;
    let objects =
        "[user ann@%], [user bob@10.%], [user root@%], [role readers], [resource group rg]";
    assert!(jobs[0].contains(&format!("FINISHED|{objects}")), "{jobs:?}");
    let before: Vec<_> = rig.warehouse.catalog().users().map(|user| (**user).clone()).collect();

    let mut other = cellar.server().await;
    restore(&mut other, "d", "accounts", ON).await.unwrap();
    let after: Vec<_> = other.warehouse.catalog().users().map(|user| (**user).clone()).collect();
    assert_eq!(after, before);
    let proofs = |rig: &Rig| {
        let service = cairn_frontend::FrontendService(std::sync::Arc::clone(&rig.frontend));
        service.account("ann", [127, 0, 0, 1].into()).unwrap().proofs.to_hex()
    };
    assert_eq!(proofs(&other), proofs(&rig), "the password is the same");
    let groups = "SHOW RESOURCE GROUPS ALL";
    assert_eq!(other.root.rows(groups).await.len(), rig.root.rows(groups).await.len());
    other.root.done("CREATE TABLE t (k INT)").await;
    let mut ann = other.login("ann");
    assert!(ann.rows("SELECT * FROM d.t").await.is_empty());
    assert_eq!(ann.code("INSERT INTO d.t VALUES (1)").await, 5203);
}

#[tokio::test]
async fn one_account_comes_back_alone_and_over_what_it_became() {
    let cellar = Cellar::new();
    let mut rig = with_accounts(&cellar).await;
    rig.root.done("REVOKE SELECT ON TABLE d.t FROM ROLE readers").await;
    rig.root.done("SET PASSWORD FOR ann = PASSWORD('changed')").await;
    rig.root.done("DROP USER 'bob'@'10.%'").await;
    let changed = rig.warehouse.catalog().user("ann", "%").cloned();
    restore(&mut rig, "d", "accounts", "ON (ROLE readers, USER 'bob'@'10.%')").await.unwrap();
    assert_eq!(rig.warehouse.catalog().user("ann", "%").cloned(), changed);
    assert!(rig.warehouse.catalog().user("bob", "10.%").is_some());
    assert!(rig.login("ann").rows("SELECT * FROM d.t").await.is_empty());
}

#[tokio::test]
async fn accounts_come_only_when_they_are_named() {
    let cellar = Cellar::new();
    let mut rig = with_accounts(&cellar).await;
    let refused = restore(&mut rig, "d", "accounts", "").await.unwrap_err();
    let message = "Snapshot accounts holds no database: name with ON which users, roles and resource groups are restored";
    assert_eq!(refused, message);
    rig.root.done("BACKUP SNAPSHOT both TO repo ON (t, ALL USERS)").await;
    rig.frontend.jobs().idle().await;
    rig.root.done("SET PASSWORD FOR ann = PASSWORD('changed')").await;
    let changed = rig.warehouse.catalog().user("ann", "%").cloned();
    restore(&mut rig, "d", "both", "").await.unwrap();
    assert_eq!(rig.warehouse.catalog().user("ann", "%").cloned(), changed);
    restore(&mut rig, "e", "both", "DATABASE d AS e ON (t, USER ann)").await.unwrap();
    assert_ne!(rig.warehouse.catalog().user("ann", "%").cloned(), changed);
    assert!(rig.root.rows("SELECT * FROM e.t").await.is_empty());
}

#[tokio::test]
async fn a_role_and_a_resource_group_of_one_name_are_told_apart() {
    let cellar = Cellar::new();
    let mut rig = with_accounts(&cellar).await;
    rig.root.done("CREATE ROLE rg").await;
    rig.root.done("BACKUP SNAPSHOT l TO repo ON (ROLE rg, RESOURCE GROUP rg)").await;
    rig.frontend.jobs().idle().await;
    let refused = restore(&mut rig, "d", "l", "ON (ROLE rg)").await.unwrap_err();
    assert_eq!(refused, "Snapshot l also holds a resource group rg: restore both");
    restore(&mut rig, "d", "l", "ON (ROLE rg, RESOURCE GROUP rg)").await.unwrap();
}

#[tokio::test]
async fn only_who_administers_accounts_backs_them_up_and_only_root_restores_them() {
    let cellar = Cellar::new();
    let mut rig = with_accounts(&cellar).await;
    let at = taken_at(&mut rig, "accounts").await;
    let system = |name| (name, GrantScope::System);
    let backup = |label: &str| format!("BACKUP SNAPSHOT {label} TO repo ON (ALL USERS)");
    let restore = format!(
        "RESTORE SNAPSHOT accounts FROM repo ON (USER ann) PROPERTIES ('backup_timestamp' = '{at}')"
    );
    let mut keeper = rig.user("keeper", &[system("REPOSITORY")]);
    let error = keeper.refusal(&backup("a")).await;
    assert_eq!(error.code, 5203);
    assert!(error.message.contains("GRANT privilege(s) on SYSTEM"), "{error}");
    assert_eq!(keeper.code(&restore).await, 5203);
    let groups = "BACKUP SNAPSHOT b TO repo ON (ALL RESOURCE GROUPS)";
    assert!(keeper.refusal(groups).await.message.contains("CREATE RESOURCE GROUP"));

    let mut guard = rig.user("guard", &[system("GRANT")]);
    assert!(guard.refusal(&backup("a")).await.message.contains("REPOSITORY"));
    let mut both = rig.user("both", &[system("REPOSITORY"), system("GRANT")]);
    both.done(&backup("a")).await;
    rig.frontend.jobs().idle().await;
    // In no database, as the session is.
    let jobs = both.rows("SHOW BACKUP").await;
    assert!(jobs[0].contains("|a||FINISHED|"), "{jobs:?}");
    let message = both.refusal(&restore).await.message;
    assert!(message.contains("Can not restore users and roles, except root"), "{message}");
}
