//! A restore that ends at any point of its installation leaves the old or the new state (R10).

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::support::*;
use cairn_actors::tablet::{SelectedItem, Selection, TabletSink, TabletSource};
use cairn_pipeline::directory::{DirectorySink, DirectorySource, SwitchPoint};

/// How much a restore takes.
#[derive(Debug, Clone, Copy)]
enum Extent {
    /// Everything, as whole objects.
    Whole,
    /// Two partitions and the loose files of one table.
    Partitions,
}

const EXTENTS: [Extent; 2] = [Extent::Whole, Extent::Partitions];

impl Extent {
    fn selection(self) -> Selection {
        let names = ["", "p", "q"].map(ToOwned::to_owned).to_vec();
        match self {
            Self::Whole => Selection::everything(),
            Self::Partitions => Selection {
                items: vec![SelectedItem {
                    database: "db".to_owned(),
                    object: Some("t".to_owned()),
                    partitions: Some(names),
                }],
            },
        }
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Whole)
    }
}

/// A warehouse that differs from the sample in every way that the switch knows.
fn old_state(root: &Path) {
    sample(root);
    write(root.join("loose.txt"), "old in the root");
    write(root.join("old.txt"), "old in the root, to be removed");
    write(root.join("db/old.txt"), "old in the database, to be removed");
    write(root.join("db/t/old.txt"), "old in the table, to be removed");
    link("old", root.join("db/t/old link"));
    write(root.join("db/t/p/b/0.dat"), "old in the tablet");
    write(root.join("db/t/p/old/0.dat"), "old tablet");
    fs::remove_dir_all(root.join("db/t/q")).unwrap();
    fs::remove_dir_all(root.join("db/u")).unwrap();
    fs::remove_dir_all(root.join("nothing")).unwrap();
    fs::remove_file(root.join("db/t/loose.txt")).unwrap();
    write(root.join("kept/t/p/b/0.dat"), "not in the snapshot");
}

/// Where one case happens.
struct Scene {
    place: tempfile::TempDir,
    old: Tree,
    new: Tree,
}

impl Scene {
    fn new(place: tempfile::TempDir, extent: Extent) -> Self {
        sample(&place.path().join("from"));
        old_state(&place.path().join("to"));
        let old = tree(&place.path().join("to"));
        let reference = place.path().join("reference");
        old_state(&reference);
        copy(&place.path().join("from"), &extent.selection(), &reference, extent.is_whole())
            .unwrap();
        let new = tree(&reference);
        assert_ne!(old, new);
        Self { place, old, new }
    }

    fn root(&self) -> std::path::PathBuf {
        self.place.path().join("to")
    }

    /// Immediately after the crash, each thing that moves as one is old or new.
    fn check_before_recovery(&self, point: SwitchPoint) {
        let now = tree(&self.root());
        for moved in ["db/t/p", "db/t/q", "db/u", "nothing", "loose.txt", "old.txt", "db/old.txt"] {
            let part = |whole: &Tree| -> Tree {
                let inside = |path: &str| path == moved || path.starts_with(&format!("{moved}/"));
                let entries = whole.iter().filter(|(path, _)| inside(path));
                entries.map(|(path, node)| (path.clone(), node.clone())).collect()
            };
            let (now, old, new) = (part(&now), part(&self.old), part(&self.new));
            assert!(now == old || now == new, "{moved} is a mixture at {}", point.name());
        }
    }

    /// Once the warehouse is opened again everything is old, or everything is new. What was staged waits for the next restore.
    fn check_after_recovery(&self, point: SwitchPoint) {
        let mut now = tree(&self.root());
        let expected = match point {
            SwitchPoint::BeforeSwitchFile => &self.old,
            _ => &self.new,
        };
        if point == SwitchPoint::BeforeSwitchFile {
            now.retain(|path, _| !path.starts_with(".cairn"));
        }
        assert_eq!(&now, expected, "{}", point.name());
    }
}

fn for_each_case(case: impl Fn(Scene, Extent, SwitchPoint)) {
    for extent in EXTENTS {
        for point in SwitchPoint::ALL {
            for place in places() {
                case(Scene::new(place, extent), extent, point);
            }
        }
    }
}

/// Stages a restore and runs its installation into the given hook.
fn restore_until(place: &Path, extent: Extent, point: SwitchPoint, end: fn()) {
    let sink = DirectorySink::open(place.join("to")).unwrap().with_switch_hook(at(point, end));
    let staged = stage(&place.join("from"), &extent.selection(), &sink, extent.is_whole()).unwrap();
    staged.install().unwrap();
}

#[test]
fn panic_at_any_point_leaves_old_or_new() {
    for_each_case(|scene, extent, point| {
        let end = || std::panic::resume_unwind(Box::new("planned"));
        let place = scene.place.path();
        let ended = catch_unwind(AssertUnwindSafe(|| restore_until(place, extent, point, end)));
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"planned"), "{}", point.name());
        scene.check_before_recovery(point);
        DirectorySource::open(scene.root()).unwrap();
        scene.check_after_recovery(point);
    });
}

#[test]
fn death_of_the_process_at_any_point_leaves_old_or_new() {
    for_each_case(|scene, extent, point| {
        fs::write(scene.place.path().join("case"), format!("{extent:?} {}", point.name())).unwrap();
        let output = run_child(&[], "crash::in_another_process_die", scene.place.path());
        assert_eq!(output.status.code(), None, "{output:?}");
        scene.check_before_recovery(point);
        assert!(scene.root().join(".cairn").try_exists().unwrap());
        DirectorySink::open(scene.root()).unwrap();
        scene.check_after_recovery(point);
        // And the warehouse takes the same restore again.
        copy(
            &scene.place.path().join("from"),
            &extent.selection(),
            &scene.root(),
            extent.is_whole(),
        )
        .unwrap();
        assert_eq!(tree(&scene.root()), scene.new);
    });
}

#[test]
fn source_that_was_open_before_a_crash_lists_old_or_new() {
    for_each_case(|scene, extent, point| {
        let source = DirectorySource::open(scene.root()).unwrap();
        fs::write(scene.place.path().join("case"), format!("{extent:?} {}", point.name())).unwrap();
        run_child(&[], "crash::in_another_process_die", scene.place.path());
        let copied = scene.place.path().join("copied");
        let view = source.snapshot(&Selection::everything()).unwrap();
        let sink = DirectorySink::open(&copied).unwrap();
        let staged = sink.begin(plan(&*view, "copy", true)).unwrap();
        fill(&*view, &*staged).unwrap();
        staged.install().unwrap();
        drop((staged, view));
        let expected = if point == SwitchPoint::BeforeSwitchFile { &scene.old } else { &scene.new };
        assert_eq!(&tree(&copied), expected, "{}", point.name());
    });
}

#[test]
#[ignore = "run by the tests above"]
fn in_another_process_die() {
    let place = child_root();
    let case = fs::read_to_string(place.join("case")).unwrap();
    let (extent, point) = case.split_once(' ').unwrap();
    let extent = EXTENTS.into_iter().find(|e| format!("{e:?}") == extent).unwrap();
    let point = SwitchPoint::ALL.into_iter().find(|p| p.name() == point).unwrap();
    restore_until(&place, extent, point, || std::process::abort());
}

#[test]
fn view_that_is_taken_during_a_switch_waits_for_its_end() {
    for place in places() {
        let scene = Scene::new(place, Extent::Whole);
        let copied = scene.place.path().join("copied");
        let (began, begun) = std::sync::mpsc::sync_channel(1);
        let viewer = {
            let (root, copied) = (scene.root(), copied.clone());
            let source = DirectorySource::open(root).unwrap();
            std::thread::spawn(move || {
                begun.recv().unwrap();
                let view = source.snapshot(&Selection::everything()).unwrap();
                let sink = DirectorySink::open(&copied).unwrap();
                let staged = sink.begin(plan(&*view, "copy", true)).unwrap();
                fill(&*view, &*staged).unwrap();
                staged.install().unwrap();
            })
        };
        let hook = at(SwitchPoint::AfterFirstMove, move || began.send(()).unwrap());
        let sink = DirectorySink::open(scene.root()).unwrap().with_switch_hook(hook);
        let staged =
            stage(&scene.place.path().join("from"), &Selection::everything(), &sink, true).unwrap();
        staged.install().unwrap();
        drop(staged);
        viewer.join().unwrap();
        assert_eq!(tree(&copied), scene.new);
    }
}

#[test]
fn interrupted_recovery_is_repeated() {
    let scene = Scene::new(tempfile::tempdir().unwrap(), Extent::Whole);
    fs::write(scene.place.path().join("case"), "Whole after-switch-file").unwrap();
    run_child(&[], "crash::in_another_process_die", scene.place.path());
    // A recovery that came as far as the first of the moves.
    let hidden = scene.root().join(".cairn/restore/job");
    assert!(hidden.join("switch").is_file());
    fs::rename(hidden.join("new/nothing"), scene.root().join("nothing")).unwrap();
    DirectorySource::open(scene.root()).unwrap();
    scene.check_after_recovery(SwitchPoint::AfterSwitchFile);
}

#[test]
fn torn_commit_record_counts_as_none() {
    let scene = Scene::new(tempfile::tempdir().unwrap(), Extent::Whole);
    fs::write(scene.place.path().join("case"), "Whole after-switch-file").unwrap();
    run_child(&[], "crash::in_another_process_die", scene.place.path());
    let record = scene.root().join(".cairn/restore/job/switch");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, &whole[..whole.len() - 1]).unwrap();
    DirectorySource::open(scene.root()).unwrap();
    scene.check_after_recovery(SwitchPoint::BeforeSwitchFile);
}

#[test]
fn every_point_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> =
        SwitchPoint::ALL.iter().map(|point| point.name()).collect();
    assert_eq!(names.len(), SwitchPoint::ALL.len());
}
