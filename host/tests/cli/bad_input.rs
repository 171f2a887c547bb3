//! Input that makes no sense: a clear message, a meaningful status, and no trace.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;

use crate::place::{CAIRN, Place};

/// An id that owns nothing: for root, permissions are no obstacle.
const NOBODY: u32 = 65534;

#[test]
fn no_such_warehouse() {
    let place = Place::new();
    place
        .cairn(&["backup", "--repo", "repo", "nowhere"])
        .status(2)
        .stdout("")
        .stderr(
            "\
error: nowhere: cannot open the warehouse directory
  caused by: No such file or directory (os error 2) (CAIRN-T001)
",
        )
        .run();
    assert!(!place.has("repo"), "a repository was made for nothing");
}

#[test]
fn no_such_repository() {
    let place = Place::new();
    for verb in [&["snapshots"][..], &["check"], &["restore", "--latest", "out"]] {
        place
            .cairn(&[verb, &["--repo", "nowhere"]].concat())
            .status(2)
            .stdout("")
            .stderr(
                "\
error: cannot open the repository nowhere
  caused by: open of \"[..]/nowhere\" on local failed: no such object
  caused by: could not open the root directory
  caused by: No such file or directory (os error 2) (CAIRN-S001)
",
            )
            .run();
    }
    assert!(!place.has("out"), "a target was made for nothing");
}

#[test]
fn no_repository_named() {
    let place = Place::new();
    place
        .cairn(&["snapshots"])
        .status(2)
        .stdout("")
        .stderr("error: which repository? give --repo <location> or set CAIRN_REPO\n")
        .run();
}

#[test]
fn something_else_is_not_made_a_repository() {
    let place = Place::new();
    let before = place.tree("wh");
    place.write("home/letter.txt", b"dear");
    place
        .cairn(&["backup", "--repo", "home", "wh"])
        .status(2)
        .stdout("")
        .stderr(
            "\
error: cannot make a repository at home
  caused by: home holds something else than a repository
",
        )
        .run();
    place.cairn(&["repo", "create", "--repo", "home"]).status(2).run();
    place.cairn(&["snapshots", "--repo", "home"]).status(2).run();
    assert!(!place.has("home/cairn.json"));
    assert_eq!(place.tree("wh"), before);
}

#[test]
fn a_file_is_no_repository() {
    let place = Place::new();
    place.write("file", b"content");
    place.cairn(&["backup", "--repo", "file", "wh"]).status(2).stdout("").run();
    assert_eq!(fs::read(place.path("file")).unwrap(), b"content");
}

#[test]
fn a_repository_does_not_lie_in_what_it_backs_up() {
    let place = Place::new();
    place
        .cairn(&["backup", "--repo", "wh/a/backup", "wh"])
        .status(2)
        .stdout("")
        .stderr("error: the repository wh/a/backup would lie inside the warehouse [..]/wh\n")
        .run();
    assert!(!place.has("wh/a"));
}

#[test]
fn a_storage_that_is_not_supported() {
    let place = Place::new();
    place
        .cairn(&["snapshots", "--repo", "gopher://key:secret@host/path"])
        .status(2)
        .stderr(
            "\
error: cannot open the repository gopher://***@host/path
  caused by: open of \"gopher://***@host/path\" on storage failed: not supported here
  caused by: scheme \"gopher\" is not supported; supported are [..] (CAIRN-S005)
",
        )
        .run();
}

#[test]
fn labels_that_are_none() {
    let place = Place::new();
    let long = "x".repeat(129);
    for label in ["", "a/b", "a b", "..", ".a", "a\\b", "ä", "a\nb", &long] {
        place
            .cairn(&["backup", "--repo", "repo", "--label", label, "wh"])
            .status(2)
            .stdout("")
            .run();
    }
    assert!(!place.has("repo"), "a repository was made for nothing");
    place.back_up(&"x".repeat(128));
    for label in ["", "../repo", "missing"] {
        place.cairn(&["restore", "--repo", "repo", "--label", label, "out"]).status(2).run();
    }
    assert!(!place.has("out"), "a target was made for nothing");
}

#[test]
fn a_label_is_given_once() {
    let place = Place::new();
    place.back_up("one");
    let repository = place.tree("repo");
    place
        .cairn(&["backup", "--repo", "repo", "--label", "one", "wh"])
        .status(2)
        .stdout("")
        .stderr(
            "\
backup one: pending
...
backup one: failed
error: the label one belongs to a snapshot of 20[..] already (CAIRN-R004)
",
        )
        .run();
    assert_eq!(place.tree("repo"), repository);
}

#[test]
fn no_such_table() {
    let place = Place::new();
    place.back_up("one");
    for table in ["shop.nothing", "nothing", "shop.orders/p9"] {
        place.cairn(&["backup", "--repo", "repo", "--table", table, "wh"]).status(2).run();
        place
            .cairn(&["restore", "--repo", "repo", "--latest", "--table", table, "out"])
            .status(2)
            .run();
    }
    for table in ["", ".", "shop.", "shop/orders"] {
        place
            .cairn(&["backup", "--repo", "repo", "--table", table, "wh"])
            .status(2)
            .stderr("error: \"[..]\" is not of the form DATABASE[.TABLE[/PARTITION]]\n")
            .run();
    }
}

#[test]
fn a_newer_repository_is_left_alone() {
    let place = Place::new();
    place.back_up("one");
    let config = fs::read_to_string(place.path("repo/cairn.json")).unwrap();
    place.write("repo/cairn.json", config.replace("\"version\": 1", "\"version\": 7").as_bytes());
    let repository = place.tree("repo");
    for verb in [&["snapshots"][..], &["check"], &["restore", "--latest", "out"], &["backup", "wh"]]
    {
        place
            .cairn(&[verb, &["--repo", "repo"]].concat())
            .status(1)
            .stdout("")
            .stderr(
                "\
error: cannot open the repository repo
  caused by: the repository needs format version 7, which this version of Cairn does not know (CAIRN-R003)
",
            )
            .run();
    }
    assert_eq!(place.tree("repo"), repository);
}

#[test]
fn what_cannot_be_backed_up_is_told() {
    let place = Place::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("wh/shop/pipe"), 0o600.into()).unwrap();
    let stdout = place.cairn(&["backup", "--repo", "repo", "--label", "one", "wh"]).run();
    assert!(stdout.contains("skipped    1, not in the snapshot:"), "{stdout}");
    assert!(stdout.contains("wh/shop/pipe: is a named pipe"), "{stdout}");
    let report = place.cairn(&["backup", "--repo", "repo", "--label", "two", "wh"]).json();
    assert_eq!(report["skipped"].as_array().unwrap().len(), 1, "{report}");
}

#[test]
fn a_name_that_a_manifest_cannot_hold_stops_the_backup() {
    let place = Place::new();
    let odd = OsStr::from_bytes(b"not-utf8-\xff");
    fs::write(place.path("wh/shop/items/p1/t1").join(odd), "content").unwrap();
    place
        .cairn(&["backup", "--repo", "repo", "--label", "one", "wh"])
        .status(2)
        .stdout("")
        .stderr(
            "\
made a repository at repo
backup one: pending
...
backup one: failed
error: [..]/wh/shop/items/p1/t1/not-utf8-[..]: a name that is not UTF-8 (CAIRN-T006)
",
        )
        .run();
    assert_eq!(place.cairn(&["snapshots", "--repo", "repo"]).json()["snapshots"], json!([]));
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let place = Place::new();
    place.back_up("one");
    let mode = |path: &str, mode| {
        fs::set_permissions(place.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    // The program may lie where nobody may look.
    if fs::hard_link(CAIRN, place.path("cairn")).is_err() {
        fs::copy(CAIRN, place.path("cairn")).unwrap();
    }
    let program = place.path("cairn");
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(place.path("")).env_clear();
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    };

    for directory in ["repo", "repo/snapshots", "repo/packs", "repo/indexes"] {
        mode(directory, 0o555);
    }
    let (status, stderr) = as_nobody(&["backup", "--repo", "repo", "--label", "two", "wh"]);
    assert_eq!(status, Some(4), "{stderr}");
    assert!(stderr.contains("permission denied"), "{stderr}");
    let (status, stderr) = as_nobody(&["snapshots", "--repo", "repo"]);
    assert_eq!(status, Some(0), "a read-only repository can be read: {stderr}");

    mode("wh/shop/orders/p1/t1/segment-0.dat", 0o000);
    let (status, stderr) = as_nobody(&["backup", "--repo", "repo2", "--label", "three", "wh"]);
    assert_ne!(status, Some(0), "{stderr}");
    for directory in ["repo", "repo/snapshots", "repo/packs", "repo/indexes"] {
        mode(directory, 0o755);
    }
}

#[test]
fn a_wrong_configuration_is_named() {
    let place = Place::new();
    place.write("c.toml", b"[engine]\nreaders = 3\n");
    let stderr = "\
error: the configuration file c.toml
  caused by: TOML parse error at line 2, column 1
  |
2 | readers = 3
  | ^^^^^^^
unknown field `readers`, expected one of [..]
";
    place.cairn(&["--config", "c.toml", "snapshots", "--repo", "r"]).status(2).stderr(stderr).run();
    place.write("c.toml", b"[engine]\nupload_worker_count = 0\n");
    place
        .cairn(&["snapshots", "--repo", "r"])
        .env("CAIRN_CONFIG", "c.toml")
        .status(2)
        .stderr(
            "\
error: the configuration [engine]
  caused by: upload_worker_count = 0: must be 1 to 256 (CAIRN-P001)
",
        )
        .run();
    place.cairn(&["--config", "absent.toml", "config", "print"]).status(2).run();
    place.cairn(&["config", "print"]).env("CAIRN_LOG", "=!").status(2).run();
}

#[test]
fn with_json_an_error_is_the_document() {
    let place = Place::new();
    let document = place.cairn(&["snapshots", "--repo", "nowhere"]).status(2).json();
    assert_eq!(document["exit_code"], 2);
    assert_eq!(document["error"]["code"], "CAIRN-S001");
    assert_eq!(document["error"]["message"], "cannot open the repository nowhere");
}

#[test]
fn arguments_that_make_no_sense() {
    let place = Place::new();
    for arguments in [
        &["backup"][..],
        &["nothing"],
        &["restore", "--repo", "r", "out"],
        &["restore", "--repo", "r", "--label", "a", "--latest", "out"],
        &["restore", "--repo", "r", "--latest", "--as", "a.b", "out"],
        &["restore", "--repo", "r", "--latest", "--table", "a.b", "--as", "c", "out"],
        &["backup", "--repo", "r", "--compression", "20", "wh"],
        &["backup", "--repo", "r", "--pack-size", "1TiB", "wh"],
        &["backup", "--repo", "r", "--pack-size", "1KiB", "wh"],
        &["quickstart", "--scale", "0"],
        &["quickstart", "--scale", "NaN"],
    ] {
        place.cairn(arguments).status(2).stdout("").run();
    }
    assert!(!place.has("r"));
}
