//! The statements of the user's guide of BACKUP and RESTORE, as printed there.

use cairn_sql::statement::{
    Backup, CreateRepository, JobObject, QualifiedName, Restore, SnapshotFilter, Statement,
};
use cairn_sql::{mask, parse_one, parse_script};

const HDFS: &str = r#"CREATE REPOSITORY test_repo
WITH BROKER
ON LOCATION "hdfs://<hdfs_host>:<hdfs_port>/repo_dir/backup"
PROPERTIES(
    "username" = "<hdfs_username>",
    "password" = "<hdfs_password>"
);"#;

const S3_KEYS: &str = r#"  CREATE REPOSITORY test_repo
  WITH BROKER
  ON LOCATION "s3a://bucket_s3/backup"
  PROPERTIES(
      "aws.s3.access_key" = "XXXXXXXXXXXXXXXXX",
      "aws.s3.secret_key" = "yyyyyyyyyyyyyyyyyyyyyyyy",
      "aws.s3.endpoint" = "s3.us-east-1.amazonaws.com"
  );"#;

const S3_INSTANCE: &str = r#"  CREATE REPOSITORY test_repo
  WITH BROKER
  ON LOCATION "s3a://bucket_s3/backup"
  PROPERTIES(
      "aws.s3.use_instance_profile" = "true",
      "aws.s3.region" = "us-east-1"
  );"#;

const S3_ROLE: &str = r#"  CREATE REPOSITORY test_repo
  WITH BROKER
  ON LOCATION "s3a://bucket_s3/backup"
  PROPERTIES(
      "aws.s3.use_instance_profile" = "true",
      "aws.s3.iam_role_arn" = "arn:aws:iam::xxxxxxxxxx:role/yyyyyyyy",
      "aws.s3.region" = "us-east-1"
  );"#;

const GCS: &str = r#"CREATE REPOSITORY test_repo
WITH BROKER
ON LOCATION "s3a://bucket_gcs/backup"
PROPERTIES(
    "fs.s3a.access.key" = "xxxxxxxxxxxxxxxxxxxx",
    "fs.s3a.secret.key" = "yyyyyyyyyyyyyyyyyyyy",
    "fs.s3a.endpoint" = "storage.googleapis.com"
);"#;

const BACKUP: &str = "BACKUP SNAPSHOT sr_hub.sr_member_backup
TO test_repo
ON (sr_member);";

const SHOW_SNAPSHOT: &str = "SHOW SNAPSHOT ON test_repo;";

const RESTORE: &str = r#"RESTORE SNAPSHOT sr_hub.sr_member_backup
FROM test_repo
ON (sr_member)
PROPERTIES (
    "backup_timestamp"="2023-02-07-14-45-53-143",
    "replication_num" = "1"
);"#;

fn sr_member() -> JobObject {
    JobObject::One {
        kind: None,
        name: QualifiedName { database: None, name: "sr_member".into() },
        partitions: vec![],
        temporary: false,
        alias: None,
    }
}

#[test]
fn repositories() {
    for (text, location, properties) in [
        (
            HDFS,
            "hdfs://<hdfs_host>:<hdfs_port>/repo_dir/backup",
            &[("username", "<hdfs_username>"), ("password", "<hdfs_password>")][..],
        ),
        (
            S3_KEYS,
            "s3a://bucket_s3/backup",
            &[
                ("aws.s3.access_key", "XXXXXXXXXXXXXXXXX"),
                ("aws.s3.secret_key", "yyyyyyyyyyyyyyyyyyyyyyyy"),
                ("aws.s3.endpoint", "s3.us-east-1.amazonaws.com"),
            ],
        ),
        (
            S3_INSTANCE,
            "s3a://bucket_s3/backup",
            &[("aws.s3.use_instance_profile", "true"), ("aws.s3.region", "us-east-1")],
        ),
        (
            S3_ROLE,
            "s3a://bucket_s3/backup",
            &[
                ("aws.s3.use_instance_profile", "true"),
                ("aws.s3.iam_role_arn", "arn:aws:iam::xxxxxxxxxx:role/yyyyyyyy"),
                ("aws.s3.region", "us-east-1"),
            ],
        ),
        (
            GCS,
            "s3a://bucket_gcs/backup",
            &[
                ("fs.s3a.access.key", "xxxxxxxxxxxxxxxxxxxx"),
                ("fs.s3a.secret.key", "yyyyyyyyyyyyyyyyyyyy"),
                ("fs.s3a.endpoint", "storage.googleapis.com"),
            ],
        ),
    ] {
        let properties =
            properties.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let expected = CreateRepository {
            name: "test_repo".into(),
            read_only: false,
            broker: None,
            location: location.into(),
            properties,
        };
        assert_eq!(parse_one(text).unwrap(), Statement::CreateRepository(expected));
    }
}

#[test]
fn backup_and_restore() {
    assert_eq!(
        parse_one(BACKUP).unwrap(),
        Statement::Backup(Backup {
            database: Some("sr_hub".into()),
            label: "sr_member_backup".into(),
            repository: "test_repo".into(),
            objects: vec![sr_member()],
            properties: vec![],
        })
    );
    assert_eq!(
        parse_one(SHOW_SNAPSHOT).unwrap(),
        Statement::ShowSnapshot {
            repository: "test_repo".into(),
            filter: SnapshotFilter::default()
        }
    );
    assert_eq!(
        parse_one(RESTORE).unwrap(),
        Statement::Restore(Restore {
            target: Some("sr_hub".into()),
            database: None,
            database_alias: None,
            label: "sr_member_backup".into(),
            repository: "test_repo".into(),
            objects: vec![sr_member()],
            properties: vec![
                ("backup_timestamp".into(), "2023-02-07-14-45-53-143".into()),
                ("replication_num".into(), "1".into()),
            ],
        })
    );
}

#[test]
fn all_of_them_are_one_script() {
    let blocks = [HDFS, S3_KEYS, S3_INSTANCE, S3_ROLE, GCS, BACKUP, SHOW_SNAPSHOT, RESTORE];
    let script = parse_script(&blocks.join("\n\n")).unwrap();
    assert_eq!(script.len(), blocks.len());
    for ((text, _), block) in script.iter().zip(blocks) {
        assert_eq!(text, block.trim().trim_end_matches(';'));
    }
}

#[test]
fn their_secrets_are_masked_and_nothing_else_is() {
    for text in [S3_INSTANCE, S3_ROLE, BACKUP, SHOW_SNAPSHOT, RESTORE] {
        assert_eq!(mask(text), text);
    }
    for (text, secrets) in [
        (HDFS, &["<hdfs_password>"][..]),
        (S3_KEYS, &["XXXXXXXXXXXXXXXXX", "yyyyyyyyyyyyyyyyyyyyyyyy"]),
        (GCS, &["xxxxxxxxxxxxxxxxxxxx", "yyyyyyyyyyyyyyyyyyyy"]),
    ] {
        let expected =
            secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        assert_eq!(mask(text), expected);
    }
}
