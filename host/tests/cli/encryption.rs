//! Encrypted repositories: made, opened, their keys changed; and what is said when a key is missing, wrong or too many.

use std::fs;

use crate::place::Place;

const PASSPHRASE: &str = "four random words";

/// A place with a configuration file for each way to give a key.
fn place() -> Place {
    let place = Place::new();
    place.write("key", &[7; 32]);
    place.write("passphrase", format!("{PASSPHRASE}\n").as_bytes());
    place.write("file.toml", b"[properties]\nencryption.key_file = \"key\"\n");
    place.write("command.toml", b"[properties]\nencryption.key_command = \"cat passphrase\"\n");
    let text = format!("[properties]\nencryption.passphrase = \"{PASSPHRASE}\"\n");
    place.write("passphrase.toml", text.as_bytes());
    place
}

fn with_key<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--config", "file.toml"], arguments].concat()
}

const BACKUP: [&str; 5] = ["backup", "--repo", "repo", "--label", "one"];

#[test]
fn who_gives_a_key_gets_an_encrypted_repository() {
    let place = place();
    let made = place.cairn(&with_key(&["repo", "create", "--repo", "repo", "--encrypt"])).json();
    assert_eq!(made["encrypted"], true);
    place.cairn(&with_key(&[&BACKUP[..], &["wh"]].concat())).run();
    place.cairn(&with_key(&["check", "--repo", "repo", "--read-data"])).run();
    place.cairn(&with_key(&["restore", "--repo", "repo", "--latest", "out"])).run();
    assert_eq!(place.tree("out"), place.tree("wh"));
    place.cairn(&with_key(&["repo", "copy", "--from", "repo", "--to", "copy"])).run();
    assert_eq!(place.tree("copy"), place.tree("repo"));
    for (path, (_, bytes)) in place.tree("repo") {
        let shows = bytes.windows(9).any(|window| window == b"segment-0");
        assert!(!shows, "{} has a name in clear", path.display());
    }
    // A backup that makes its repository does the same.
    place.cairn(&["--config", "file.toml", "backup", "--repo", "other", "wh"]).run();
    let listed = place.cairn(&["repo", "key", "list", "--repo", "other"]).json();
    assert_eq!(listed["slots"][0]["opened_by"], "key file");
    assert_eq!(listed["slots"][0]["note"], "made with the repository");
}

#[test]
fn a_key_that_is_missing_wrong_or_too_many_is_named() {
    let place = place();
    place
        .cairn(&["repo", "create", "--repo", "repo", "--encrypt"])
        .status(2)
        .stdout("")
        .stderr(
            "\
error: --encrypt needs a key: write encryption.passphrase, encryption.key_file or encryption.key_command into [properties] of a configuration file
",
        )
        .run();
    assert!(!place.has("repo"));
    place.cairn(&["repo", "create", "--repo", "plain"]).run();
    place.cairn(&["--config", "file.toml", "repo", "create", "--repo", "repo"]).run();
    let refused = |arguments: &[&str]| {
        let document = place.cairn(arguments).status(2).json();
        assert_eq!(document["error"]["code"], "CAIRN-R020", "{document}");
        document["error"]["causes"][0].as_str().unwrap_or_default().to_owned()
    };
    let missing = refused(&["snapshots", "--repo", "repo"]);
    assert!(missing.contains("is encrypted: give its passphrase, its key file"), "{missing}");
    let wrong = refused(&["--config", "command.toml", "snapshots", "--repo", "repo"]);
    assert!(wrong.ends_with("does not open with this passphrase"), "{wrong}");
    let clear = refused(&["--config", "file.toml", "snapshots", "--repo", "plain"]);
    assert!(clear.contains("is not encrypted, and a key was given for it"), "{clear}");
    let before = place.tree("plain");
    refused(&["--config", "file.toml", "backup", "--repo", "plain", "wh"]);
    assert_eq!(place.tree("plain"), before);
    let typed = ["snapshots", "--repo", "repo", "--property", "encryption.passphrase=HIDDEN"];
    let document = place.cairn(&typed).status(2).json();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.contains("encryption.passphrase is a secret"), "{message}");
}

#[test]
fn keys_are_added_listed_removed_and_rotated() {
    let place = place();
    let opens = |config: &str, status: i32| {
        place.cairn(&["--config", config, "snapshots", "--repo", "repo"]).status(status).run();
    };
    place.cairn(&[&["--config", "file.toml"], &BACKUP[..], &["wh"]].concat()).run();
    opens("command.toml", 2);
    let add = ["repo", "key", "add", "--repo", "repo", "--note", "of the vault"];
    let new = ["--config", "file.toml", "--new-passphrase-file", "passphrase"];
    let added = place.cairn(&[&add[..], &new].concat()).json();
    for config in ["file.toml", "command.toml", "passphrase.toml"] {
        opens(config, 0);
    }
    let listed = place.cairn(&["repo", "key", "list", "--repo", "repo"]).json();
    let slots = listed["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 2);
    let mine = slots.iter().find(|slot| slot["slot"] == added["slot"]).unwrap();
    assert_eq!((&mine["opened_by"], &mine["note"]), (&"passphrase".into(), &"of the vault".into()));
    let first = slots.iter().find(|slot| slot["slot"] != added["slot"]).unwrap();
    let first = first["slot"].as_str().unwrap();
    let remove = |slot: &str, config: &str| {
        place.cairn(&["--config", config, "repo", "key", "remove", "--repo", "repo", slot])
    };
    remove(first, "command.toml").run();
    opens("file.toml", 2);
    let last = remove(added["slot"].as_str().unwrap(), "command.toml").status(2).json();
    assert!(last["error"]["message"].as_str().unwrap().contains("is the last key slot"), "{last}");
    let rotate = ["--config", "command.toml", "repo", "key", "rotate", "--repo", "repo"];
    assert_eq!(place.cairn(&rotate).json()["key"], 2);
    let backup = ["--config", "command.toml", "backup", "--repo", "repo", "--label", "two", "wh"];
    place.cairn(&backup).run();
    place.cairn(&["--config", "command.toml", "check", "--repo", "repo", "--read-data"]).run();
}

#[test]
fn no_secret_is_logged() {
    let place = place();
    for config in ["command.toml", "passphrase.toml"] {
        let _ = fs::remove_dir_all(place.path("repo"));
        let mut command = place.command(&["--config", config, "backup", "--repo", "repo", "wh"]);
        let output = command.env("CAIRN_LOG", "trace").output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains(PASSPHRASE) && !said.contains("random words"), "{said}");
        assert!(said.len() > 1000, "nothing was logged");
    }
}
