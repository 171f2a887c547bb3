//! Repositories in a bucket, on the S3 server of the test kit.

use cairn_testkit::S3Server;
use tokio::runtime::Runtime;

use crate::expect::Expect;
use crate::place::Place;

const ACCESS_KEY: &str = "AKTEST";
const SECRET_KEY: &str = "hidden-secret-key";
const REPO: &str = "s3a://bucket/my/backups";

/// A server that runs beside the test, and a place to call the program from.
struct Cloud {
    place: Place,
    server: S3Server,
    _runtime: Runtime,
}

impl Cloud {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server =
            runtime.block_on(S3Server::start(ACCESS_KEY, SECRET_KEY, &["bucket"])).unwrap();
        let place = Place::new();
        let config = format!(
            "[properties]\n\"aws.s3.endpoint\" = \"{}\"\naws.s3.access_key = \"{ACCESS_KEY}\"\n\
             aws.s3.secret_key = \"{SECRET_KEY}\"\n",
            server.endpoint(),
        );
        place.write("cairn.toml", config.as_bytes());
        Self { place, server, _runtime: runtime }
    }

    fn cairn(&self, arguments: &[&str]) -> Expect {
        self.place.cairn(arguments).env("CAIRN_CONFIG", "cairn.toml")
    }
}

#[test]
fn a_backup_goes_there_and_comes_back() {
    let cloud = Cloud::new();
    let place = &cloud.place;
    place.back_up("local");
    let first = cloud.cairn(&["backup", "--repo", REPO, "--label", "one", "wh"]).json();
    let second = cloud.cairn(&["backup", "--repo", REPO, "--label", "two", "wh"]).json();
    assert_eq!((&first["verb"], &second["verb"]), (&"backup".into(), &"backup".into()));
    let listed = cloud.cairn(&["snapshots", "--repo", REPO]).run();
    assert!(listed.contains("one") && listed.contains("two"), "{listed}");
    cloud.cairn(&["check", "--repo", REPO, "--read-data"]).run();
    cloud.cairn(&["restore", "--repo", REPO, "--latest", "out"]).run();
    assert_eq!(place.tree("out/shop"), place.tree("wh/shop"));
    assert_eq!(cloud.server.num_uploads(), 0);
    cloud.cairn(&["forget", "--repo", REPO, "one"]).run();
    let listed = cloud.cairn(&["snapshots", "--repo", REPO]).json();
    assert_eq!(listed["snapshots"].as_array().map(Vec::len), Some(1));
    cloud.cairn(&["check", "--repo", REPO, "--read-data"]).run();
    cloud.cairn(&["backup", "--repo", REPO, "--label", "one", "wh"]).run();
}

#[test]
fn a_repository_is_copied_there_and_back() {
    let cloud = Cloud::new();
    let place = &cloud.place;
    place.back_up("one");
    cloud.cairn(&["repo", "copy", "--from", "repo", "--to", "s3://bucket"]).run();
    cloud.cairn(&["repo", "copy", "--from", "s3://bucket", "--to", "copy"]).run();
    assert_eq!(place.tree("copy"), place.tree("repo"));
}

#[test]
fn the_storage_is_validated() {
    let cloud = Cloud::new();
    let report = cloud.cairn(&["storage", "validate", REPO]).run();
    assert!(report.contains("0 skipped, 0 failed"), "{report}");
}

#[test]
fn the_environment_and_properties_will_do() {
    let cloud = Cloud::new();
    let endpoint = format!("fs.s3a.endpoint={}", cloud.server.endpoint());
    let create = ["repo", "create", "--repo", REPO, "--property", &endpoint];
    let keys = |secret| {
        let command = cloud.place.cairn(&create).env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
        command.env("AWS_SECRET_ACCESS_KEY", secret)
    };
    keys("wrong")
        .status(4)
        .stderr("...\n[..]the secret key is not that of the access key[..]\n...\n")
        .run();
    keys(SECRET_KEY).run();
}

#[cfg(feature = "sql")]
#[test]
fn the_quickstart_goes_there_and_its_proposals_work() {
    let cloud = Cloud::new();
    let cairn = |words: &[&str]| {
        let command = cloud.place.cairn(words).env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
        command.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    };
    let endpoint = format!("aws.s3.endpoint={}", cloud.server.endpoint());
    let words = ["quickstart", "--scale", "0.001", "--dir", "q", "--repo", REPO, "--property"];
    let stdout = cairn(&[&words[..], &[&endpoint]].concat()).run();
    assert!(stdout.contains("nothing was lost: "), "{stdout}");
    assert!(!cloud.place.path("q/repository").try_exists().unwrap());
    let (_, next) = stdout.split_once("Try next\n").unwrap();
    let check = next.lines().find(|line| line.contains(" check ")).unwrap();
    cairn(&check.split_whitespace().skip(1).collect::<Vec<_>>()).run();
}

#[test]
fn secrets_are_refused_where_everybody_sees_them() {
    let place = Place::new();
    let said = format!("aws.s3.secret_key={SECRET_KEY}");
    let document =
        place.cairn(&["snapshots", "--repo", REPO, "--property", &said]).status(2).json();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("aws.s3.secret_key is a secret"), "{message}");
    assert!(!document.to_string().contains(SECRET_KEY), "{document}");
    let misplaced = format!("s3://{ACCESS_KEY}:{SECRET_KEY}@bucket");
    let document = place.cairn(&["snapshots", "--repo", &misplaced]).status(2).json();
    assert!(!document.to_string().contains(SECRET_KEY), "{document}");
}
