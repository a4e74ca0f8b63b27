//! Values: kept, listed, added to, expired.

use super::{add, ask, fails, get, on_each, put};
use agi_rhai::transport::FailureKind::{Argument, Failed};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn any_value_comes_back_as_it_was() {
    on_each(async |kept| {
        let store = &kept.store;
        assert_eq!(get(store, "none").await, Value::Null);
        let values = [
            json!("text with \u{0} and \u{7f} and \u{1F600}\r\n"),
            json!(""),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(1.5),
            json!(-0.1),
            json!(true),
            json!(null),
            json!([]),
            json!({}),
            json!([1, [2.0, { "a": null, "": [{}] }], "\"'%"]),
        ];
        for value in values {
            put(store, "key", value.clone()).await;
            // Compared as text, too: 5.0 stays a float.
            assert_eq!(get(store, "key").await.to_string(), value.to_string());
        }
        put(store, "key", json!(5.0)).await;
        assert_eq!(get(store, "key").await.to_string(), "5.0");
        ask(store, "store_del", json!({ "key": "key" })).await.expect("it is there");
        assert_eq!(get(store, "key").await, Value::Null);
        ask(store, "store_del", json!({ "key": "key" })).await.expect("it need not be there");
    });
}

#[test]
fn keys_are_any_text_and_listed_in_order() {
    on_each(async |kept| {
        let keys = [
            "",
            "%",
            "*",
            "?",
            "A",
            "[a]",
            "\\",
            "_",
            "a",
            "a\u{0}b",
            "a\u{1F600}",
            "a%",
            "a*",
            "a_",
            "ab",
            "ä",
            "\u{10FFFF}",
        ];
        for key in keys.iter().rev() {
            put(&kept.store, key, json!(*key)).await;
        }
        for prefix in
            ["", "a", "a%", "a*", "a_", "%", "_", "*", "?", "[", "[a]", "\\", "ä", "\u{10FFFF}", "a\u{0}", "b"]
        {
            let mut expected: Vec<&str> = keys.iter().copied().filter(|key| key.starts_with(prefix)).collect();
            expected.sort_unstable();
            let found = ask(&kept.store, "store_keys", json!({ "prefix": prefix })).await.expect(prefix);
            assert_eq!(found, json!(expected), "{prefix:?}");
        }
        for key in keys {
            assert_eq!(get(&kept.store, key).await, json!(key));
        }
    });
}

#[test]
fn more_keys_than_a_script_can_take_are_refused() {
    on_each(async |kept| {
        let store = &kept.store;
        let some = |first: usize| {
            let store = Arc::clone(store);
            let keys = (first..10_001).step_by(20);
            tokio::spawn(async move {
                for n in keys {
                    put(&store, &format!("many:{n:05}"), json!(n)).await;
                }
            })
        };
        for task in (0..20).map(some).collect::<Vec<_>>() {
            task.await.expect("they are put");
        }
        let many = ask(store, "store_keys", json!({ "prefix": "many:" })).await;
        fails(many, Failed, "more than 10000 keys begin with \"many:\": ask for a longer prefix");
        let some = ask(store, "store_keys", json!({ "prefix": "many:0000" })).await.expect("ten");
        assert_eq!(some.as_array().expect("an array").len(), 10);
        assert_eq!(some[9], "many:00009");
    });
}

#[test]
fn what_cannot_be_kept_is_refused_before_it_is_sent() {
    on_each(async |kept| {
        let store = &kept.store;
        let long = "k".repeat(1_025);
        fails(ask(store, "store_get", json!({ "key": long })).await, Argument, "has more than 1024 bytes");
        fails(ask(store, "store_get", json!({ "key": 5 })).await, Argument, "the key has to be a text, not 5");
        let large = json!({ "key": "large", "value": "x".repeat(1024 * 1024) });
        fails(ask(store, "store_put", large).await, Argument, "\"large\" takes 1048578 bytes as JSON");
        for expires in [json!(0), json!(-1), json!("1")] {
            let put = json!({ "key": "key", "value": 1, "expires": expires });
            fails(ask(store, "store_put", put).await, Argument, "`expires` takes seconds above 0");
        }
        fails(add(store, "key", json!("1")).await, Argument, "it adds numbers, not \"1\"");
    });
}

#[test]
fn numbers_are_added_exactly() {
    on_each(async |kept| {
        let store = &kept.store;
        assert_eq!(add(store, "n", json!(5)).await, Ok(json!(5)));
        assert_eq!(add(store, "n", json!(-7)).await, Ok(json!(-2)));
        // Beyond what a float can tell apart.
        put(store, "n", json!(i64::MAX - 1)).await;
        assert_eq!(add(store, "n", json!(1)).await, Ok(json!(i64::MAX)));
        fails(add(store, "n", json!(1)).await, Failed, "the value of \"n\" and 1 are too large to be added");
        assert_eq!(get(store, "n").await, json!(i64::MAX));
        put(store, "n", json!(1.5)).await;
        assert_eq!(add(store, "n", json!(1)).await, Ok(json!(2.5)));
        assert_eq!(add(store, "n", json!(0.5)).await.map(|sum| sum.to_string()), Ok("3.0".to_owned()));
        assert_eq!(add(store, "new", json!(0.1)).await, Ok(json!(0.1)));
        put(store, "n", json!(1e308)).await;
        fails(add(store, "n", json!(1e308)).await, Failed, "too large");
        for other in [json!("5"), json!(null), json!([1]), json!(true)] {
            put(store, "n", other.clone()).await;
            fails(add(store, "n", json!(1)).await, Failed, "the value of \"n\" is not a number");
            assert_eq!(get(store, "n").await, other);
        }
    });
}

#[test]
fn everybody_who_adds_at_the_same_time_counts() {
    on_each(async |kept| {
        let tasks = (0..400).map(|_| {
            let store = Arc::clone(&kept.store);
            tokio::spawn(async move { add(&store, "n", json!(1)).await.expect("a sum").as_i64() })
        });
        let mut sums = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            sums.push(task.await.expect("a task").expect("an integer"));
        }
        sums.sort_unstable();
        assert_eq!(sums, (1..=400).collect::<Vec<i64>>(), "each sum is given out once");
    });
}

#[test]
fn what_has_expired_is_not_seen_any_more() {
    on_each(async |kept| {
        let store = &kept.store;
        for key in ["read", "added", "put"] {
            ask(store, "store_put", json!({ "key": key, "value": 1, "expires": 1.5 })).await.expect(key);
        }
        // Adding keeps the time; putting without one ends it.
        assert_eq!(add(store, "added", json!(1)).await, Ok(json!(2)));
        put(store, "put", json!(3)).await;
        assert_eq!(get(store, "read").await, json!(1));
        let keys = ask(store, "store_keys", json!({ "prefix": "" })).await.expect("keys");
        assert_eq!(keys, json!(["added", "put", "read"]));
        tokio::time::sleep(Duration::from_millis(1_600)).await;
        assert_eq!(get(store, "read").await, Value::Null);
        let keys = ask(store, "store_keys", json!({ "prefix": "" })).await.expect("keys");
        assert_eq!(keys, json!(["put"]));
        assert_eq!(add(store, "added", json!(1)).await, Ok(json!(1)), "it begins anew");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(get(store, "added").await, json!(1), "and does not expire");
    });
}
