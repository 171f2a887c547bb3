//! Logins, seen from the bytes: what is said to whom, and when.

use std::time::Duration;

use tokio::time::Instant;

use crate::raw::{Raw, Refused, salt};
use crate::serve::{Serving, serve};

fn refused(serving: &Serving, user: &str, password: &str) -> (Refused, Duration) {
    let start = Instant::now();
    match Raw::login(serving.address(), user, password) {
        Err(refused) => (refused, start.elapsed()),
        Ok(_) => panic!("{user} came in with {password}"),
    }
}

#[test]
fn a_password_opens_the_door_and_no_other_one() {
    let serving = serve();
    for (user, password) in [("ann", "secret"), ("native", "secret"), ("open", "")] {
        assert!(Raw::login(serving.address(), user, password).is_ok(), "{user}");
    }
    for (user, password, using) in [
        ("ann", "Secret", "YES"),
        ("ann", "", "NO"),
        ("open", "anything", "YES"),
        ("nobody", "secret", "YES"),
        ("nobody", "", "NO"),
        ("", "", "NO"),
    ] {
        let (refused, _) = refused(&serving, user, password);
        let text = format!("Access denied for user '{user}'@'127.0.0.1' (using password: {using})");
        assert_eq!(refused, Refused { code: 1045, text });
    }
}

#[test]
fn every_connection_has_a_salt_of_its_own() {
    let serving = serve();
    let salts = [(); 2].map(|()| salt(&Raw::connect(serving.address()).read_ok().unwrap()));
    assert_ne!(salts[0], salts[1]);
}

/// What is said to a client that names a plugin and sends nothing, and then sends something wrong.
fn conversation(serving: &Serving, user: &str, plugin: &str) -> (Vec<u8>, Refused) {
    let mut client = Raw::connect(serving.address());
    let salt = salt(&client.read_ok().unwrap());
    client.say_hello(user, plugin, b"");
    let request = client.read_ok().unwrap();
    let request = request.strip_suffix(&[&salt[..], b"\0"].concat()[..]).unwrap().to_vec();
    client.send(&[7; 32]);
    let mut refused = client.read_ok().unwrap_err();
    refused.text = refused.text.replace(user, "USER");
    client.expect_end();
    (request, refused)
}

#[test]
fn users_that_do_not_exist_are_asked_like_the_others() {
    let serving = serve();
    for (plugin, asked_for) in [
        ("caching_sha2_password", "caching_sha2_password"),
        ("client_ed25519", "mysql_native_password"),
        ("mysql_clear_password", "mysql_native_password"),
        ("", "mysql_native_password"),
    ] {
        let known = conversation(&serving, "ann", plugin);
        assert_eq!(known, conversation(&serving, "nobody", plugin), "{plugin}");
        assert_eq!(known.0, [b"\xfe", asked_for.as_bytes(), b"\0"].concat());
        assert_eq!(known.1.text, "Access denied for user 'USER'@'127.0.0.1' (using password: YES)");
    }
    // Outside of TLS no password is asked for, whatever hash is missing.
    let (request, _) = conversation(&serving, "native", "caching_sha2_password");
    assert_eq!(request[1..], *b"mysql_native_password\0");
}

#[test]
fn wrong_passwords_get_slower_for_that_user_only() {
    let serving = serve();
    for user in ["nobody", "ann"] {
        let waits: Vec<Duration> =
            [(); 4].iter().map(|()| refused(&serving, user, "wrong").1).collect();
        // 250, 500, 1000 ms since the server saw the last failure, which was before we heard of it.
        for (wait, least) in waits.iter().zip([0, 200, 400, 900]) {
            assert!(*wait >= Duration::from_millis(least), "{user}: {waits:?}");
        }
        assert!(waits[0] < Duration::from_secs(1), "{user}: {waits:?}");
    }
    let start = Instant::now();
    assert!(Raw::login(serving.address(), "open", "").is_ok());
    assert!(start.elapsed() < Duration::from_secs(1), "others do not wait");
    // The right one waits as well, and is then forgiven.
    let start = Instant::now();
    assert!(Raw::login(serving.address(), "ann", "secret").is_ok());
    assert!(start.elapsed() >= Duration::from_millis(1500), "two seconds after the last failure");
    let start = Instant::now();
    assert!(Raw::login(serving.address(), "ann", "secret").is_ok());
    assert!(start.elapsed() < Duration::from_secs(1), "it is forgiven");
}

#[test]
fn many_guesses_at_once_are_judged_no_faster() {
    let serving = serve();
    let guesses: Vec<_> = (0..60)
        .map(|_| {
            let address = serving.address();
            std::thread::spawn(move || Raw::login(address, "ann", "wrong").err().unwrap().code)
        })
        .collect();
    let codes: Vec<u16> = guesses.into_iter().map(|guess| guess.join().unwrap()).collect();
    let judged = codes.iter().filter(|code| **code == 1045).count();
    assert!(judged <= 7, "{judged} were judged within eight seconds");
    assert!(codes.iter().all(|code| matches!(code, 1045 | 1129)), "{codes:?}");
}
