//! Dependencies between source files: no two files depend on each other, directly or through others.
//!
//! A file uses another when it names something that is defined there. Re-exports are looked through: naming
//! `crate::script::Fault` uses `script/fault.rs`, not `script/mod.rs`.

use super::{Source, module, sources, use_paths};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::Visit;

/// Pairs of files that may use each other, and why.
const ALLOWED: [(&str, &str, &str); 0] = [];

/// The files of `src/script/`, the lowest floor first: a file uses only files of lower floors.
const SCRIPT: [&[&str]; 14] = [
    &["extensions", "limits", "names", "rhai_words"],
    &["convert", "function_values", "language", "shown", "usage"],
    &["parse"],
    &["text"],
    &["explain"],
    &["fault", "missing"],
    &["coverage", "import", "phrases", "variables"],
    &["compile"],
    &["inspect"],
    &["state", "library"],
    &["call", "kept"],
    &["bindings", "bounded", "times"],
    &["builtin"],
    &["mod"],
];

/// The path of a module or an item, from the root of its crate.
type ItemPath = Vec<String>;

/// A source file as other files see it.
struct File {
    path: String,
    module: ItemPath,
    /// The paths it imports, and whether others may import them from here.
    imports: Vec<(ItemPath, bool)>,
    /// Other paths it names.
    named: Vec<ItemPath>,
}

struct Uses {
    module: ItemPath,
    children: BTreeSet<String>,
    imports: Vec<(ItemPath, bool)>,
    named: Vec<ItemPath>,
}

impl Uses {
    /// Returns the path from the root of the crate; `None` for a path into another crate.
    fn absolute(&self, path: &[String]) -> Option<ItemPath> {
        let in_program = self.module.first().is_some_and(|first| first == "bin");
        let mut base = self.module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" if in_program => base.truncate(2),
            "crate" => base.clear(),
            "agi_rhai" if in_program => base.clear(),
            "self" => {}
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
                base.extend_from_slice(rest);
                return Some(base);
            }
            child if self.children.contains(child) => {
                base.extend_from_slice(rest);
                return Some(base);
            }
            _ => return None,
        }
        base.extend_from_slice(&rest[1..]);
        Some(base)
    }

    fn name(&mut self, path: &[String]) {
        if path.len() > 1
            && let Some(path) = self.absolute(path)
        {
            self.named.push(path);
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_public = !matches!(item.vis, syn::Visibility::Inherited);
        let mut found = Vec::new();
        use_paths(&item.tree, &[], &mut found);
        for (mut path, _) in found {
            // `use a::b::{self}` imports `a::b`.
            path.pop_if(|last| last == "self");
            self.imports.extend(self.absolute(&path).map(|path| (path, is_public)));
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    /// Whoever may name an item isn't used by it.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.name(&segments);
        syn::visit::visit_path(self, path);
    }

    /// Visits paths in the arguments of a macro, which aren't a syntax tree yet.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string().replace(" :: ", "::");
        for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            let segments: Vec<String> = word.split("::").map(str::to_owned).collect();
            self.name(&segments);
        }
    }
}

fn read(source: &Source) -> File {
    let syntax = syn::parse_file(&source.text).unwrap();
    let children = syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(item) if item.content.is_none() => Some(item.ident.to_string()),
        _ => None,
    });
    let mut uses =
        Uses { module: module(source), children: children.collect(), imports: Vec::new(), named: Vec::new() };
    uses.visit_file(&syntax);
    File { path: source.path.clone(), module: uses.module, imports: uses.imports, named: uses.named }
}

/// Returns the file in which an item is defined.
fn defined_in<'a>(
    files: &'a BTreeMap<ItemPath, File>,
    path: &[String],
    seen: &mut BTreeSet<ItemPath>,
) -> Option<&'a File> {
    let (depth, file) = (0..=path.len()).rev().find_map(|depth| Some((depth, files.get(&path[..depth])?)))?;
    let Some(name) = path.get(depth) else { return Some(file) };
    let imported = file.imports.iter().map(|(path, _)| path).find(|path| path.last() == Some(name));
    match imported {
        Some(origin) if seen.insert(path[..=depth].to_vec()) => defined_in(files, origin, seen).or(Some(file)),
        _ => Some(file),
    }
}

/// Returns which file uses which, and by which name.
fn uses() -> BTreeMap<String, BTreeMap<String, String>> {
    let files: BTreeMap<ItemPath, File> =
        sources(&["src"]).iter().map(read).map(|file| (file.module.clone(), file)).collect();
    let mut uses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for file in files.values().filter(|file| file.path != "src/lib.rs") {
        let private = file.imports.iter().filter(|(_, is_public)| !is_public).map(|(path, _)| path);
        for path in private.chain(&file.named) {
            let Some(other) = defined_in(&files, path, &mut BTreeSet::new()) else { continue };
            if other.path != file.path && other.path != "src/lib.rs" {
                let used = uses.entry(file.path.clone()).or_default();
                used.entry(other.path.clone()).or_insert_with(|| path.join("::"));
            }
        }
    }
    uses
}

/// Returns a circle of files, if there is one: each uses the next, and the last uses the first.
fn circle(uses: &BTreeMap<String, BTreeMap<String, String>>) -> Option<Vec<String>> {
    fn walk(
        uses: &BTreeMap<String, BTreeMap<String, String>>,
        file: &str,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = way.iter().position(|earlier| earlier == file) {
            return Some(way[at..].to_vec());
        }
        if done.contains(file) {
            return None;
        }
        way.push(file.to_owned());
        let is_allowed = |other: &str| {
            let pair = |one: &str, two: &str| ALLOWED.iter().any(|(a, b, _)| (*a, *b) == (one, two));
            pair(file, other) || pair(other, file)
        };
        let found = uses
            .get(file)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .filter(|other| !is_allowed(other))
            .find_map(|other| walk(uses, other, way, done));
        way.pop();
        done.insert(file.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|file| walk(uses, file, &mut Vec::new(), &mut done))
}

#[test]
fn files_do_not_use_each_other_in_a_circle() {
    let uses = uses();
    assert!(uses.len() > 100, "only {} files use others: is the search broken?", uses.len());
    if let Some(circle) = circle(&uses) {
        let next = circle.iter().cycle().skip(1);
        let steps: Vec<String> = circle
            .iter()
            .zip(next)
            .map(|(file, next)| format!("  {file} uses {next} ({})", uses[file][next]))
            .collect();
        panic!("files that use each other in a circle:\n{}", steps.join("\n"));
    }
}

#[test]
fn a_script_file_uses_only_lower_floors() {
    let floor = |path: &str| {
        // A folder is on one floor, with all its files.
        let name = path.strip_prefix("src/script/")?.trim_end_matches(".rs");
        let name = name.split('/').next().unwrap_or(name);
        let floor = SCRIPT.iter().position(|floor| floor.contains(&name));
        Some(floor.unwrap_or_else(|| panic!("{path} is on no floor: name it in {}", file!())))
    };
    let mut wrong = Vec::new();
    for (file, used) in uses() {
        let Some(own) = floor(&file) else { continue };
        for (other, name) in used {
            let is_within = |path: &str| {
                path.strip_prefix("src/script/")
                    .and_then(|path| path.split_once('/'))
                    .map(|(folder, _)| folder.to_owned())
            };
            let in_one_folder = is_within(&file).is_some() && is_within(&file) == is_within(&other);
            if !in_one_folder && floor(&other).is_some_and(|other| other >= own) {
                wrong.push(format!("{file} uses {other} ({name})"));
            }
        }
    }
    assert!(wrong.is_empty(), "a file of src/script/ uses only lower floors:\n{}", wrong.join("\n"));
}
