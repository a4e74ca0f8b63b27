//! The variables in scope, found by their names.

use std::collections::HashMap;

/// The variables in scope, by number, the innermost last.
#[derive(Default)]
pub(super) struct Scope {
    variables: Vec<(String, usize)>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Scope {
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    pub fn push(&mut self, name: &str, id: usize) {
        self.variables.push((name.to_owned(), id));
        self.by_name.entry(name.to_owned()).or_default().push(id);
    }

    /// Removes all variables but the outermost ones.
    pub fn truncate(&mut self, length: usize) {
        for (name, _) in self.variables.drain(length.min(self.variables.len())..) {
            if let Some(ids) = self.by_name.get_mut(&name) {
                ids.pop();
            }
        }
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name)?.last().copied()
    }
}
