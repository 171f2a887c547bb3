//! Modules of a crate that lie side by side import in one direction: no two of them need each other. A folder's face and its
//! parts count as one.
//!
//! Read from the text, as far as that says: `crate::`, `self::` and `super::` paths, followed through the names that a module
//! hands on. Methods are not seen: an `impl` in another file hides what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::workspace::{Outcome, sources};

/// A path from the crate root.
type Names = Vec<String>;

/// The files of one crate.
#[derive(Default, Clone)]
struct Crate {
    code: BTreeMap<Names, String>,
    /// What modules hand on: the module and the name, and where it comes from.
    handed_on: BTreeMap<(Names, String), Names>,
}

impl Crate {
    fn add(&mut self, module: Names, code: &str) {
        let code = shipped(code);
        for (path, name) in pub_uses(&code).flat_map(|(_, path)| spread(path)) {
            self.handed_on.insert((module.clone(), name), absolute(&module, &path));
        }
        self.code.entry(module).or_default().push_str(&code);
    }

    /// The file that holds what a path names.
    fn file_of(&self, path: &[String], depth: usize) -> Option<Names> {
        let longest = (0..=path.len()).rev().find(|end| self.code.contains_key(&path[..*end]))?;
        let (module, rest) = path.split_at(longest);
        let handed_on = rest.first().and_then(|name| {
            let from = self.handed_on.get(&(module.to_vec(), name.clone()))?;
            Some([from.as_slice(), &rest[1..]].concat())
        });
        match handed_on {
            Some(from) if depth < 8 => self.file_of(&from, depth + 1),
            _ => Some(module.to_vec()),
        }
    }

    /// The files that a file imports from, but for those above it and its own parts.
    fn imports_of(&self, module: &Names) -> BTreeSet<Names> {
        let code = &self.code[module];
        let rest = without_hand_overs(code);
        let is_used = |name: &str| {
            rest.split(|next: char| !(next.is_alphanumeric() || next == '_')).any(|it| it == name)
        };
        let handed_on = pub_uses(code).flat_map(|(_, path)| spread(path));
        let handed_on = handed_on.filter(|(_, name)| is_used(name)).map(|(path, _)| path);
        let paths = paths(&rest).into_iter().chain(handed_on);
        let files = paths.filter_map(|path| self.file_of(&absolute(module, &path), 0));
        files.filter(|file| !module.starts_with(file) && !file.starts_with(module)).collect()
    }

    /// Files of which each needs the next, and the last the first.
    fn circle(&self) -> Option<Vec<Names>> {
        let mut left: BTreeMap<&Names, BTreeSet<Names>> =
            self.code.keys().map(|module| (module, self.imports_of(module))).collect();
        // What imports nothing that is left is in no circle.
        loop {
            let standing: BTreeSet<Names> = left.keys().map(|module| (*module).clone()).collect();
            left.values_mut().for_each(|imports| imports.retain(|file| standing.contains(file)));
            let before = left.len();
            left.retain(|_, imports| !imports.is_empty());
            if left.len() == before {
                break;
            }
        }
        let mut way = vec![(*left.keys().next()?).clone()];
        loop {
            let next = left[way.last()?].first()?.clone();
            if let Some(begin) = way.iter().position(|file| *file == next) {
                return Some(way.split_off(begin));
            }
            way.push(next);
        }
    }
}

/// Code without its tests: inline ones end a file, and those in files of their own are no part of it.
fn shipped(code: &str) -> String {
    let mut parts = code.split("#[cfg(test)]\n");
    let mut shipped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_once('\n').unwrap_or((part, ""));
        match first.contains("mod ") {
            true if first.ends_with('{') => break,
            true => shipped.push_str(rest),
            false => shipped.push_str(part),
        }
    }
    shipped
}

/// A path as seen from the crate root.
fn absolute(module: &[String], path: &str) -> Names {
    let mut base = module.to_vec();
    let mut names = path.split("::").peekable();
    match names.next() {
        Some("crate") => base.clear(),
        Some("super") => {
            base.pop();
            while names.next_if_eq(&"super").is_some() {
                base.pop();
            }
        }
        Some("self") | None => {}
        Some(child) => base.push(child.to_owned()),
    }
    base.extend(names.map(str::to_owned));
    base
}

/// Every path in code that begins at the crate, at the module or above it.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for begin in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(begin) {
            let is_word = |before: char| before.is_alphanumeric() || before == '_' || before == ':';
            let before = &code[..at];
            if !before.ends_with(is_word) && !before.ends_with("pub(in ") {
                found.extend(spread(&code[at..]).into_iter().map(|(path, _)| path));
            }
        }
    }
    found
}

fn without_hand_overs(code: &str) -> String {
    let mut rest = code.to_owned();
    for (line, _) in pub_uses(code) {
        rest = rest.replace(line, "");
    }
    rest
}

/// Statements that hand names on: whole, and from the path on.
fn pub_uses(code: &str) -> impl Iterator<Item = (&str, &str)> {
    code.match_indices("pub").filter_map(|(at, _)| {
        let statement = &code[at..at + code[at..].find(';')?];
        let (before, path) = statement.split_once("use ")?;
        let is_visibility = before.trim() == "pub"
            || before.starts_with("pub(") && before.trim_end().ends_with(')');
        is_visibility.then_some((statement, path))
    })
}

/// The single paths of one that may end in groups, and what each is called.
fn spread(text: &str) -> Vec<(String, String)> {
    let end = text.find(|next: char| !(next.is_alphanumeric() || next == '_' || next == ':'));
    let (path, rest) = text.split_at(end.unwrap_or(text.len()));
    let bare = path.trim_end_matches(':');
    let Some(group) = rest.strip_prefix('{').filter(|_| path.ends_with("::")) else {
        let last = rest
            .strip_prefix(" as ")
            .unwrap_or_else(|| bare.rsplit("::").next().unwrap_or_default());
        let name = last.split(|next: char| !(next.is_alphanumeric() || next == '_')).next();
        return vec![(bare.to_owned(), name.unwrap_or_default().to_owned())];
    };
    let parts = crate::first_names(group).map(str::trim).filter(|part| !part.is_empty());
    let parts =
        parts.map(|part| if part == "self" { bare.to_owned() } else { format!("{path}{part}") });
    parts.flat_map(|part| spread(&part)).collect()
}

#[test]
fn modules_side_by_side_import_in_one_direction() -> Outcome {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    for (file, code) in sources(&["src"])? {
        let file = file.to_string_lossy().into_owned();
        let Some((home, below)) = file.split_once("/src/") else { continue };
        let path = Path::new(below).with_extension("");
        let mut module: Names =
            path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        match module.last().map(String::as_str) {
            Some("tests" | "testing") => continue,
            Some("mod" | "lib" | "main") => drop(module.pop()),
            _ => {}
        }
        crates.entry(home.to_owned()).or_default().add(module, &code);
    }
    let circles = crates.iter().filter_map(|(home, files)| Some((home, files.circle()?)));
    let told = circles.map(|(home, circle)| {
        let circle: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
        format!(
            "{home}: {} need each other in a circle: move what they share below all of them.",
            circle.join(" -> ")
        )
    });
    crate::assert_none(&told.collect::<Vec<_>>());
    Ok(())
}

#[test]
fn tests_and_visibility_are_no_imports() {
    let code = "use crate::a::A;\n#[cfg(test)]\nmod tests;\npub(in crate::b) fn c() {}\n#[cfg(test)]\npub(crate) mod more {\nuse crate::d::D;\n}";
    assert_eq!(paths(&shipped(code)), ["crate::a::A"]);
}

#[test]
fn a_circle_is_found() {
    let names = |module: &str| module.split("::").map(str::to_owned).collect::<Names>();
    let mut files = Crate::default();
    files.add(Vec::new(), "mod face;\npub use face::Inner;");
    files.add(names("face"), "mod inner;\npub(crate) use self::inner::{Other, Own as Inner};");
    files.add(names("face::inner"), "use crate::ground::{Ground, more::*};\nstruct Own;");
    files.add(names("ground"), "fn of(it: &str) {}");
    assert_eq!(files.circle(), None);
    let mut circle = files.clone();
    circle.add(names("ground"), "fn of(inner: crate::Inner) {}");
    assert_eq!(circle.circle(), Some(vec![names("face::inner"), names("ground")]));
    // A name that is handed on and used is imported; one that is only handed on is not.
    files.add(names("ground"), "pub use crate::Inner;\n");
    assert_eq!(files.circle(), None);
    files.add(names("ground"), "#[cfg(test)]\nmod tests;\nfn of(it: Inner) {}");
    assert_eq!(files.circle(), Some(vec![names("face::inner"), names("ground")]));
}
