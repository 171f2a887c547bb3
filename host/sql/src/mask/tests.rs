use super::*;

#[track_caller]
fn masks(text: &str, masked: &str) {
    assert_eq!(mask(text), masked);
}

#[test]
fn properties_that_name_a_secret() {
    masks(
        r#"PROPERTIES ("aws.s3.access_key" = "AK", "aws.s3.secret_key"="SK", "aws.s3.endpoint" = "e")"#,
        r#"PROPERTIES ("aws.s3.access_key" = "***", "aws.s3.secret_key"="***", "aws.s3.endpoint" = "e")"#,
    );
    for key in [
        "password",
        "fs.s3a.access.key",
        "fs.s3a.secret.key",
        "AWS.S3.SESSION_TOKEN",
        "fs.s3a.session.token",
        "fs.oss.accessKeyId",
        "fs.oss.accessKeySecret",
        "azure.blob.shared_key",
        "fs.azure.account.key.x.blob.core.windows.net",
        "azure.adls2.oauth2_client_secret",
        "gcp.gcs.service_account_private_key",
        "kerberos_keytab_content",
        "repository.encryption.key",
        "encryption.passphrase",
        "hive.metastore.credentials",
    ] {
        masks(&format!("('{key}' = 'x', 'a' = 'b')"), &format!("('{key}' = '***', 'a' = 'b')"));
    }
    for key in ["username", "aws.s3.region", "key", "type", "replication_num", "backup_timestamp"] {
        masks(&format!("('{key}' = 'x')"), &format!("('{key}' = 'x')"));
    }
}

#[test]
fn keys_in_a_url() {
    masks("ON LOCATION 's3://key:a/b+c@bucket/x'", "ON LOCATION 's3://***@bucket/x'");
    masks("\"hdfs://user:pw@host:1/x\"", "\"hdfs://***@host:1/x\"");
    for fine in ["'s3://bucket/x@y'", "'hdfs://host:9000/x'", "'a:b@c'", "'file:///x'"] {
        masks(fine, fine);
    }
}

#[test]
fn accounts() {
    masks(
        "CREATE USER 'jack'@'%' IDENTIFIED BY 'pw'",
        "CREATE USER 'jack'@'%' IDENTIFIED BY '***'",
    );
    masks(
        "ALTER USER jack identified by password '*AB'",
        "ALTER USER jack identified by password '***'",
    );
    masks(
        "CREATE USER j IDENTIFIED WITH mysql_native_password AS '*AB' DEFAULT ROLE 'r'",
        "CREATE USER j IDENTIFIED WITH mysql_native_password AS '***' DEFAULT ROLE 'r'",
    );
    masks("... IDENTIFIED WITH 'plugin' BY \"pw\"", "... IDENTIFIED WITH 'plugin' BY \"***\"");
    masks("SET PASSWORD = PASSWORD('pw')", "SET PASSWORD = PASSWORD('***')");
    masks("SET PASSWORD = '*AB'", "SET PASSWORD = '***'");
    masks(
        "set password for 'jack'@'%' = password ( \"pw\" ); USE d",
        "set password for 'jack'@'%' = password ( \"***\" ); USE d",
    );
    masks("SET PASSWORD FOR jack@'10.%' '*AB'", "SET PASSWORD FOR jack@'10.%' '***'");
}

#[test]
fn statements_that_do_not_parse() {
    masks("CREATE USER j IDENTIFIED BY hunter2! x", "CREATE USER j IDENTIFIED BY *** x");
    masks("(\"password\" = hunter2-3, 'a' = 'b'", "(\"password\" = ***, 'a' = 'b'");
    masks("(\"password\" \"pw\")", "(\"password\" \"***\")");
    masks("\"secret_key\" = \"pw", "\"secret_key\" = \"***");
    masks("IDENTIFIED BY 'it''s \\' long' x", "IDENTIFIED BY '***' x");
    masks("x IDENTIFIED BY", "x IDENTIFIED BY");
    masks(
        "IDENTIFIED BY -- comment\n 'pw'",
        "IDENTIFIED BY -- comment\n 'pw'".replace("pw", "***").as_str(),
    );
}

#[test]
fn what_was_commented_out() {
    masks(
        "-- don't say \"aws.s3.secret_key\" = \"sk\"\n(\"password\" = 'pw') /* IDENTIFIED BY'x' */",
        "-- don't say \"aws.s3.secret_key\" = \"***\"\n(\"password\" = '***') /* IDENTIFIED BY*** */",
    );
    masks("# \"password\" = \"pw\"\n", "# \"password\" = \"***\"\n");
    masks("/*!40101 SET PASSWORD = 'pw' */", "/*!40101 SET PASSWORD = '***' */");
}

#[test]
fn words_that_only_look_like_secrets() {
    let text = "CREATE TABLE t (token INT, k INT) PRIMARY KEY (k)";
    assert!(matches!(mask(text), Cow::Borrowed(_)));
    masks("SELECT token, 'a' FROM t WHERE id = 'b'", "SELECT token, 'a' FROM t WHERE id = 'b'");
    masks("WHERE token = 'a' AND b = 'c'", "WHERE token = '***' AND b = 'c'");
    masks("SHOW VARIABLES LIKE '%password%'", "SHOW VARIABLES LIKE '%password%'");
}

#[test]
fn a_masked_text_is_masked_no_further() {
    let once = mask("SET PASSWORD = PASSWORD('pw'); ('token' = bare)").into_owned();
    assert_eq!(mask(&once), once);
}
