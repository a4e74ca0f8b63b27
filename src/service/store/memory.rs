//! A store in memory, for calls without a real one: in tests, in storms, offline, and in a page.

use super::operation::{Operation, Score, listed, ranked, sum};
use crate::clock::Time;
use crate::transport::{Answer, Failure, Request};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A store in memory. Its time is that of the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore {
    /// The values, as the text of their JSON, and when they expire.
    values: BTreeMap<String, (String, Option<Time>)>,
    /// The scores of each board, in the order in which they were reached.
    boards: BTreeMap<String, Vec<(String, Score)>>,
}

impl MemoryStore {
    /// Answers `store_...` and `board_...` at this time.
    pub fn answer(&mut self, request: &Request, now: Time) -> Answer {
        self.values.retain(|_, (_, expires)| expires.is_none_or(|at| at > now));
        Ok(match Operation::of(request)? {
            Operation::Get { key } => match self.values.get(&key) {
                Some((text, _)) => super::operation::parse(&key, text)?,
                None => Value::Null,
            },
            Operation::Put { key, value, expires } => {
                let expires = expires.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                self.values.insert(key, (value, expires.map(|length| now + length)));
                Value::Null
            }
            Operation::Delete { key } => {
                self.values.remove(&key);
                Value::Null
            }
            Operation::Keys { prefix } => {
                listed(self.values.keys().filter(|key| key.starts_with(&prefix)).cloned().collect(), &prefix)?
            }
            Operation::Add { key, n } => {
                let added = if let Some((text, _)) = self.values.get_mut(&key) {
                    let added = sum(&key, text, &n)?;
                    *text = added.to_string();
                    added
                } else {
                    self.values.insert(key, (n.to_string(), None));
                    n
                };
                Value::Number(added)
            }
            Operation::BoardPut { board, name, score } => {
                let entries = self.boards.entry(board).or_default();
                let known = entries.iter().find(|(other, _)| *other == name);
                if known.is_none_or(|(_, best)| best.value < score.value) {
                    entries.retain(|(other, _)| *other != name);
                    entries.push((name, score));
                }
                Value::Null
            }
            Operation::BoardTop { board, n } => {
                let n = usize::try_from(n).unwrap_or(usize::MAX);
                ranked(self.ordered(&board).into_iter().take(n))
            }
            Operation::BoardRank { board, name } => {
                let entries = self.ordered(&board);
                let own = entries.iter().find(|(other, _)| *other == name).map(|(_, score)| score.value);
                let better = |own: f64| entries.iter().filter(|(_, score)| score.value > own).count();
                own.map_or(Value::Null, |own| (better(own) + 1).into())
            }
            _ => return Err(Failure::argument(format!("a store in memory has no `{}`", request.function))),
        })
    }

    /// Puts in what [`contents`](Self::contents) returned.
    ///
    /// # Errors
    /// It can't be stored.
    pub fn fill(&mut self, contents: &Value, now: Time) -> Result<(), Failure> {
        let members = |name: &str| contents.get(name).and_then(Value::as_object).into_iter().flatten();
        for (key, value) in members("values") {
            self.answer(&Request::new("store_put", "").with("key", key.as_str()).with("value", value.clone()), now)?;
        }
        for (board, entries) in members("boards") {
            for entry in entries.as_array().into_iter().flatten() {
                let put = Request::new("board_put", "").with("board", board.as_str());
                self.answer(&put.with("name", entry["name"].clone()).with("score", entry["score"].clone()), now)?;
            }
        }
        Ok(())
    }

    /// Returns all values by their keys, and the entries of all boards, the best first.
    pub fn contents(&self) -> Value {
        let value = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let values: Map<_, _> = self.values.iter().map(|(key, (text, _))| (key.clone(), value(text))).collect();
        let entries = |board: &str| {
            let entry = |(name, score): (String, Score)| json!({ "name": name, "score": score.to_json() });
            self.ordered(board).into_iter().map(entry).collect::<Value>()
        };
        let boards: Map<_, _> = self.boards.keys().map(|board| (board.clone(), entries(board))).collect();
        json!({ "values": values, "boards": boards })
    }

    /// Returns the scores of a board, the best first; the earlier one of two equal ones.
    fn ordered(&self, board: &str) -> Vec<(String, Score)> {
        let mut entries = self.boards.get(board).cloned().unwrap_or_default();
        entries.sort_by(|(_, one), (_, other)| other.value.total_cmp(&one.value));
        entries
    }
}

/// Checks a request as far as that doesn't depend on the operator's settings.
///
/// # Errors
/// Nothing would be stored.
pub(crate) fn check(request: &Request) -> Result<(), Failure> {
    if request.function == "after_call" { Ok(()) } else { Operation::of(request).map(drop) }
}

#[cfg(test)]
#[cfg(feature = "store")]
mod tests {
    use super::super::Store;
    use super::*;
    use crate::clock::wall;
    use crate::service::runtime;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn request() -> impl Strategy<Value = Request> {
        let key = || prop_oneof!["a", "b", "ab", "é", ""];
        let value = prop_oneof![
            any::<i64>().prop_map(Value::from),
            (-3..4_i64).prop_map(Value::from),
            (-2.0..2.0).prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
            Just(Value::Null),
        ];
        let function = prop_oneof![
            "store_get",
            "store_put",
            "store_del",
            "store_keys",
            "store_add",
            "board_put",
            "board_top",
            "board_rank"
        ];
        (function, key(), key(), value).prop_map(|(function, key, name, value)| {
            let n = if function == "board_top" { Value::from(3) } else { value.clone() };
            Request::new(function, "")
                .with("key", key.as_str())
                .with("prefix", key.as_str())
                .with("board", key)
                .with("name", name)
                .with("value", value.clone())
                .with("score", value)
                .with("n", n)
        })
    }

    #[test]
    fn its_contents_fill_another_one() {
        let mut store = MemoryStore::default();
        let ask = |store: &mut MemoryStore, request: Request| store.answer(&request, wall()).unwrap();
        ask(&mut store, Request::new("store_put", "").with("key", "visits").with("value", 3));
        for (name, score) in [("Ann", 7.into()), ("Bob", 9.5.into()), ("Cleo", Value::from(7))] {
            let put = Request::new("board_put", "").with("board", "league").with("name", name);
            ask(&mut store, put.with("score", score));
        }
        let contents = store.contents();
        let entry = |name: &str, score: Value| json!({ "name": name, "score": score });
        let league = json!([entry("Bob", 9.5.into()), entry("Ann", 7.into()), entry("Cleo", 7.into())]);
        assert_eq!(contents, json!({ "values": { "visits": 3 }, "boards": { "league": league } }));
        let mut other = MemoryStore::default();
        other.fill(&contents, wall()).unwrap();
        assert_eq!(other.contents(), contents);
        assert!(other.fill(&json!({ "boards": { "league": [{ "name": "Dan", "score": "many" }] } }), wall()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_answers_as_a_real_store_does(requests in vec(request(), 1..30)) {
            let folder = std::env::temp_dir().join(format!("memory-store-{}-{:?}", std::process::id(), wall()));
            std::fs::create_dir_all(&folder).unwrap();
            let store = Store::new(None, Some(&folder)).unwrap();
            let mut memory = MemoryStore::default();
            for request in requests {
                let real = runtime().unwrap().block_on(store.answer(&request));
                prop_assert_eq!(memory.answer(&request, wall()), real, "{}", request);
            }
            drop(store);
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
}
