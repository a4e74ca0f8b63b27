//! A store in memory, which a test and the scripts it calls share.

use crate::clock::Time;
use crate::transport::{Answer, Failure, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A store in memory. Its time is that of the call or test.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestStore {
    /// The values, and when they expire.
    values: BTreeMap<String, (Value, Option<Time>)>,
    /// The scores of each board, in the order in which they were reached.
    boards: BTreeMap<String, Vec<(String, Value)>>,
}

impl TestStore {
    /// Answers a request that was [checked](crate::service::check).
    pub fn answer(&mut self, request: &Request, now: Time) -> Answer {
        self.values.retain(|_, (_, expires)| expires.is_none_or(|at| at > now));
        let key = request.text("key");
        Ok(match request.function.as_str() {
            "store_get" => self.values.get(key).map(|(value, _)| value.clone()).unwrap_or_default(),
            "store_put" => {
                let expires = request.argument("expires").as_f64();
                let expires = expires.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                let expires = expires.map(|length| now + length);
                self.values.insert(key.to_owned(), (request.argument("value").clone(), expires));
                Value::Null
            }
            "store_del" => {
                self.values.remove(key);
                Value::Null
            }
            "store_keys" => {
                let prefix = request.text("prefix");
                self.values.keys().filter(|key| key.starts_with(prefix)).cloned().collect()
            }
            "store_add" => {
                let not_an_integer = || {
                    Failure::failed(format!("the value of {key:?} is not an integer, so nothing can be added to it"))
                };
                let n = request.argument("n").as_i64().ok_or_else(|| Failure::argument("it adds integers"))?;
                let (value, _) = self.values.entry(key.to_owned()).or_insert_with(|| (0.into(), None));
                let sum = value.as_i64().ok_or_else(not_an_integer)?.checked_add(n);
                let overflows =
                    || Failure::failed(format!("the value of {key:?} and {n} make more than 64 bits can hold"));
                *value = sum.ok_or_else(overflows)?.into();
                value.clone()
            }
            "board_put" => {
                let (name, score) = (request.text("name"), request.argument("score"));
                let board = self.boards.entry(request.text("board").to_owned()).or_default();
                let at = board.iter().position(|(other, _)| other == name);
                if at.is_none_or(|at| number(&board[at].1) < number(score)) {
                    board.retain(|(other, _)| other != name);
                    board.push((name.to_owned(), score.clone()));
                }
                Value::Null
            }
            "board_top" => {
                let n = request.argument("n").as_u64().unwrap_or(0);
                self.ranked(request.text("board")).into_iter().take(usize::try_from(n).unwrap_or(usize::MAX)).collect()
            }
            "board_rank" => {
                let name = request.text("name");
                let entries = self.ranked(request.text("board"));
                entries
                    .into_iter()
                    .find(|entry| entry["name"] == name)
                    .map_or(Value::Null, |entry| entry["rank"].clone())
            }
            function => return Err(Failure::argument(format!("a store has no `{function}`"))),
        })
    }

    /// Returns the entries of a board with their ranks, the best first; the earlier one of two equal scores.
    fn ranked(&self, board: &str) -> Vec<Value> {
        let mut entries = self.boards.get(board).cloned().unwrap_or_default();
        entries.sort_by(|(_, one), (_, other)| number(other).total_cmp(&number(one)));
        let mut last: Option<(f64, usize)> = None;
        let entries = entries.into_iter().enumerate().map(|(at, (name, score))| {
            let value = number(&score);
            let rank = last.filter(|(best, _)| best.total_cmp(&value).is_eq()).map_or(at + 1, |(_, rank)| rank);
            last = Some((value, rank));
            json!({ "rank": rank, "name": name, "score": score })
        });
        entries.collect()
    }
}

fn number(score: &Value) -> f64 {
    score.as_f64().unwrap_or_default()
}
