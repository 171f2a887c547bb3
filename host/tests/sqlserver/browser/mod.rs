//! The status page in a real browser: a click cancels a job, nothing overflows, jumps or is forbidden.

mod driver;

use std::fs;
use std::path::Path;

use driver::Browser;

use crate::client::Client;
use crate::place::Place;
use crate::server::{Server, serve};

/// Megabytes of a table that does not compress much.
const MEGABYTES: u64 = 24;
/// A phone and a desk.
const SIZES: [(&str, u32, u32); 2] = [("narrow", 360, 740), ("wide", 1280, 900)];

/// A server with a table, a repository and a snapshot in it.
fn shop(place: &Place) -> (Server<'_>, Client) {
    // Small packs: something is stored every second.
    place.write("cairn.toml", b"[repository]\npack_size = \"1 MiB\"\n");
    let server = serve(place, &["--config", "cairn.toml"]);
    let mut root = server.root();
    root.done("CREATE DATABASE shop");
    root.done("CREATE TABLE shop.orders (k INT, v VARCHAR(1048576))");
    root.done("CREATE TABLE shop.items (k INT, v VARCHAR(1048576))");
    for megabyte in 0..MEGABYTES {
        let mut number = megabyte;
        let noise: String = (0..62_500)
            .map(|_| {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                format!("{number:016x}")
            })
            .collect();
        let table = if megabyte == 0 { "items" } else { "orders" };
        root.done(&format!("INSERT INTO shop.{table} VALUES ({megabyte}, '{noise}')"));
    }
    let location = place.path("backups").display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY vault WITH BROKER ON LOCATION "file://{location}""#));
    for label in ["daily_2026_11_25", "daily_2026_11_26"] {
        root.done(&format!("BACKUP SNAPSHOT shop.{label} TO vault ON (items)"));
        let job = root.ended("SHOW BACKUP FROM shop");
        assert!(job.contains(&Some("FINISHED".to_owned())), "{job:?}");
    }
    (server, root)
}

/// A megabyte in a second.
fn slow_down(root: &mut Client) {
    root.done(r#"ADMIN SET FRONTEND CONFIG ("max_upload_speed_kbps" = "1024")"#);
}

fn back_up(root: &mut Client, label: &str) {
    root.done(&format!(r#"BACKUP SNAPSHOT shop.{label} TO vault PROPERTIES ("timeout" = "600")"#));
}

/// Root gets a password first: without one it does not come in.
fn log_in(browser: &Browser, server: &Server<'_>, root: &mut Client) {
    root.done("SET PASSWORD = PASSWORD('secret')");
    browser.open(&format!("http://{}/login", server.http()));
    browser.write("input[name=user]", "root");
    browser.write("input[name=password]", "secret");
    browser.click("button[type=submit]");
    browser.wait(
        "!!document.querySelector('.who') && document.querySelector('.who').textContent === 'root'",
    );
}

#[test]
fn a_click_cancels_a_job() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::new();
    let (server, mut root) = shop(&place);
    slow_down(&mut root);
    log_in(&browser, &server, &mut root);
    browser.wait("document.querySelector('main h2').textContent === 'Nothing runs'");
    back_up(&mut root, "nightly");
    // The page finds the job by itself.
    browser.wait("!!document.querySelector('.cancel summary')");
    browser.click(".cancel summary");
    // What was opened stays open, and nothing is drawn anew, while the numbers go on.
    browser.run("window.form = document.querySelector('.cancel form'); window.looks = 0;
        new MutationObserver(() => window.looks++).observe(document.querySelector('.numbers'), { subtree: true, characterData: true, childList: true });");
    browser.wait("window.looks >= 3");
    browser.wait("window.form.isConnected && document.querySelector('.cancel').open");
    browser.click(".cancel button");
    browser.wait("[...document.querySelectorAll('td .badge')][0].textContent === 'cancelled'");
    browser.wait("document.querySelector('main h2').textContent === 'Nothing runs'");
    let job = root.ended("SHOW BACKUP FROM shop");
    assert!(job.contains(&Some("CANCELLED".to_owned())), "{job:?}");
    assert!(job.iter().flatten().any(|value| value.contains("user cancelled")), "{job:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Looks at a page in all sizes and colours; the pictures are left in the target directory.
#[track_caller]
fn look(browser: &Browser, name: &str) {
    for (size, width, height) in SIZES {
        for (scheme, is_dark) in [("light", false), ("dark", true)] {
            browser.wear(width, height, is_dark);
            browser.wait("document.readyState === 'complete'");
            let overflow = "return [document.documentElement.scrollWidth - document.documentElement.clientWidth,
                [...document.querySelectorAll('main *')].filter((it) => it.children.length === 0
                    && !it.closest('svg') && it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).display !== 'inline')
                    .map((it) => it.tagName + ' ' + it.textContent)];";
            let found = browser.run(overflow);
            assert_eq!(found, serde_json::json!([0, []]), "{name} {size}: what does not fit");
            let path = Path::new(env!("CARGO_TARGET_TMPDIR"));
            fs::write(path.join(format!("page-{name}-{size}-{scheme}.png")), browser.picture())
                .unwrap();
        }
    }
}

#[test]
fn the_page_fits_a_phone_and_a_desk_in_light_and_dark() {
    let Some(browser) = Browser::start() else { return };
    let place = Place::new();
    let (server, mut root) = shop(&place);
    browser.open(&format!("http://{}/", server.http()));
    look(&browser, "stranger");
    browser.open(&format!("http://{}/login", server.http()));
    look(&browser, "login");
    log_in(&browser, &server, &mut root);
    look(&browser, "idle");

    slow_down(&mut root);
    back_up(&mut root, "nightly");
    browser.wait(
        "document.querySelectorAll('.graph polyline').length === 1
        && document.querySelector('.graph polyline').getAttribute('points').split(' ').length > 6",
    );
    look(&browser, "running");
    root.done("CANCEL BACKUP FROM shop");
    root.ended("SHOW BACKUP FROM shop");

    // A job that is given up, and a repository that is gone.
    let spare = place.path("spare").display().to_string();
    root.done(&format!(r#"CREATE REPOSITORY spare WITH BROKER ON LOCATION "file://{spare}""#));
    root.done(r#"ADMIN SET FRONTEND CONFIG ("backup_job_default_timeout_ms" = "1000")"#);
    root.done("BACKUP SNAPSHOT shop.weekly TO vault");
    root.ended("SHOW BACKUP FROM shop");
    fs::remove_dir_all(spare).unwrap();
    browser.wait("document.querySelectorAll('.troubles li').length === 2");
    look(&browser, "failed");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
