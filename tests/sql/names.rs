//! `:name` is a value outside quotes and comments, and only there.

use agi_rhai::internals::sql::{Dialect, Statement};
use proptest::prelude::*;

fn names(text: &str, dialect: Dialect) -> Vec<String> {
    Statement::parse(text, dialect).names().into_iter().map(str::to_owned).collect()
}

#[track_caller]
fn check(text: &str, postgres: &[&str], mysql: &[&str], sqlite: &[&str]) {
    assert_eq!(names(text, Dialect::Postgres), postgres, "PostgreSQL: {text}");
    assert_eq!(names(text, Dialect::MySql), mysql, "MySQL: {text}");
    assert_eq!(names(text, Dialect::Sqlite), sqlite, "SQLite: {text}");
}

#[track_caller]
fn all(text: &str, names: &[&str]) {
    check(text, names, names, names);
}

#[test]
fn names_are_found_outside_quotes_and_comments() {
    all("select :a, :b_2 from t where x=:a and y>:ä", &["a", "b_2", "ä"]);
    all("select ':a', '' , 'it''s :b', \":c\" from t -- :d\n where x = :e", &["e"]);
    all("select 1 /* :a */ + :b /* :c", &["b"]);
    all("select x::int, y :: text, a := 1, '12:30', :a", &["a"]);
    all("select :1, : a, :", &[]);
    all("'unclosed :a", &[]);
    check("select `:a`, :b", &["a", "b"], &["b"], &["b"]);
    check("select 1 # :a\n + :b", &["a", "b"], &["b"], &["a", "b"]);
    check("select 5--:a\n + :b", &["b"], &["a", "b"], &["b"]);
    check("/* /* :a */ :b */ :c", &["c"], &["b", "c"], &["b", "c"]);
    check(r"select 'a\' :a ' :b", &["a"], &["b"], &["a"]);
    check(r"select E'a\' :a ' :b", &["b"], &["b"], &["a"]);
    check("select E'a\\\\', :a, E'x'\n'y\\' :b', :c", &["a", "c"], &["a", "c"], &["a", "b"]);
    check("select $$ :a $$, $x$ $$ :b $x$, :c", &["c"], &["a", "b", "c"], &["a", "b", "c"]);
    check("select a[1:2], a[:b], a[i:c], a[ :d : :e ], a[(1):f]", &["b", "d", "e"], &["b", "c", "d", "e", "f"], &[]);
    check("select [it's :a], :b", &[], &[], &["b"]);
}

#[test]
fn placeholders_take_the_place_of_names() {
    let rendered = |text, dialect| Statement::parse(text, dialect).rendered();
    let text = "select :a, ':a', :b where x=:a limit:a";
    assert_eq!(rendered(text, Dialect::Postgres), "select $1, ':a', $2 where x=$1 limit $1");
    assert_eq!(rendered(text, Dialect::MySql), "select ?, ':a', ? where x=? limit ?");
    assert_eq!(rendered(text, Dialect::Sqlite), "select ?1, ':a', ?2 where x=?1 limit ?1");
}

#[test]
fn the_start_and_what_is_refused() {
    let start = |text| Statement::parse(text, Dialect::Postgres).start().join(" ");
    assert_eq!(start("-- a\n /* b */ SELECT x from t"), "select x from t");
    assert_eq!(start("(select 1) union (select 2)"), "select");
    assert_eq!(start("create temp table 'x' as select"), "create temp table");
    assert_eq!(start("'select'"), "");
    let refusal = |text, dialect| Statement::parse(text, dialect).refusal(false).is_some();
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        for text in ["select 1; select 2", "begin", "COMMIT", "set x = 1", "/* */ rollback", "select '\0'"] {
            assert!(refusal(text, dialect), "{dialect:?}: {text}");
        }
        for text in ["select 1;", "select ';'; -- ;", "update t set x = 1", "select 'begin'"] {
            assert!(!refusal(text, dialect), "{dialect:?}: {text}");
        }
    }
    assert!(refusal("select $1", Dialect::Postgres) && refusal("select ?", Dialect::MySql));
    assert!(!refusal("select '{}'::jsonb ? 'a'", Dialect::Postgres) && refusal("select $x, @y", Dialect::Sqlite));
}

/// Texts made of the pieces that matter.
fn sql() -> impl Strategy<Value = String> {
    let pieces = [
        "select ", ":a", ":b", "'", "\"", "`", "--", "\n", "/*", "*/", "$$", "$x$", "E'", "\\", "::", ":=", "[", "]",
        "#", ";", "?", " ", "1", "x", "ä", "(", ")", "@y", "\0",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_but_names_is_changed(text in prop_oneof![sql(), any::<String>()]) {
        for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
            let statement = Statement::parse(&text, dialect);
            let mut occurrences = statement.occurrences().iter();
            let same = statement.render(|text, _, _| {
                text.push(':');
                text.push_str(occurrences.next().unwrap());
            });
            // But for the space that keeps a word and a placeholder apart.
            prop_assert_eq!(same.replace(' ', ""), text.replace(' ', ""));
            let _ = statement.refusal(true);
        }
    }

    #[test]
    fn a_value_in_quotes_or_comments_is_none(inner in "[a-z0-9 :?;]{0,20}") {
        for text in [
            format!("select '{inner}'"),
            format!("select \"{inner}\""),
            format!("select 1 /*{inner}*/"),
            format!("select 1 -- {inner}"),
        ] {
            for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
                prop_assert_eq!(names(&text, dialect), Vec::<String>::new());
                prop_assert_eq!(Statement::parse(&text, dialect).problem(), None);
            }
        }
    }
}
