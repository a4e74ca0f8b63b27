//! What dialplan functions keep in a channel.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Something that was used although the simulator doesn't have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Missing {
    /// An application, by the name the script gave.
    Application(String),
    /// A function of the dialplan.
    Function(String),
    /// A subroutine: context, extension and priority.
    Subroutine(String),
}

/// What dialplan functions keep in a channel.
#[derive(Clone, Debug)]
pub(in crate::pbx) struct Facts {
    /// Values by function and item, both as functions name them: `CDR` and `userfield`.
    items: BTreeMap<(&'static str, String), String>,
    /// The category and name of each group of the channel.
    pub groups: Vec<(String, String)>,
    /// The hash, key and value of each element, the one set last first.
    pub hashes: Vec<(String, String, String)>,
    /// How long `TIMEOUT` makes questions wait for the first key, and for each other one.
    pub response_timeout: Duration,
    pub digit_timeout: Duration,
    /// Values that were declared for functions with these arguments.
    pub declared: BTreeMap<String, String>,
    /// The functions and applications that were used although the simulator doesn't have them.
    pub missing: BTreeSet<Missing>,
}

impl Facts {
    pub fn item(&self, function: &'static str, name: &str) -> Option<&str> {
        self.items.get(&(function, name.to_ascii_lowercase())).map(String::as_str)
    }

    pub fn set_item(&mut self, function: &'static str, name: &str, value: &str) {
        self.items.insert((function, name.to_ascii_lowercase()), value.to_owned());
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            groups: Vec::new(),
            hashes: Vec::new(),
            response_timeout: Duration::from_secs(10),
            digit_timeout: Duration::from_secs(5),
            declared: BTreeMap::new(),
            missing: BTreeSet::new(),
        }
    }
}
