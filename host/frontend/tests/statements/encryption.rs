//! Encrypted repositories: the passphrase is a property, kept as other secrets are.

use std::path::Path;

use crate::rig::Rig;

fn create(rig: &Rig, name: &str, properties: &str) -> String {
    let location = rig.files().display().to_string();
    format!(
        r#"CREATE REPOSITORY {name} WITH BROKER ON LOCATION "file://{location}" PROPERTIES ({properties})"#
    )
}

fn has(directory: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => has(&path, text),
            false => std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text),
        }
    })
}

#[tokio::test]
async fn a_backup_into_one_is_restored_and_shows_nothing() {
    let mut rig = Rig::new().await;
    rig.root.done("CREATE TABLE unmistakable (k INT, v INT)").await;
    rig.root.done("INSERT INTO unmistakable VALUES (1, 1), (11, 2)").await;
    let sql = create(&rig, "vault", r#""encryption.passphrase" = "four random words""#);
    rig.root.done(&sql).await;
    rig.root.done("BACKUP SNAPSHOT d.s TO vault").await;
    rig.frontend.jobs().idle().await;
    let listed = rig.root.rows("SHOW SNAPSHOT ON vault").await;
    assert_eq!(listed.len(), 1);
    let time = listed[0].split('|').nth(1).unwrap().to_owned();
    rig.root.done("DROP TABLE unmistakable").await;
    let restore =
        format!(r#"RESTORE SNAPSHOT d.s FROM vault PROPERTIES ("backup_timestamp" = "{time}")"#);
    rig.root.done(&restore).await;
    rig.frontend.jobs().idle().await;
    assert_eq!(rig.root.rows("SELECT count(*) FROM unmistakable").await, ["2"]);
    assert!(!has(&rig.files(), b"unmistakable"), "a name lies in clear");
    let shown = rig.root.rows("SHOW REPOSITORIES").await.join("\n");
    assert!(!shown.contains("random words"), "{shown}");
}

#[tokio::test]
async fn a_passphrase_that_does_not_fit_is_refused() {
    let mut rig = Rig::new().await;
    let with = |rig: &Rig, properties: &str| create(rig, "vault", properties);
    let sql = with(&rig, r#""encryption.passphrase" = "four random words""#);
    rig.root.done(&sql).await;
    rig.root.done("DROP REPOSITORY vault").await;
    for (properties, text) in [
        (r#""encryption.passphrase" = "three random words""#, "does not open with this passphrase"),
        (r#""encryption.key_command" = "id""#, "unknown property encryption.key_command"),
        (
            r#""encryption.passphrse" = "four random words""#,
            "unknown property encryption.passphrse",
        ),
    ] {
        let sql = with(&rig, properties);
        let refused = rig.root.refusal(&sql).await.message;
        assert!(refused.contains(text), "{refused}");
        assert!(!refused.contains("random words"), "{refused}");
    }
    let sql = with(&rig, r#""encryption.passphrase" = "four random words""#);
    rig.root.done(&sql).await;
    let location = rig.files().display().to_string();
    rig.root.done("DROP REPOSITORY vault").await;
    let keyless = format!(r#"CREATE REPOSITORY vault WITH BROKER ON LOCATION "file://{location}""#);
    let refused = rig.root.refusal(&keyless).await.message;
    assert!(refused.contains("is encrypted"), "{refused}");
}
