//! Boards: the best of each name, in order.

use super::{Kept, ask, fails, on_each};
use agi_rhai::transport::FailureKind::Argument;
use serde_json::{Value, json};
use std::sync::Arc;

async fn enter(kept: &Kept, name: &str, score: Value) {
    let entry = json!({ "board": "league", "name": name, "score": score });
    ask(&kept.store, "board_put", entry).await.expect(name);
}

/// Returns the board as `rank name score`.
async fn top(kept: &Kept, n: u32) -> Vec<String> {
    let top = ask(&kept.store, "board_top", json!({ "board": "league", "n": n })).await.expect("a board");
    let line = |entry: &Value| {
        let name = entry["name"].as_str().expect("a name");
        format!("{} {name} {}", entry["rank"], entry["score"])
    };
    top.as_array().expect("an array").iter().map(line).collect()
}

async fn rank(kept: &Kept, name: &str) -> Value {
    ask(&kept.store, "board_rank", json!({ "board": "league", "name": name })).await.expect(name)
}

#[test]
fn a_board_keeps_the_best_of_each_name() {
    on_each(async |kept| {
        assert!(top(kept, 10).await.is_empty());
        assert_eq!(rank(kept, "ann").await, Value::Null);
        enter(kept, "ann", json!(5)).await;
        enter(kept, "ann", json!(3)).await;
        enter(kept, "bob", json!(-2)).await;
        enter(kept, "ann", json!(7)).await;
        assert_eq!(top(kept, 10).await, ["1 ann 7", "2 bob -2"]);
        assert_eq!(top(kept, 1).await, ["1 ann 7"]);
        assert!(top(kept, 0).await.is_empty());
        // Another board is another board.
        let other = ask(&kept.store, "board_top", json!({ "board": "league:2", "n": 5 })).await;
        assert_eq!(other, Ok(json!([])));
    });
}

#[test]
fn equal_scores_share_a_rank_and_the_first_comes_first() {
    on_each(async |kept| {
        for (name, score) in [("dan", 4), ("cid", 9), ("ann", 9), ("bob", 9), ("eve", 4), ("fay", 1)] {
            enter(kept, name, json!(score)).await;
        }
        assert_eq!(top(kept, 10).await, ["1 cid 9", "1 ann 9", "1 bob 9", "4 dan 4", "4 eve 4", "6 fay 1"]);
        // Who is cut off is who came last.
        assert_eq!(top(kept, 2).await, ["1 cid 9", "1 ann 9"]);
        // The same score again changes nothing; who reaches it later is behind those who had it.
        enter(kept, "cid", json!(9)).await;
        enter(kept, "dan", json!(9)).await;
        assert_eq!(top(kept, 10).await, ["1 cid 9", "1 ann 9", "1 bob 9", "1 dan 9", "5 eve 4", "6 fay 1"]);
        for (name, place) in [("dan", 1), ("eve", 5), ("fay", 6)] {
            assert_eq!(rank(kept, name).await, json!(place), "{name}");
        }
    });
}

#[test]
fn scores_are_integers_or_floats_and_names_any_text() {
    on_each(async |kept| {
        let large = 1_i64 << 53;
        enter(kept, "i large\u{0}", json!(large)).await;
        enter(kept, "less", json!(large - 1)).await;
        enter(kept, "", json!(2.5)).await;
        enter(kept, "12:ä%", json!(2.0)).await;
        enter(kept, "zero", json!(-0.0)).await;
        enter(kept, "int", json!(0)).await;
        enter(kept, "tiny", json!(1e-300)).await;
        assert_eq!(
            top(kept, 10).await,
            [
                format!("1 i large\u{0} {large}"),
                format!("2 less {}", large - 1),
                "3  2.5".to_owned(),
                "4 12:ä% 2.0".to_owned(),
                "5 tiny 1e-300".to_owned(),
                "6 zero 0.0".to_owned(),
                "6 int 0".to_owned(),
            ]
        );
        let put = |score: Value| ask(&kept.store, "board_put", json!({ "board": "b", "name": "n", "score": score }));
        fails(put(json!("5")).await, Argument, "a score is a number, not \"5\"");
        fails(put(json!(large + 1)).await, Argument, "is beyond 9007199254740992");
        let wrong = ask(&kept.store, "board_top", json!({ "board": "b", "n": 1001 })).await;
        fails(wrong, Argument, "it lists the best 0 to 1000");
    });
}

#[test]
fn a_crowd_on_a_board_loses_no_best_score() {
    on_each(async |kept| {
        let tasks = (0..300_u64).map(|n| {
            let store = Arc::clone(&kept.store);
            // Ten names, scores in a wild order.
            let entry = json!({ "board": "league", "name": format!("p{}", n % 10), "score": n * 7919 % 300 });
            tokio::spawn(async move { ask(&store, "board_put", entry).await.expect("a place") })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("a task");
        }
        let mut best: Vec<(u64, u64)> =
            (0..10).map(|name| ((0..30).map(|n| (n * 10 + name) * 7919 % 300).max().unwrap_or(0), name)).collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        let expected: Vec<String> =
            best.iter().enumerate().map(|(at, (score, name))| format!("{} p{name} {score}", at + 1)).collect();
        assert_eq!(top(kept, 20).await, expected);
    });
}
