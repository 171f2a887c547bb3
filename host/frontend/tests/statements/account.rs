//! Users, roles and grants: who may change them, and what they are worth.

use cairn_frontend::mysql::Proofs;
use cairn_warehouse::catalog::model::GrantScope;

use crate::rig::{Client, Rig};

/// A user with a role, in no database.
async fn with_role(rig: &mut Rig, name: &str, role: &str) -> Client {
    rig.root.done(&format!("CREATE USER {name} IDENTIFIED BY 'secret'")).await;
    rig.root.done(&format!("GRANT {role} TO {name}")).await;
    rig.login(name)
}

fn native_hash(rig: &Rig, user: &str) -> String {
    let catalog = rig.warehouse.catalog();
    catalog.user(user, "%").unwrap().proofs.native.clone()
}

#[tokio::test]
async fn users_are_made_changed_and_dropped() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE USER jack IDENTIFIED BY 'secret'").await;
    let error = rig.root.refusal("CREATE USER jack").await;
    assert!(error.message.contains("user already exists"), "{error}");
    rig.root.done("CREATE USER IF NOT EXISTS jack IDENTIFIED BY 'other'").await;
    let of_password = Proofs::of_password("secret").to_hex().0;
    assert_eq!(native_hash(&rig, "jack"), of_password, "what is there is left as it is");
    rig.root.done("ALTER USER jack IDENTIFIED BY 'new'").await;
    assert_ne!(native_hash(&rig, "jack"), of_password);
    let hash = format!("*{}", of_password.to_uppercase());
    rig.root.done(&format!("SET PASSWORD FOR jack = '{hash}'")).await;
    assert_eq!(native_hash(&rig, "jack"), of_password);
    assert_eq!(rig.root.rows("SHOW USERS").await, ["'jack'@'%'", "'root'@'%'"]);
    rig.root.done("CREATE USER 'jack'@'10.1.%'").await;
    rig.root.done("DROP USER jack").await;
    assert_eq!(rig.root.rows("SHOW ALL AUTHENTICATION").await, ["'jack'@'10.1.%'", "'root'@'%'"]);
    for sql in ["DROP USER jack", "ALTER USER jack IDENTIFIED BY 'x'", "SHOW GRANTS FOR jack"] {
        let error = rig.root.refusal(sql).await;
        assert!(error.message.contains("cannot find user 'jack'@'%'"), "{sql}: {error}");
    }
    rig.root.done("DROP USER IF EXISTS jack").await;
    assert_eq!(rig.root.code("CREATE USER `a b`").await, 1064);
    assert_eq!(rig.root.code("CREATE USER x IDENTIFIED BY PASSWORD 'plain'").await, 1064);
}

#[tokio::test]
async fn root_stays_what_it_is() {
    let mut rig = Rig::new().await;
    let mut admin = with_role(&mut rig, "admin", "user_admin").await;
    for sql in [
        "DROP USER root",
        "REVOKE root FROM root",
        "DROP ROLE user_admin",
        "CREATE ROLE db_admin",
        "GRANT SELECT ON TABLE d.* TO ROLE db_admin",
        "REVOKE GRANT ON SYSTEM FROM ROLE user_admin",
        "GRANT NODE ON SYSTEM TO USER admin",
    ] {
        assert_eq!(rig.root.code(sql).await, 1064, "{sql}");
    }
    rig.root.done("CREATE USER boss").await;
    rig.root.done("GRANT root TO boss").await;
    for sql in [
        "GRANT root TO admin",
        "REVOKE root FROM boss",
        "GRANT ADMIN_PRIV ON *.* TO admin",
        "SET PASSWORD FOR root = PASSWORD('x')",
        "ALTER USER boss IDENTIFIED BY 'x'",
        "DROP USER boss",
    ] {
        let error = admin.refusal(sql).await;
        assert!(error.message.contains("except root"), "{sql}: {error}");
    }
    assert_eq!(rig.root.rows("SHOW GRANTS").await, ["'root'@'%'|NULL|GRANT 'root' TO 'root'@'%'"]);
}

/// A role that includes root, however far away, is worth what root is.
#[tokio::test]
async fn what_includes_root_is_given_changed_and_taken_by_root_alone() {
    let mut rig = Rig::new().await;
    let mut admin = with_role(&mut rig, "admin", "user_admin").await;
    for sql in [
        "CREATE ROLE dba",
        "CREATE ROLE chief",
        "CREATE ROLE helper",
        "GRANT root TO ROLE dba",
        "GRANT dba TO ROLE chief",
        "CREATE USER boss",
        "GRANT chief TO boss",
        "GRANT helper TO boss",
        "CREATE USER jack",
    ] {
        rig.root.done(sql).await;
    }
    for sql in [
        "GRANT dba TO USER admin",
        "GRANT chief TO USER admin",
        "GRANT chief TO ROLE helper",
        "REVOKE chief FROM boss",
        "REVOKE helper FROM boss",
        "REVOKE root FROM ROLE dba",
        "REVOKE dba FROM ROLE chief",
        "GRANT helper TO ROLE chief",
        "GRANT SELECT ON TABLE d.* TO ROLE dba",
        "REVOKE SELECT ON TABLE d.* FROM boss",
        "DROP ROLE dba",
        "DROP ROLE chief",
        "DROP USER boss",
        "SET PASSWORD FOR boss = PASSWORD('owned')",
    ] {
        let error = admin.refusal(sql).await;
        assert!(error.message.contains("except root"), "{sql}: {error}");
    }
    let mut boss = rig.login("boss");
    boss.done("SET PASSWORD FOR root = PASSWORD('x')").await;
    admin.done("GRANT helper TO jack").await;
    admin.done("DROP ROLE helper").await;
    rig.root.done("REVOKE root FROM ROLE dba").await;
    admin.done("GRANT dba TO USER jack").await;
}

#[tokio::test]
async fn the_administrator_of_users_gives_what_it_does_not_have() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    let mut admin = with_role(&mut rig, "admin", "user_admin").await;
    admin.done("CREATE USER jack").await;
    let mut jack = rig.login("jack");
    assert_eq!(jack.code("SELECT * FROM d.t").await, 5203);
    assert_eq!(admin.code("SELECT * FROM d.t").await, 5203);
    admin.done("GRANT SELECT, INSERT ON TABLE d.t TO jack").await;
    jack.done("INSERT INTO d.t VALUES (1)").await;
    assert_eq!(jack.rows("SELECT * FROM d.t").await, ["1"]);
    admin.done("REVOKE INSERT ON d.t FROM USER jack").await;
    assert_eq!(jack.code("INSERT INTO d.t VALUES (1)").await, 5203);
    admin.done("DROP USER jack").await;
    assert_eq!(jack.code("SELECT * FROM d.t").await, 5203, "the account is gone");
    assert!(jack.refusal("SHOW GRANTS").await.message.contains("cannot find user"));
}

#[tokio::test]
async fn everybody_may_change_the_own_password_and_nothing_else() {
    let rig = Rig::new().await;
    let mut jack = rig.user("jack", &[("ALL", GrantScope::System)]);
    jack.done("SET PASSWORD = PASSWORD('mine')").await;
    jack.done("ALTER USER jack IDENTIFIED BY 'better'").await;
    assert_eq!(native_hash(&rig, "jack"), Proofs::of_password("better").to_hex().0);
    for sql in [
        "SET PASSWORD FOR root = PASSWORD('x')",
        "CREATE USER x",
        "DROP USER jack",
        "CREATE ROLE r",
        "DROP ROLE IF EXISTS r",
        "GRANT SELECT ON TABLE d.* TO jack",
        "REVOKE ALL ON SYSTEM FROM jack",
        "GRANT user_admin TO jack",
        "SHOW GRANTS FOR root",
        "SHOW GRANTS FOR ROLE db_admin",
    ] {
        let error = jack.refusal(sql).await;
        assert_eq!(error.code, 5203, "{sql}: {error}");
    }
    assert_eq!(
        jack.rows("SHOW GRANTS").await,
        ["'jack'@'%'|NULL|GRANT ALL ON SYSTEM TO USER 'jack'@'%'"]
    );
    assert_eq!(
        jack.rows("SHOW AUTHENTICATION").await,
        ["'jack'@'%'|Yes|MYSQL_NATIVE_PASSWORD|NULL"]
    );
}

#[tokio::test]
async fn roles_bring_what_they_hold() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    for sql in [
        "CREATE ROLE reader",
        "CREATE ROLE keeper",
        "GRANT SELECT ON TABLE d.t TO ROLE reader",
        "GRANT REPOSITORY ON SYSTEM TO ROLE keeper",
        "GRANT reader TO ROLE keeper",
        "CREATE USER jack",
        "GRANT keeper TO USER jack",
    ] {
        rig.root.done(sql).await;
    }
    let mut jack = rig.login("jack");
    assert!(jack.rows("SHOW REPOSITORIES").await.is_empty());
    assert!(jack.rows("SELECT * FROM d.t").await.is_empty());
    assert_eq!(jack.rows("SHOW GRANTS").await, ["'jack'@'%'|NULL|GRANT 'keeper' TO 'jack'@'%'"]);
    assert_eq!(
        jack.rows("SHOW GRANTS FOR ROLE reader").await,
        ["reader|default|GRANT SELECT ON TABLE `d`.`t` TO ROLE 'reader'"],
        "a role that comes with another is one's own"
    );
    let error = rig.root.refusal("GRANT keeper TO ROLE reader").await;
    assert!(error.message.contains("includes reader"), "{error}");
    assert_eq!(rig.root.code("CREATE ROLE keeper").await, 1064);
    rig.root.done("CREATE ROLE IF NOT EXISTS keeper").await;
    let roles = rig.root.rows("SHOW ROLES").await;
    assert!(roles.contains(&"user_admin|true|".to_owned()), "{roles:?}");
    assert!(roles.contains(&"keeper|false|".to_owned()), "{roles:?}");
    rig.root.done("DROP ROLE reader").await;
    assert_eq!(jack.code("SELECT * FROM d.t").await, 5203);
    assert_eq!(rig.root.code("GRANT reader TO jack").await, 1064);
    assert_eq!(rig.root.code("DROP ROLE reader").await, 1064);
    rig.root.done("DROP ROLE IF EXISTS reader").await;
    rig.root.done("REVOKE keeper FROM jack").await;
    assert_eq!(jack.code("SHOW REPOSITORIES").await, 5203);
}

#[tokio::test]
async fn everybody_gets_what_public_gets() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE t (k INT)").await;
    let mut jack = rig.user("jack", &[]);
    assert_eq!(jack.rows("SHOW DATABASES").await, ["information_schema"]);
    rig.root.done("GRANT SELECT ON ALL TABLES IN DATABASE d TO ROLE public").await;
    assert_eq!(jack.rows("SHOW DATABASES").await, ["d", "information_schema"]);
    assert!(jack.rows("SELECT * FROM d.t").await.is_empty());
}

#[tokio::test]
async fn what_is_granted_must_be_there() {
    let mut rig = Rig::new().await;
    for sql in ["CREATE TABLE t (k INT)", "CREATE VIEW v AS SELECT * FROM t", "CREATE USER jack"] {
        rig.root.done(sql).await;
    }
    for (sql, code) in [
        ("GRANT SELECT ON TABLE d.nothing TO jack", 5502),
        ("GRANT SELECT ON TABLE d.v TO jack", 5502),
        ("GRANT SELECT ON VIEW d.t TO jack", 5502),
        ("GRANT REFRESH ON MATERIALIZED VIEW d.t TO jack", 5502),
        ("GRANT DROP ON DATABASE nowhere TO jack", 1049),
        ("GRANT SELECT ON ALL TABLES IN DATABASE nowhere TO jack", 1049),
        ("GRANT EXPORT ON VIEW d.v TO jack", 1064),
        ("GRANT REPOSITORY ON DATABASE d TO jack", 1064),
        ("GRANT SELECT ON TABLE t TO nobody", 1064),
        ("GRANT SELECT ON TABLE t TO ROLE nobody", 1064),
    ] {
        assert_eq!(rig.root.code(sql).await, code, "{sql}");
    }
    let error = rig.root.refusal("GRANT FLY ON SYSTEM TO jack").await;
    assert!(error.message.contains("there are BLACKLIST,"), "{error}");
    // A name without a database is of the session's.
    rig.root.done("GRANT SELECT ON TABLE t TO jack").await;
    rig.root.done("DROP TABLE t FORCE").await;
    rig.root.done("REVOKE SELECT ON TABLE d.t FROM jack").await;
    assert!(rig.root.rows("SHOW GRANTS FOR jack").await.is_empty());
}

#[tokio::test]
async fn grants_that_are_shown_can_be_typed_again() {
    let mut rig = Rig::new().await;
    for sql in [
        "CREATE TABLE `or der` (k INT)",
        "CREATE USER jack",
        "CREATE ROLE r",
        "GRANT r TO jack",
        "GRANT REPOSITORY, OPERATE ON SYSTEM TO jack",
        "GRANT CREATE DATABASE ON CATALOG default_catalog TO jack",
        "GRANT ALL ON ALL DATABASES TO jack",
        "GRANT SELECT, EXPORT ON `or der` TO jack",
        "GRANT INSERT ON ALL TABLES IN DATABASE d TO jack",
        "GRANT SELECT ON ALL VIEWS IN ALL DATABASES TO jack",
    ] {
        rig.root.done(sql).await;
    }
    let shown = rig.root.rows("SHOW GRANTS FOR jack").await;
    assert_eq!(shown.len(), 7, "{shown:?}");
    rig.root.done("DROP USER jack").await;
    rig.root.done("CREATE USER jack").await;
    for row in &shown {
        rig.root.done(row.rsplit('|').next().unwrap()).await;
    }
    assert_eq!(rig.root.rows("SHOW GRANTS FOR jack").await, shown);
}
