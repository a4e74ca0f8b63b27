//! The names of services, and how they differ between two versions of the file.

use super::{AT_ONCE, Settings};
use crate::agi::printable;
use crate::service::callout::{check_target, needs_spool};
use crate::service::patterns::matches;
use std::collections::BTreeMap;

impl Settings {
    /// Returns the names of the services in a table of the file, such as `http`.
    #[must_use]
    pub fn names_in(&self, table: &str) -> Vec<&str> {
        match table {
            "http" => self.http.keys().map(String::as_str).collect(),
            "sql" => self.sql.keys().map(String::as_str).collect(),
            "mail" => self.mail.keys().map(String::as_str).collect(),
            "program" => self.program.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Says why a function of scripts may not ask this service, if the operator doesn't allow it; and what is allowed.
    pub(crate) fn refuses(&self, function: &str, table: &str, name: &str) -> Option<(String, Option<String>)> {
        match table {
            "http" => {
                let allowed = self.http.get(name)?.methods.as_ref()?;
                let method = function.strip_prefix("http_")?.to_uppercase();
                let is_allowed = allowed.contains(&method);
                let message = format!("`methods` of `[http.{name}]` doesn't allow {method}");
                (!is_allowed).then(|| (message, Some(format!("it allows {}", allowed.join(", ")))))
            }
            "sql" if function == "sql_run" && self.sql.get(name)?.read_only => {
                Some((format!("`[sql.{name}]` is `read_only`"), None))
            }
            _ => None,
        }
    }

    /// Says why scripts may not call this channel, or any, if the operator doesn't allow it; and what is allowed.
    pub(crate) fn refuses_call(&self, target: Option<&str>) -> Option<(String, Option<String>)> {
        let Some(callout) = &self.callout else {
            return Some(("agi-rhai.toml has no `[callout]`, so scripts may call nobody".to_owned(), None));
        };
        let failure = check_target(target?, &callout.targets).err()?;
        Some((failure.message, Some(format!("`targets` of `[callout]` allows {}", callout.targets.join(", ")))))
    }

    /// Says why scripts may not give this option of `call_out`, which only a call file knows.
    pub(crate) fn refuses_option(&self, name: &str) -> Option<(String, Option<String>)> {
        self.callout.as_ref()?.manager.as_ref().map(|_| (needs_spool(name), None))
    }

    /// Says why scripts may not write to this address by this mail server, if the operator doesn't allow it; and what
    /// is allowed.
    pub(crate) fn refuses_recipient(&self, name: &str, to: &str) -> Option<(String, Option<String>)> {
        let allowed = &self.mail.get(name)?.to;
        // `Ann <ann@example.net>`
        let address =
            to.rsplit_once('<').map_or(to, |(_, address)| address.trim_end_matches('>')).trim().to_lowercase();
        if allowed.iter().any(|pattern| matches(&pattern.to_lowercase(), &address)) {
            return None;
        }
        let message = format!("`{}` may not be written to", printable(&address));
        Some((message, Some(format!("`to` of `[mail.{name}]` allows {}", allowed.join(", ")))))
    }

    /// Returns the full names of the services, and how many requests to each may be on their way at a time.
    pub(crate) fn limits(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let mut add = |kind: &str, name: &str, limit: Option<usize>| {
            found.push((format!("{kind}.{name}"), limit.unwrap_or(AT_ONCE)));
        };
        self.http.iter().for_each(|(name, service)| add("http", name, service.at_once));
        self.sql.iter().for_each(|(name, service)| add("sql", name, service.at_once));
        self.mail.iter().for_each(|(name, service)| add("mail", name, service.at_once));
        self.program.iter().for_each(|(name, service)| add("program", name, service.at_once));
        found.extend(self.store.iter().map(|store| ("store".to_owned(), store.at_once.unwrap_or(AT_ONCE))));
        found.extend(self.callout.iter().map(|_| ("callout".to_owned(), AT_ONCE)));
        let engines = self.speech.iter().flat_map(|speech| &speech.tts);
        found.extend(engines.map(|(name, engine)| (format!("speech.tts.{name}"), engine.at_once.unwrap_or(AT_ONCE))));
        let engines = self.speech.iter().flat_map(|speech| &speech.stt);
        found.extend(engines.map(|(name, engine)| (format!("speech.stt.{name}"), engine.at_once.unwrap_or(AT_ONCE))));
        found
    }

    /// Says which services differ from those of before, by name: `http.weather changed`.
    pub(crate) fn differences(&self, before: &Self) -> Vec<String> {
        let mut found = Vec::new();
        named(&mut found, "http", &before.http, &self.http);
        named(&mut found, "sql", &before.sql, &self.sql);
        one(&mut found, "store", before.store.as_ref(), self.store.as_ref());
        named(&mut found, "mail", &before.mail, &self.mail);
        named(&mut found, "program", &before.program, &self.program);
        one(&mut found, "callout", before.callout.as_ref(), self.callout.as_ref());
        named(&mut found, "manager", &before.manager, &self.manager);
        one(&mut found, "speech", before.speech.as_ref(), self.speech.as_ref());
        found
    }
}

fn named<T: PartialEq>(found: &mut Vec<String>, kind: &str, before: &BTreeMap<String, T>, now: &BTreeMap<String, T>) {
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        found.push(format!("{kind}.{name} removed"));
    }
    for (name, service) in now {
        one(found, &format!("{kind}.{name}"), before.get(name), Some(service));
    }
}

fn one<T: PartialEq>(found: &mut Vec<String>, name: &str, before: Option<&T>, now: Option<&T>) {
    match (before, now) {
        (None, Some(_)) => found.push(format!("{name} added")),
        (Some(_), None) => found.push(format!("{name} removed")),
        (before, now) if before != now => found.push(format!("{name} changed")),
        _ => {}
    }
}
