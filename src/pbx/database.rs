//! `AstDB`: families of keys and values that outlive the call.

use crate::sync::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The simulated `AstDB`. Clones share one database, so it survives from call to call, and a test can look at it.
///
/// As in Asterisk 22, a key is the text `/family/key` of any length; `a/b` with `c` is the same as `a` with `b/c`.
#[derive(Clone, Debug, Default)]
pub struct Database(Arc<Mutex<BTreeMap<String, String>>>);

impl Database {
    /// Returns an empty database.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, family: &str, key: &str) -> Option<String> {
        self.lock().get(&full_key(family, key)).cloned()
    }

    /// Stores a value, which always succeeds.
    #[expect(clippy::must_use_candidate, reason = "it always succeeds here")]
    pub fn put(&self, family: &str, key: &str, value: &str) -> bool {
        self.lock().insert(full_key(family, key), value.to_owned());
        true
    }

    /// Deletes a key. Returns true even if it didn't exist, since Asterisk doesn't treat that as an error.
    #[expect(clippy::must_use_candidate, reason = "it always succeeds here")]
    pub fn del(&self, family: &str, key: &str) -> bool {
        self.lock().remove(&full_key(family, key));
        true
    }

    /// Deletes all keys of a family, or those below one part of it, and returns how many there were. An empty family
    /// means the whole database, except together with a part.
    #[expect(clippy::must_use_candidate, reason = "usually called for its effect")]
    pub fn deltree(&self, family: &str, tree: Option<&str>) -> usize {
        let tree = tree.filter(|tree| !tree.is_empty());
        let prefix = match (family, tree) {
            ("", Some(_)) => return 0,
            ("", None) => String::new(),
            (_, Some(tree)) => full_key(family, tree),
            (_, None) => format!("/{family}"),
        };
        let mut entries = self.lock();
        let before = entries.len();
        // Deletes the key itself and the keys below it, but not family `fame` for `fam`. Case doesn't matter, since
        // Asterisk uses LIKE (whose `%` and `_` aren't simulated).
        entries.retain(|key, _| match key.as_bytes().split_at_checked(prefix.len()) {
            Some((start, rest)) => {
                !(start.eq_ignore_ascii_case(prefix.as_bytes()) && (rest.is_empty() || rest.starts_with(b"/")))
            }
            None => true,
        });
        before - entries.len()
    }

    /// Returns all entries as `/family/key` and value, sorted.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, String)> {
        self.lock().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // The map is consistent after every change, so a panic elsewhere cannot spoil it.
        lock(&self.0)
    }
}

fn full_key(family: &str, key: &str) -> String {
    format!("/{family}/{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(family: &str, tree: Option<&str>, left: &str) {
        let database = Database::new();
        for (family, key) in [("a", "b"), ("a", "c/d"), ("ab", "c")] {
            assert!(database.clone().put(family, key, "x"));
        }
        let deleted = database.deltree(family, tree);
        let keys: Vec<_> = database.entries().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys.join(" "), left);
        assert_eq!(deleted, 3 - keys.len());
    }

    #[test]
    fn deltree_takes_whole_names() {
        check("a", None, "/ab/c");
        check("a", Some("c"), "/a/b /ab/c");
        check("a/c", Some(""), "/a/b /ab/c");
        check("", None, "");
        check("", Some("c"), "/a/b /a/c/d /ab/c");
        check("A", Some("B"), "/a/c/d /ab/c");
        check("x", None, "/a/b /a/c/d /ab/c");
    }

    #[test]
    fn values_come_back() {
        let database = Database::new();
        assert_eq!(database.get("f", "k"), None);
        assert!(database.put("f", "k", "v") && database.put("f", "k", "w"));
        assert_eq!(database.get("f", "k").unwrap(), "w");
        assert!(database.del("f", "k") && database.del("f", "k"));
        assert_eq!(database.get("f", "k"), None);
    }
}
