//! Two servers and one repository: what the first backs up the second restores.

use crate::client::{self, Client};
use crate::member;
use crate::place::Place;
use crate::server::{self, Server};

const REPOSITORY: &str = "repo/__cairn_repository_r";
const SHOW_BACKUP: &str = "SHOW BACKUP FROM sr_hub";
const SHOW_RESTORE: &str = "SHOW RESTORE FROM sr_hub";

fn restore(client: &Client, label: &str, what: &str) {
    let timestamp = client.timestamp("r", label);
    client.run(&format!(
        "RESTORE SNAPSHOT sr_hub.{label} FROM r {what} PROPERTIES ('backup_timestamp' = '{timestamp}')"
    ));
    client.finished(SHOW_RESTORE);
}

#[test]
fn a_second_server_restores_what_the_first_backed_up() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let first = Server::start(&place, "first");
    member::create(&first);
    first.run(&member::load(500..1100));
    first.run("CREATE TABLE sr_hub.city (id INT NOT NULL, name STRING) PRIMARY KEY(id); INSERT INTO sr_hub.city VALUES (1, 'a'), (2, 'b')");
    member::repository(&place, &first, "r");
    first.run("BACKUP SNAPSHOT sr_hub.whole TO r");
    first.finished(SHOW_BACKUP);

    let second = Server::start(&place, "second");
    assert!(second.refused("SHOW SNAPSHOT ON r").contains("Repository r does not exist"));
    second.run(&format!(
        "CREATE READ ONLY REPOSITORY r WITH BROKER ON LOCATION 'file://{}'",
        place.path("repo").display()
    ));
    assert_eq!(second.table("SHOW REPOSITORIES").get("IsReadOnly"), "true");
    assert_eq!(second.table("SHOW SNAPSHOT ON r"), first.table("SHOW SNAPSHOT ON r"));
    restore(&second, "whole", "");
    for table in ["sr_hub.sr_member", "sr_hub.city"] {
        assert_eq!(member::rows(&second, table), member::rows(&first, table));
    }
    assert_eq!(
        second.run("SHOW CREATE TABLE sr_hub.sr_member"),
        first.run("SHOW CREATE TABLE sr_hub.sr_member")
    );
    let error = second.refused("BACKUP SNAPSHOT sr_hub.more TO r ON (city)");
    assert!(error.contains("Repository r is read only"), "{error}");

    // What is restored is alive: it takes loads, and the first server's data does not.
    second.run("INSERT INTO sr_hub.city VALUES (3, 'c')");
    assert_eq!(second.run("SELECT COUNT(*) FROM sr_hub.city"), "3\n");
    assert_eq!(first.run("SELECT COUNT(*) FROM sr_hub.city"), "2\n");
    second.terminate();
    let second = Server::start(&place, "second");
    assert_eq!(second.table("SHOW REPOSITORIES").get("IsReadOnly"), "true");
    assert_eq!(member::rows(&second, "sr_hub.sr_member"), member::rows(&first, "sr_hub.sr_member"));
    assert_eq!(second.table("SHOW SNAPSHOT ON r"), first.table("SHOW SNAPSHOT ON r"));
}

#[test]
fn two_servers_back_up_at_once_and_one_label_is_one_servers() {
    if !client::is_there() {
        return;
    }
    let place = Place::new();
    let servers = ["first", "second"].map(|data| Server::start(&place, data));
    for (server, ids) in servers.iter().zip([0..600, 600..1200]) {
        member::create(server);
        server.run(&member::load(ids));
        member::repository(&place, server, "r");
    }
    let backup = |server: &Server, label: &str| {
        server.attempt(&format!("BACKUP SNAPSHOT sr_hub.{label} TO r ON (sr_member)"))
    };
    for (server, label) in servers.iter().zip(["of_first", "of_second"]) {
        backup(server, label).unwrap();
    }
    for server in &servers {
        server.finished(SHOW_BACKUP);
    }

    // Slow enough that both are accepted before either is done.
    for server in &servers {
        server.run("INSERT INTO sr_hub.sr_member VALUES (9000, 'one more', 1, '2026-02-03')");
    }
    let taken = "already exist";
    let mut winners = 0;
    let accepted = std::thread::scope(|scope| {
        let both = servers.each_ref().map(|server| scope.spawn(|| backup(server, "same")));
        both.map(|one| one.join().unwrap())
    });
    for (server, accepted) in servers.iter().zip(accepted) {
        if let Err(error) = accepted {
            assert!(error.contains(taken), "{error}");
            continue;
        }
        let (shown, _) = server.ended(SHOW_BACKUP);
        if shown.get("State") == "FINISHED" {
            winners += 1;
        } else {
            let status = shown.get("Status");
            assert!(status.contains("the label same belongs to a snapshot of"), "{status}");
        }
    }
    assert_eq!(winners, 1);
    let labels = servers[0].table("SHOW SNAPSHOT ON r").column("Snapshot");
    assert_eq!(labels, ["of_first", "of_second", "same"]);
    assert_eq!(servers[1].table("SHOW SNAPSHOT ON r").column("Snapshot"), labels);
    server::check(&place, REPOSITORY);

    let [first, second] = &servers;
    restore(second, "of_first", "ON (sr_member AS theirs)");
    first.run("DELETE FROM sr_hub.sr_member WHERE id = 9000");
    assert_eq!(member::rows(second, "sr_hub.theirs"), member::rows(first, "sr_hub.sr_member"));
}
