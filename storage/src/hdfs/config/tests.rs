//! Properties as users write them.

use super::*;

fn read(authority: &str, pairs: &[(&str, &str)]) -> Result<HdfsConfig, HdfsConfigError> {
    HdfsConfig::from_properties(authority, &pairs.iter().copied().collect())
}

fn refusal(authority: &str, pairs: &[(&str, &str)]) -> String {
    read(authority, pairs).unwrap_err().to_string()
}

const HA: [(&str, &str); 5] = [
    ("dfs.nameservices", "ns1"),
    ("dfs.ha.namenodes.ns1", "nn1, nn2"),
    ("dfs.namenode.rpc-address.ns1.nn1", "a:8020"),
    ("dfs.namenode.rpc-address.ns1.nn2", "b:8020"),
    (
        "dfs.client.failover.proxy.provider.ns1",
        "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider",
    ),
];

#[test]
fn simple_authentication_takes_a_user_and_ignores_the_password() {
    for key in ["username", "hadoop.security.username"] {
        let config = read("h:9000", &[(key, "alice"), ("password", "hidden")]).unwrap();
        assert_eq!(config.user.as_deref(), Some("alice"));
        assert!(!format!("{config:?}").contains("hidden"));
    }
}

#[test]
fn a_name_service_needs_name_nodes_and_their_addresses() {
    let config = read("ns1", &HA).unwrap();
    assert_eq!(config.settings["dfs.ha.namenodes.ns1"], "nn1,nn2");
    assert_eq!(
        refusal("ns1", &HA[..1]),
        "load request missed necessary arguments for ha mode: dfs.ha.namenodes.ns1"
    );
    assert_eq!(refusal("ns1", &HA[..3]), "missed dfs.namenode.rpc-address.ns1.nn2 configuration");
}

#[test]
fn a_location_without_a_host_needs_a_default() {
    assert!(refusal("", &[]).contains("fs.defaultFS is missing"));
    for url in ["hdfs://h:9000", "hdfs://h:9000/"] {
        assert_eq!(read("", &[("fs.defaultFS", url)]).unwrap().authority, "h:9000");
    }
    assert_eq!(read("a:1", &[("fs.defaultFS", "hdfs://b:2")]).unwrap().authority, "a:1");
    assert!(refusal("", &[("fs.defaultFS", "s3://b")]).contains("must be hdfs://"));
}

#[test]
fn kerberos_takes_a_keytab_of_either_kind_and_shows_none() {
    let kerberos = ("hadoop.security.authentication", "kerberos");
    let principal = ("kerberos_principal", "cairn/_HOST@REALM");
    let content = ("kerberos_keytab_content", "a2V5IG9mIGNhaXJu");
    let config = read("h", &[kerberos, principal, content]).unwrap();
    let login = config.kerberos.clone().unwrap();
    assert_eq!(std::fs::read(login.keytab.unwrap().path()).unwrap(), b"key of cairn");
    assert!(!login.principal.unwrap().contains("_HOST"));
    assert!(!format!("{config:?}").contains("a2V5"));

    let file = ("hadoop.security.kerberos.keytab_file", "/etc/cairn.keytab");
    let config = read("h", &[kerberos, principal, file]).unwrap();
    assert_eq!(config.kerberos.unwrap().keytab.unwrap().path(), "/etc/cairn.keytab");
    assert!(refusal("h", &[kerberos, file]).contains("principal is required"));
    assert!(refusal("h", &[kerberos, principal, (content.0, "?")]).contains("base64"));
    assert!(refusal("h", &[("hadoop.security.authentication", "none")]).contains("simple or"));
}

#[test]
fn sizes_are_read_as_hadoop_does() {
    for (text, bytes) in
        [("1048576", 1 << 20), ("128m", 128 << 20), ("64K", 64 << 10), ("1g", 1 << 30)]
    {
        assert_eq!(read("h", &[("dfs.blocksize", text)]).unwrap().block_size, Some(bytes));
    }
    for text in ["0", "1000", "-1", "m", "1.5g", "99999999999g"] {
        assert!(refusal("h", &[("dfs.blocksize", text)]).contains("dfs.blocksize"), "{text}");
    }
    assert_eq!(read("h", &[("dfs.replication", "3")]).unwrap().replication, Some(3));
    assert!(refusal("h", &[("dfs.replication", "0")]).contains("from 1 to 512"));
}

#[test]
fn a_misspelled_property_is_named() {
    assert!(
        refusal("h", &[("dfs.replicaton", "3")]).starts_with("unknown property dfs.replicaton")
    );
}

#[test]
fn what_the_user_says_of_the_client_wins() {
    let key = "dfs.client.failover.max.attempts";
    assert_eq!(read("h", &[]).unwrap().client_settings()[key], "3");
    assert_eq!(read("h", &[(key, "7")]).unwrap().client_settings()[key], "7");
}

#[test]
fn a_host_without_a_port_has_the_usual_one_and_a_directory_must_be_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = |config: HdfsConfig| config.client(runtime.handle().clone());
    assert!(client(HdfsConfig::at("h")).is_ok());
    assert!(client(HdfsConfig::at("h:9000")).is_ok());
    assert!(client(read("ns1", &HA).unwrap()).is_ok());
    let empty = tempfile::tempdir().unwrap();
    let mut config = HdfsConfig::at("");
    config.config_dir = Some(empty.path().join("absent"));
    assert!(client(config.clone()).unwrap_err().to_string().contains("IO error"));
    let xml = "<configuration><property><name>fs.defaultFS</name>\
               <value>hdfs://h:9000</value></property></configuration>";
    std::fs::write(empty.path().join("core-site.xml"), xml).unwrap();
    config.config_dir = Some(empty.path().to_owned());
    assert!(client(config).is_ok());
}
