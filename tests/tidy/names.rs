//! The public names of the crate, generated from the source and compared with the page in the docs, so that a change of
//! what embedders build on is seen in review.

use super::{module, sources, use_paths};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A module of the crate: the items in it, by its path.
type Modules = BTreeMap<Vec<String>, Vec<syn::Item>>;

fn modules() -> Modules {
    let sources = sources(&["src"]);
    let library = sources.iter().filter(|source| !source.path.starts_with("src/bin/"));
    let mut modules = Modules::new();
    for source in library {
        add(&mut modules, module(source), syn::parse_file(&source.text).unwrap().items);
    }
    modules
}

/// Adds a module and the modules written inside it.
fn add(modules: &mut Modules, path: Vec<String>, items: Vec<syn::Item>) {
    for item in &items {
        if let syn::Item::Mod(inner) = item
            && let Some((_, items)) = &inner.content
        {
            let path = [path.clone(), vec![inner.ident.to_string()]].concat();
            add(modules, path, items.clone());
        }
    }
    modules.insert(path, items);
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

fn has(attributes: &[syn::Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident(name))
}

/// Whether an item is left out of the documentation, or compiled only for tests.
fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let says = |word: &str| attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident(word));
        (attribute.path().is_ident("doc") && says("hidden")) || (attribute.path().is_ident("cfg") && says("test"))
    })
}

struct Names<'a> {
    modules: &'a Modules,
    lines: BTreeSet<String>,
}

impl Names<'_> {
    /// Returns the module and the item that a path names, seen from this module. Re-exports are looked through.
    fn find(&self, from: &[String], path: &[String]) -> Option<(Vec<String>, Option<&syn::Item>)> {
        let mut at = from.to_vec();
        for (n, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                name => {
                    let inner = [at.clone(), vec![name.to_owned()]].concat();
                    if self.modules.contains_key(&inner) {
                        at = inner;
                        continue;
                    }
                    if n + 1 < path.len() {
                        return None;
                    }
                    return self.item(&at, name);
                }
            }
        }
        Some((at, None))
    }

    fn item(&self, module: &[String], name: &str) -> Option<(Vec<String>, Option<&syn::Item>)> {
        for item in self.modules.get(module)? {
            let ident = match item {
                syn::Item::Struct(item) => &item.ident,
                syn::Item::Enum(item) => &item.ident,
                syn::Item::Trait(item) => &item.ident,
                syn::Item::Fn(item) => &item.sig.ident,
                syn::Item::Const(item) => &item.ident,
                syn::Item::Static(item) => &item.ident,
                syn::Item::Type(item) => &item.ident,
                syn::Item::Use(item) => {
                    let mut found = Vec::new();
                    use_paths(&item.tree, &[], &mut found);
                    let named = found.iter().find(|(_, as_name)| as_name == name);
                    match named {
                        // `pub use rhai;` names another crate.
                        Some((path, _)) if path.len() == 1 && path[0] == name => return None,
                        Some((path, _)) => return self.find(module, path),
                        None => continue,
                    }
                }
                _ => continue,
            };
            if ident == name {
                return Some((module.to_vec(), Some(item)));
            }
        }
        None
    }

    fn module(&mut self, path: &[String], shown: &str) {
        let Some(items) = self.modules.get(path) else { return };
        for item in items {
            match item {
                syn::Item::Mod(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                    let shown = format!("{shown}::{}", item.ident);
                    self.lines.insert(format!("{shown} (module)"));
                    self.module(&[path.to_vec(), vec![item.ident.to_string()]].concat(), &shown);
                }
                syn::Item::Use(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                    let mut found = Vec::new();
                    use_paths(&item.tree, &[], &mut found);
                    for (origin, name) in found {
                        self.import(path, &origin, &name, shown);
                    }
                }
                item => self.define(path, item, None, shown),
            }
        }
    }

    fn import(&mut self, path: &[String], origin: &[String], name: &str, shown: &str) {
        match self.find(path, origin) {
            Some((module, Some(item))) => {
                let item = item.clone();
                self.define(&module, &item, Some(name), shown);
            }
            Some((module, None)) if name == "*" => self.module(&module, shown),
            Some((module, None)) => self.module(&module, &format!("{shown}::{name}")),
            // Of another crate.
            None => drop(self.lines.insert(format!("{shown}::{name} (of {})", origin[0]))),
        }
    }

    /// Adds an item, if it is public, and its members that can be named.
    fn define(&mut self, module: &[String], item: &syn::Item, name: Option<&str>, shown: &str) {
        let (visibility, attributes, ident, kind) = match item {
            syn::Item::Struct(item) => (&item.vis, &item.attrs, &item.ident, "struct"),
            syn::Item::Enum(item) => (&item.vis, &item.attrs, &item.ident, "enum"),
            syn::Item::Trait(item) => (&item.vis, &item.attrs, &item.ident, "trait"),
            syn::Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident, "function"),
            syn::Item::Const(item) => (&item.vis, &item.attrs, &item.ident, "constant"),
            syn::Item::Static(item) => (&item.vis, &item.attrs, &item.ident, "static"),
            syn::Item::Type(item) => (&item.vis, &item.attrs, &item.ident, "type"),
            _ => return,
        };
        if !is_public(visibility) || is_hidden(attributes) {
            return;
        }
        let own = ident.to_string();
        let shown = format!("{shown}::{}", name.unwrap_or(&own));
        let open = if has(attributes, "non_exhaustive") { ", non-exhaustive" } else { "" };
        self.lines.insert(format!("{shown} ({kind}{open})"));
        match item {
            syn::Item::Struct(item) => {
                let fields = item.fields.iter().filter(|field| is_public(&field.vis) && !is_hidden(&field.attrs));
                for (at, field) in fields.enumerate() {
                    let name = field.ident.as_ref().map_or_else(|| at.to_string(), ToString::to_string);
                    self.lines.insert(format!("{shown}.{name}"));
                }
                self.methods(module, &own, &shown);
            }
            syn::Item::Enum(item) => {
                for variant in item.variants.iter().filter(|variant| !is_hidden(&variant.attrs)) {
                    self.lines.insert(format!("{shown}::{} (variant)", variant.ident));
                }
                self.methods(module, &own, &shown);
            }
            syn::Item::Trait(item) => {
                for item in &item.items {
                    if let syn::TraitItem::Fn(method) = item {
                        let provided = if method.default.is_some() { " (provided)" } else { "" };
                        self.lines.insert(format!("{shown}::{}(){provided}", method.sig.ident));
                    }
                }
            }
            _ => {}
        }
    }

    /// Adds the public methods of a type, wherever in the crate they are written.
    fn methods(&mut self, module: &[String], name: &str, shown: &str) {
        let mut lines = Vec::new();
        for (path, items) in self.modules {
            for item in items {
                let syn::Item::Impl(item) = item else { continue };
                let (None, syn::Type::Path(of)) = (&item.trait_, &*item.self_ty) else { continue };
                let of: Vec<String> = of.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                if of.last().is_none_or(|last| last != name) || is_hidden(&item.attrs) {
                    continue;
                }
                let is_it = self.find(path, &of).is_some_and(|(found, _)| found == module);
                for method in item.items.iter().filter(|_| is_it) {
                    match method {
                        syn::ImplItem::Fn(method) if is_public(&method.vis) && !is_hidden(&method.attrs) => {
                            lines.push(format!("{shown}::{}()", method.sig.ident));
                        }
                        syn::ImplItem::Const(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                            lines.push(format!("{shown}::{}", item.ident));
                        }
                        _ => {}
                    }
                }
            }
        }
        self.lines.extend(lines);
    }
}

fn page() -> String {
    let modules = modules();
    let mut names = Names { modules: &modules, lines: BTreeSet::new() };
    names.module(&[], "agi_rhai");
    let mut page = String::from(
        "# Public names\n\n\
         What a program that embeds agi-rhai can name. Generated from the source, so that a change of it shows in a review;\n\
         refresh it with `AGI_RHAI_BLESS=1 cargo test --test main names::`. The documentation of each is what\n\
         `cargo doc --open` shows. Names in `agi_rhai::internals` are for the program `agi-rhai` and may change at any time.\n\n",
    );
    let _ = writeln!(page, "```text\n{}\n```", names.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n"));
    page
}

#[test]
fn the_public_names_match_the_page() {
    let page = page();
    assert!(page.lines().count() > 100, "is the search broken?");
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/public-names.md");
    if std::env::var_os("AGI_RHAI_BLESS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    if page != written {
        let (now, before): (BTreeSet<&str>, BTreeSet<&str>) = (page.lines().collect(), written.lines().collect());
        let show = |lines: Vec<&&str>| lines.into_iter().map(|line| format!("  {line}\n")).collect::<String>();
        panic!(
            "docs/public-names.md is not up to date; refresh it with AGI_RHAI_BLESS=1.\nNew names:\n{}Gone:\n{}",
            show(now.difference(&before).collect()),
            show(before.difference(&now).collect()),
        );
    }
}
