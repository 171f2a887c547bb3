//! The status page of a real server without a browser: who sees what, who comes in, what a form may do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cairn_testkit::wait_until;

use crate::client::Client;
use crate::job::slow;
use crate::place::Place;
use crate::server::{PATIENCE, Server, serve};

/// What a server answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// A browser without a window: it remembers one cookie.
pub(crate) struct Visitor<'a> {
    server: &'a Server<'a>,
    cookie: String,
}

/// Without one root does not come in.
const PASSWORD_OF_ROOT: &str = "SET PASSWORD = PASSWORD('secret')";

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

impl<'a> Visitor<'a> {
    pub(crate) fn new(server: &'a Server<'a>) -> Self {
        Self { server, cookie: String::new() }
    }

    /// One who has logged in.
    #[track_caller]
    pub(crate) fn logged_in(server: &'a Server<'a>, user: &str, password: &str) -> Self {
        let mut visitor = Self::new(server);
        assert_eq!(visitor.log_in(user, password), 303, "{user}");
        visitor
    }

    fn log_in(&mut self, user: &str, password: &str) -> u16 {
        let answer = self.post("/login", &format!("user={user}&password={password}"), FORM);
        if let Some(cookie) = answer.head.split("set-cookie: ").nth(1) {
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        answer.status
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\n"), "", "")
    }

    #[track_caller]
    fn page(&self) -> String {
        let answer = self.get("/");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    fn post(&self, path: &str, body: &str, headers: &str) -> Answer {
        self.send(&format!("POST {path} HTTP/1.1\r\n"), body, headers)
    }

    fn send(&self, first: &str, body: &str, headers: &str) -> Answer {
        self.send_to(self.server.http(), first, body, headers)
    }

    /// Sends to the server what names a host, maybe another.
    fn send_to(&self, host: &str, first: &str, body: &str, headers: &str) -> Answer {
        let length = body.len();
        let cookie = match self.cookie.is_empty() {
            true => String::new(),
            false => format!("cookie: {}\r\n", self.cookie),
        };
        let head = format!(
            "{first}host: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{cookie}{headers}\r\n"
        );
        let mut stream = TcpStream::connect(self.server.http()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // Of what is too long the rest may find nobody any more.
        let _ = stream.write_all(body.as_bytes());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// What forms of this visitor say.
    fn token(&self) -> String {
        let page = self.page();
        let token = page.split("name=\"token\" value=\"").nth(1).expect("a form");
        token.split('"').next().unwrap().to_owned()
    }
}

/// Starts a backup that takes long; the path that cancels it, once the page of who may shows it.
fn slow_backup(root: &mut Client, visitor: &Visitor<'_>) -> String {
    root.done("INSERT INTO d.t SELECT k + 1, reverse(v) FROM d.t");
    root.done(r#"BACKUP SNAPSHOT d.s TO r PROPERTIES ("timeout" = "600")"#);
    let mut path = None;
    wait_until("the page shows the job", PATIENCE, || {
        let page = visitor.page();
        let form = page.split("action=\"/jobs/").nth(1);
        path = form.and_then(|form| Some(format!("/jobs/{}", form.split('"').next()?)));
        path.is_some()
    });
    path.unwrap()
}

#[test]
fn a_job_is_cancelled_by_who_may_and_by_nobody_else() {
    let place = Place::new();
    let server = slow(&place);
    let mut root = server.root();
    for user in ["ann", "bob"] {
        root.done(&format!("CREATE USER {user} IDENTIFIED BY 'secret'"));
    }
    root.done("GRANT REPOSITORY ON SYSTEM TO USER bob");
    root.done(PASSWORD_OF_ROOT);
    let stranger = Visitor::new(&server);
    let operator = Visitor::logged_in(&server, "root", "secret");
    let [ann, bob] = ["ann", "bob"].map(|user| Visitor::logged_in(&server, user, "secret"));
    let cancel = slow_backup(&mut root, &operator);

    // Who is not logged in sees that it runs, and no name of what is in the warehouse.
    let mut page = String::new();
    wait_until("the stages are pictured", PATIENCE, || {
        page = stranger.page();
        page.contains("max_upload_speed_kbps sets the pace")
    });
    assert!(page.contains("<h2>backup s</h2>") && page.contains("<h4>uploader</h4>"), "{page}");
    assert!(!page.contains("backups") && !page.contains(">database<"), "{page}");
    assert!(!page.contains("/cancel") && page.contains("href=\"/login\""), "{page}");
    let page = ann.page();
    assert!(page.contains("needs REPOSITORY ON SYSTEM") && !page.contains("/cancel"), "{page}");
    let page = operator.page();
    assert!(page.contains(">database<") && page.contains("<h2>r</h2>"), "{page}");

    // What a login may do is asked each time.
    assert!(bob.page().contains("/cancel"));
    let of_bob = format!("token={}", bob.token());
    root.done("REVOKE REPOSITORY ON SYSTEM FROM USER bob");
    let page = bob.page();
    assert!(page.contains("<span class=\"who\">bob</span>") && !page.contains("/cancel"), "{page}");

    let token = format!("token={}", operator.token());
    let (of_ann, cross) =
        (format!("token={}", ann.token()), format!("{FORM}sec-fetch-site: cross-site\r\n"));
    let elsewhere = format!("{FORM}origin: http://127.0.0.1:1\r\n");
    for (who, body, headers, status) in [
        (&stranger, token.as_str(), FORM, 403),
        (&ann, of_ann.as_str(), FORM, 403),
        (&bob, of_bob.as_str(), FORM, 403),
        (&operator, "", FORM, 403),
        (&operator, of_ann.as_str(), FORM, 403),
        (&operator, token.as_str(), cross.as_str(), 403),
        (&operator, token.as_str(), elsewhere.as_str(), 403),
        (&operator, token.as_str(), "content-type: text/plain\r\n", 415),
    ] {
        let answer = who.post(&cancel, body, headers);
        assert_eq!(answer.status, status, "{body} {headers}: {}", answer.body);
    }
    assert_eq!(operator.get(&cancel).status, 405);
    assert_eq!(operator.post("/jobs/1/cancel", &token, FORM).status, 409);
    assert_eq!(operator.post("/jobs/x/cancel", &token, FORM).status, 404);
    assert!(root.rows("SHOW BACKUP FROM d")[0][3].as_deref() != Some("CANCELLED"));

    assert_eq!(operator.post(&cancel, &token, FORM).status, 303);
    let job = root.ended("SHOW BACKUP FROM d");
    assert!(job.contains(&Some("CANCELLED".to_owned())), "{job:?}");
    let page = operator.page();
    assert!(page.contains("badge cancelled") && page.contains("Nothing runs"), "{page}");
    assert_eq!(operator.post(&cancel, &token, FORM).status, 409, "it has ended");
}

#[test]
fn a_login_is_a_cookie_that_ends_with_the_account() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE USER ann IDENTIFIED BY 'a&b=<c>'");
    let mut ann = Visitor::new(&server);
    let form = ann.get("/login");
    assert!(form.status == 200 && form.body.contains("type=\"password\""), "{}", form.body);
    for (user, password) in [("ann", "wrong"), ("nobody", "x"), ("ann", ""), ("<script>", "")] {
        let answer = ann.post("/login", &format!("user={user}&password={password}"), FORM);
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("user or password is wrong"), "{}", answer.body);
        assert!(!answer.body.contains("<script>") && !answer.head.contains("set-cookie"));
    }
    let right = "user=ann&password=a%26b%3D%3Cc%3E";
    let cross = format!("{FORM}sec-fetch-site: same-site\r\n");
    assert_eq!(ann.post("/login", right, &cross).status, 403, "another site logs nobody in");
    let answer = ann.post("/login", right, FORM);
    assert_eq!(answer.status, 303, "{}", answer.body);
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"] {
        assert!(answer.head.contains(part), "{}", answer.head);
    }
    ann.log_in("ann", "a%26b%3D%3Cc%3E");
    assert!(ann.page().contains("<span class=\"who\">ann</span>"));
    // What is looked up again and again says who is logged in, as long as somebody is.
    assert!(ann.get("/live").body.contains("<span class=\"who\">ann</span>"));

    // A login ends the one that the browser had.
    let before = Visitor { server: &server, cookie: ann.cookie.clone() };
    assert_eq!(ann.log_in("ann", "a%26b%3D%3Cc%3E"), 303);
    assert!(ann.page().contains("<span class=\"who\">"));
    assert!(!before.page().contains("<span class=\"who\">"));

    // A password that is changed ends what it began, and so does a logout, which needs the token.
    root.done("SET PASSWORD FOR ann = PASSWORD('other')");
    assert!(!ann.page().contains("<span class=\"who\">"));
    assert!(ann.get("/live").body.contains("<a href=\"/login\">log in</a>"));
    ann.log_in("ann", "other");
    assert_eq!(ann.post("/logout", "", FORM).status, 403);
    assert!(ann.page().contains("<span class=\"who\">"));
    let answer = ann.post("/logout", &format!("token={}", ann.token()), FORM);
    assert!(answer.status == 303 && answer.head.contains("Max-Age=0"), "{}", answer.head);
    assert!(!ann.page().contains("<span class=\"who\">"), "the cookie is worth nothing any more");
    ann.log_in("ann", "other");
    root.done("DROP USER ann");
    assert!(!ann.page().contains("<span class=\"who\">"));

    // Root has no password yet: that opens to nobody, for a proxy need not say that it is one.
    let answer = ann.post("/login", "user=root&password=", FORM);
    assert!(answer.status == 403 && !answer.head.contains("set-cookie"), "{}", answer.head);
    assert!(answer.body.contains("SET PASSWORD = PASSWORD("), "{}", answer.body);
    root.done(PASSWORD_OF_ROOT);
    assert_eq!(ann.log_in("root", "secret"), 303);
}

#[test]
fn a_page_of_others_is_not_ours_whatever_their_name_means() {
    let place = Place::new();
    place.write("cairn.toml", b"[http]\nnames = [\"backups.example\"]\n");
    let server = serve(&place, &["--config", "cairn.toml"]);
    server.root().done("CREATE USER ann IDENTIFIED BY 'secret'");
    let visitor = Visitor::new(&server);
    let origin =
        format!("{FORM}origin: http://evil.example\r\nx-forwarded-host: {}\r\n", server.http());
    for first in ["GET / HTTP/1.1\r\n", "GET /live HTTP/1.1\r\n", "POST /login HTTP/1.1\r\n"] {
        let body = if first.starts_with("POST") { "user=ann&password=secret" } else { "" };
        let answer = visitor.send_to("evil.example", first, body, &origin);
        assert_eq!(answer.status, 421, "{first}: {}", answer.body);
        assert!(answer.body.contains("by the address of the server"), "{}", answer.body);
        assert!(!answer.head.contains("set-cookie"), "{}", answer.head);
    }
    for path in ["/metrics", "/healthz"] {
        let first = format!("GET {path} HTTP/1.1\r\n");
        assert_eq!(visitor.send_to("cairn.example", &first, "", "").status, 200, "{path}");
    }
    let port = server.http().rsplit_once(':').unwrap().1;
    for ours in ["localhost", "backups.example"] {
        let answer = visitor.send_to(&format!("{ours}:{port}"), "GET / HTTP/1.1\r\n", "", "");
        assert_eq!(answer.status, 200, "{ours}: {}", answer.body);
    }
}

#[test]
fn bodies_and_answers_keep_their_bounds() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let visitor = Visitor::new(&server);
    let long = format!("user={}&password=", "a".repeat(5000));
    assert_eq!(visitor.post("/login", &long, FORM).status, 413);
    assert_eq!(visitor.post("/login", "{}", "content-type: application/json\r\n").status, 415);
    assert_eq!(visitor.post("/", "", FORM).status, 405);
    let answer = visitor.get("/");
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(answer.head.contains(header), "{}", answer.head);
    }
    for loaded in ["/page.css", "/page.js", "/icon.svg"] {
        assert!(answer.body.contains(loaded), "{}", answer.body);
        assert_eq!(visitor.get(loaded).status, 200);
    }
    assert!(!answer.body.contains("https://") && !answer.body.contains("http://"));
}

#[test]
fn guesses_at_the_page_are_braked_and_keep_no_client_of_the_port_out() {
    let place = Place::new();
    let server = serve(&place, &[]);
    server.root().done("CREATE USER ann IDENTIFIED BY 'secret'");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guess = || Visitor::new(&server).log_in("ann", "guess");
        let guesses: Vec<_> = (0..16).map(|_| scope.spawn(guess)).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert!(statuses.contains(&403) && statuses.contains(&429), "{statuses:?}");
    #[expect(clippy::disallowed_methods, reason = "the test is about time")]
    let start = Instant::now();
    assert!(Client::login(server.address(), "ann", "secret").is_ok());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn strangers_do_not_read_the_errors_of_a_repository_that_the_command_names() {
    let place = Place::new();
    let back_up = ["backup", "--repo", "repo", "--label", "nightly", "wh"];
    let output = place.command(&back_up).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = serve(&place, &["--repo", "repo"]);
    place.write("repo/snapshots/nightly", b"no record");
    let mut root = server.root();
    root.done(PASSWORD_OF_ROOT);
    root.done("CREATE USER ann IDENTIFIED BY 'secret'");
    let operator = Visitor::logged_in(&server, "root", "secret");
    wait_until("it has been read", PATIENCE, || operator.page().contains("damaged"));
    let ann = Visitor::logged_in(&server, "ann", "secret");
    for (who, told) in [(&Visitor::new(&server), "log in to see why"), (&ann, "to see why needs")] {
        let page = who.page();
        assert!(page.contains("<h2>repo</h2>") && page.contains(told), "{page}");
        assert!(!page.contains("damaged"), "{page}");
    }
}

#[test]
fn another_repository_of_the_same_name_shows_its_own_snapshots() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT)");
    root.done("INSERT INTO d.t VALUES (1)");
    let create = |name: &str| {
        let location = place.path(name).display().to_string();
        format!(r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}""#)
    };
    root.done(&create("one"));
    root.back_up("d", "of_one", "r");
    root.done(PASSWORD_OF_ROOT);
    let operator = Visitor::logged_in(&server, "root", "secret");
    let snapshot = "data-label=\"snapshot\">of_one</td>";
    wait_until("it is listed", PATIENCE, || operator.page().contains(snapshot));
    root.done("DROP REPOSITORY r");
    root.done(&create("two"));
    let page = operator.page();
    assert!(page.contains("<h2>r</h2>") && !page.contains(snapshot), "{page}");
}

#[test]
fn names_with_markup_are_text_and_secrets_are_not_shown() {
    let place = Place::new();
    let server = serve(&place, &[]);
    let mut root = server.root();
    root.done("CREATE DATABASE d");
    root.done("CREATE TABLE d.t (k INT)");
    root.done("INSERT INTO d.t VALUES (1)");
    let location = place.path("<script>alert(1)<i>").display().to_string();
    root.done(&format!(
        r#"CREATE REPOSITORY r WITH BROKER ON LOCATION "file://{location}" PROPERTIES ("aws.s3.secret_key" = "HIDDEN", "encryption.passphrase" = "HIDDEN TOO")"#
    ));
    root.back_up("d", "first", "r");
    root.done(PASSWORD_OF_ROOT);
    let operator = Visitor::logged_in(&server, "root", "secret");
    let page = operator.page();
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;i&gt;") && page.contains(">first</td>"),
        "{page}"
    );
    std::fs::remove_dir_all(&location).unwrap();
    // What was listed stays, and what is wrong with it is said.
    root.run("BACKUP SNAPSHOT d.second TO r").ok();
    let mut page = String::new();
    wait_until("the page says so", PATIENCE, || {
        page = operator.page();
        page.contains("class=\"card troubles\"")
    });
    assert!(!page.contains("<script>alert") && !page.contains("HIDDEN"), "{page}");
}
