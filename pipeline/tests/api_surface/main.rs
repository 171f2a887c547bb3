//! Who may use what: the layers of the workspace, held by its manifests and its sources.
//!
//! `cairn-storage` <- `cairn-repository` <- `cairn-actors` <- `cairn-pipeline` <- `cairn-warehouse` <- `cairn-frontend` <-
//! `cairn` <- `cairn-bench`, never backwards; `cairn-sql` stands alone. A failure is a list of sentences; each names the file and what to do.

mod one_way;
mod workspace;

use std::fs;
use std::path::Path;

use workspace::{Outcome, packages, root, rust_files, sources, without_comments};

/// Our crates in order of dependency, and which of ours each may use in its shipped code.
const LAYERS: &[(&str, &[&str])] = &[
    ("cairn-storage", &[]),
    ("cairn-repository", &["cairn-storage"]),
    ("cairn-actors", &["cairn-repository", "cairn-storage"]),
    ("cairn-pipeline", &["cairn-actors", "cairn-repository", "cairn-storage"]),
    ("cairn-testkit", &["cairn-repository", "cairn-storage"]),
    ("cairn-sql", &[]),
    ("cairn-warehouse", &["cairn-pipeline"]),
    ("cairn-frontend", &["cairn-pipeline", "cairn-sql", "cairn-warehouse"]),
    (
        "cairn",
        &[
            "cairn-actors",
            "cairn-frontend",
            "cairn-pipeline",
            "cairn-repository",
            "cairn-sql",
            "cairn-storage",
            "cairn-testkit",
            "cairn-warehouse",
        ],
    ),
    (
        "cairn-bench",
        &[
            "cairn",
            "cairn-actors",
            "cairn-pipeline",
            "cairn-repository",
            "cairn-storage",
            "cairn-testkit",
        ],
    ),
];

/// Tests of every crate may use this one, whatever its layer.
const TESTKIT: &str = "cairn-testkit";

/// Crates that live in one place, and where. Tests and benchmarks are bound by it as well.
const CONFINED: &[(&str, &[&str])] = &[
    ("actix", &["cairn-actors"]),
    ("anyhow", &["cairn", "cairn-bench"]),
    ("blake3", &["cairn-repository", "cairn-warehouse", "cairn", "cairn-bench"]),
    ("clap", &["cairn", "cairn-bench"]),
    ("comfy-table", &["cairn", "cairn-bench"]),
    ("criterion", &["cairn-bench"]),
    ("crossbeam-channel", &["cairn-actors"]),
    // The harness compares queries with those of plain DataFusion.
    ("datafusion", &["cairn-warehouse", "cairn-frontend", "cairn-bench"]),
    ("fastcdc", &["cairn-repository", "cairn-bench"]),
    ("hdfs-native", &["cairn-storage"]),
    ("indicatif", &["cairn", "cairn-bench"]),
    ("metrics-exporter-prometheus", &["cairn"]),
    ("mysql", &["cairn-bench"]),
    ("rayon", &["cairn-actors"]),
    ("redb", &["cairn-warehouse"]),
    ("rusoto_core", &["cairn-storage"]),
    ("rusoto_s3", &["cairn-storage"]),
    ("rustyline", &["cairn"]),
    ("tracing-subscriber", &["cairn", "cairn-bench"]),
    ("zstd", &["cairn-repository", "cairn-bench"]),
];

/// Examples and tests that are hosts themselves, and what they use as such.
const AS_HOST: &[(&str, &[&str])] =
    &[("cairn-pipeline", &["metrics-exporter-prometheus", "tracing-subscriber"])];

/// Crates above the storage that must get its core only: which backends exist is the embedder's choice.
const CORE_OF_STORAGE_ONLY: &[&str] = &["cairn-repository", "cairn-actors", "cairn-testkit"];

/// Files of `actors/src` that hold a stage.
const STAGES: &[&str] = &[
    "snapshot",
    "chunker",
    "checksum",
    "uploader",
    "committer",
    "fetcher",
    "verifier",
    "installer",
    "tally",
];

/// Files of `actors/src` that know stages: the wiring, and the list of what is public.
const WIRING: &[&str] = &["lib.rs", "topology.rs"];

/// Modules of `host/frontend/src`, each of which may use those of the lines before.
const FLOORS: &[&[&str]] = &[
    &["clock", "mysql", "quote"],
    &["connections", "refresh", "refusal"],
    &["blocking", "repository", "settings"],
    &["account"],
    &["job"],
    &["frontend"],
    &["operator", "session", "sweep"],
    &["execute"],
    &["service"],
];

/// Names of files that gather what has no home.
const HOMELESS: &[&str] =
    &["common", "helper", "helpers", "misc", "prelude", "util", "utils", "manager"];

/// Lists of the names in a table.
fn row<'a>(table: &'a [(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(key, _)| *key == name).map(|(_, names)| *names)
}

#[track_caller]
fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n  {}\n", broken.join("\n  "));
}

#[test]
fn dependencies_among_our_crates_point_downwards() -> Outcome {
    let mut broken = Vec::new();
    for package in packages()? {
        let name = &package.name;
        let Some(allowed) = row(LAYERS, name) else {
            broken.push(format!("{name} has no layer: give it a row in LAYERS of api_surface."));
            continue;
        };
        for dependency in &package.dependencies {
            let target = dependency.name.as_str();
            let for_tests = dependency.kind.as_deref() == Some("dev");
            let is_ours = row(LAYERS, target).is_some();
            if is_ours && !allowed.contains(&target) && !(for_tests && target == TESTKIT) {
                let part = if for_tests { "tests of " } else { "" };
                broken.push(format!(
                    "{part}{name} must not depend on {target}: {name} may use {allowed:?} only."
                ));
            }
        }
    }
    assert_none(&broken);
    Ok(())
}

#[test]
fn third_party_crates_stay_where_they_belong() -> Outcome {
    let mut broken = Vec::new();
    for package in packages()? {
        for dependency in &package.dependencies {
            let (user, used) = (package.name.as_str(), dependency.name.as_str());
            let is_host = dependency.kind.as_deref() == Some("dev")
                && row(AS_HOST, user).is_some_and(|as_host| as_host.contains(&used));
            let confined = row(CONFINED, used).filter(|allowed| !allowed.contains(&user));
            if let Some(allowed) = confined.filter(|_| !is_host) {
                broken.push(format!("{user} must not depend on {used}: only {allowed:?} may."));
            }
        }
    }
    assert_none(&broken);
    Ok(())
}

#[test]
fn layers_above_the_storage_choose_no_backend() -> Outcome {
    let mut broken = Vec::new();
    for package in packages()? {
        let name = &package.name;
        if !CORE_OF_STORAGE_ONLY.contains(&name.as_str()) {
            continue;
        }
        for storage in package.shipped().filter(|dependency| dependency.name == "cairn-storage") {
            if storage.uses_default_features || !storage.features.is_empty() {
                broken.push(format!(
                    "{name} must take cairn-storage without features: backends are the embedder's choice."
                ));
            }
        }
    }
    assert_none(&broken);
    Ok(())
}

#[test]
fn no_shipped_build_has_failpoints() -> Outcome {
    const FEATURE: &str = "failpoints";
    let asks = |features: &[String]| features.iter().any(|feature| feature.ends_with(FEATURE));
    let mut broken = Vec::new();
    for package in packages()? {
        let name = &package.name;
        if package.features.get("default").is_some_and(|features| asks(features)) {
            broken.push(format!("{name} must not have {FEATURE} among its default features."));
        }
        for dependency in package.shipped().filter(|dependency| asks(&dependency.features)) {
            let used = &dependency.name;
            broken.push(format!(
                "{name} must not switch on the {FEATURE} of {used}: forward a feature instead."
            ));
        }
    }
    assert_none(&broken);
    Ok(())
}

#[test]
fn stages_do_not_know_each_other() -> Outcome {
    let sources = root().join("actors/src");
    let mut broken = Vec::new();
    for path in rust_files(&sources)? {
        let file = path.strip_prefix(&sources)?.to_string_lossy().into_owned();
        if WIRING.contains(&file.as_str()) {
            continue;
        }
        let own = file.split(['/', '.']).next().unwrap_or_default();
        let code = without_comments(&fs::read_to_string(&path)?);
        for stage in STAGES.iter().filter(|stage| **stage != own && imports(&code, stage)) {
            broken.push(format!(
                "actors/src/{file} must not use crate::{stage}: move what they share into message/ or a \
                 module of its own. Only {WIRING:?} know stages."
            ));
        }
    }
    for stage in STAGES {
        let file = sources.join(format!("{stage}.rs"));
        if !file.try_exists()? {
            broken.push(format!("actors/src/{stage}.rs is gone: correct STAGES of api_surface."));
        }
    }
    assert_none(&broken);
    Ok(())
}

#[test]
fn modules_of_the_frontend_use_only_those_below() -> Outcome {
    let sources = root().join("host/frontend/src");
    let floor = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let mut broken = Vec::new();
    for path in rust_files(&sources)? {
        let file = path.strip_prefix(&sources)?.to_string_lossy().into_owned();
        let own = file.split(['/', '.']).next().unwrap_or_default();
        if own == "lib" {
            continue;
        }
        let Some(own_floor) = floor(own) else {
            broken.push(format!(
                "host/frontend/src/{file} is on no floor: give {own} one in FLOORS."
            ));
            continue;
        };
        let code = without_comments(&fs::read_to_string(&path)?);
        let not_below = FLOORS.iter().skip(own_floor).copied().flatten();
        for module in not_below.filter(|module| **module != own && imports(&code, module)) {
            broken.push(format!(
                "host/frontend/src/{file} must not use crate::{module}: move what they share below both."
            ));
        }
    }
    assert_none(&broken);
    Ok(())
}

#[test]
fn files_are_named_after_what_they_hold() -> Outcome {
    let mut broken = Vec::new();
    for (file, _) in sources(&["src"])? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let name = if stem == "mod" { folder } else { stem };
        if HOMELESS.contains(&name.as_ref()) {
            let file = file.display();
            broken.push(format!("{file}: a file called {name} has no subject; name the noun."));
        }
    }
    assert_none(&broken);
    Ok(())
}

#[test]
fn crate_roots_hold_docs_and_reexports_only() -> Outcome {
    const LOGIC: &[&str] = &["fn ", "impl ", "struct ", "enum ", "trait "];
    let mut broken = Vec::new();
    for (file, code) in sources(&["src"])? {
        if !file.ends_with("src/lib.rs") {
            continue;
        }
        let logic = code.lines().find(|line| {
            let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
            LOGIC.iter().any(|keyword| line.starts_with(keyword))
        });
        if let Some(line) = logic {
            let (file, line) = (file.display(), line.trim());
            broken.push(format!("{file} holds `{line}`: give it a module with a name."));
        }
    }
    assert_none(&broken);
    Ok(())
}

/// Clippy forbids it too, but a file of asynchronous tests must expect the lint as a whole.
#[test]
fn nobody_sleeps() -> Outcome {
    let sleep = ["thread", "sleep"].join("::");
    let mut broken = Vec::new();
    for (file, code) in sources(&["src", "tests", "benches", "examples"])? {
        if code.contains(&sleep) {
            let file = file.display();
            broken
                .push(format!("{file} sleeps: wait for a condition, a channel or a paused clock."));
        }
    }
    assert_none(&broken);
    Ok(())
}

/// Whether code imports a module of the crate root, alone or in a group.
fn imports(code: &str, module: &str) -> bool {
    let names = |text: &str| {
        text.strip_prefix(module).is_some_and(|rest| {
            !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
        })
    };
    code.match_indices("crate::").any(|(at, prefix)| {
        let rest = code[at + prefix.len()..].trim_start();
        match rest.strip_prefix('{') {
            None => names(rest),
            Some(group) => first_names(group).any(names),
        }
    })
}

/// The parts of a group of imports, up to the brace that closes it: in `a::{b, c}, d}` they are `a::{b`
/// and `d`.
fn first_names(group: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.into_iter().map(str::trim_start)
}

#[test]
fn imports_are_found_in_every_form() {
    assert!(imports("use crate::tally::CheckTally;", "tally"));
    assert!(imports("progress: crate::installer::SegmentProgress,", "installer"));
    assert!(imports(
        "use crate::{\n    edge::{Inlet, Outlet},\n    fetcher::StagedCell,\n};",
        "fetcher"
    ));
    assert!(!imports("use crate::{edge::{fetcher, Inlet}, io};", "fetcher"));
    assert!(!imports("use crate::snapshot_plan::Plan;", "snapshot"));
    assert!(!imports("use cairn_repository::snapshot::Snapshot;", "snapshot"));
}
