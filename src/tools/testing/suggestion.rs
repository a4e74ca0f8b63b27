//! The line that a test lacks, ready to copy, if a script asks a service that nothing stands in for.

use crate::script::literal;
use crate::service::Kind;
use crate::transport::Request;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Returns what a script asks, in words, and the line to add to the test.
pub(super) fn suggestion(request: &Request) -> (String, String) {
    let service = literal(&request.service);
    match Kind::of(&request.function) {
        Ok(Kind::Http) => {
            (format!("the web API {service}"), format!("answer_http({service}, #{{ status: 200, body: #{{}} }});"))
        }
        Ok(Kind::Sql) => (format!("the database {service}"), set_up(request, &service)),
        Ok(Kind::Program) => {
            (format!("the program {service}"), format!("answer_program({service}, #{{ status: 0, output: \"\" }});"))
        }
        _ => (format!("the service {service}"), String::new()),
    }
}

/// Returns a line that creates the table of a statement, as far as it can be guessed.
fn set_up(request: &Request, service: &str) -> String {
    let first = request.argument("statements").get(0).and_then(|statement| statement.get(0)).and_then(Value::as_str);
    let text = first.unwrap_or_else(|| request.text("text"));
    match table(text) {
        Some((table, columns)) => {
            let create = format!("create table {table} ({})", columns.join(", "));
            format!("set_up_sql({service}, {});", literal(&create))
        }
        None => format!("answer_sql({service}, |text, values| []);"),
    }
}

/// Guesses the table of a statement, and its columns.
fn table(text: &str) -> Option<(String, Vec<String>)> {
    let words = words(text);
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let at = lower.iter().position(|word| matches!(word.as_str(), "from" | "into" | "update"))?;
    let table = words.get(at + 1).filter(|word| is_name(word))?.clone();
    let mut columns = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |word: &String| {
        if is_name(word) && seen.insert(word.to_ascii_lowercase()) {
            columns.push(word.clone());
        }
    };
    match lower.first()?.as_str() {
        "select" if at > 0 => {
            // Names that stand alone between commas: what is computed has no column of its own.
            for part in words[1..at].split(|word| word == ",") {
                if let [column] = part {
                    add(column);
                }
            }
        }
        "insert" | "replace" if words.get(at + 2).is_some_and(|word| word == "(") => {
            words[at + 3..].iter().take_while(|word| *word != ")").for_each(&mut add);
        }
        _ => {}
    }
    for pair in words.windows(2) {
        if matches!(pair[1].as_str(), "=" | "<" | ">") {
            add(&pair[0]);
        }
    }
    (!columns.is_empty()).then_some((table, columns))
}

/// Splits a statement into names, other runs of letters, and marks.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in text.chars() {
        let is_part = letter.is_alphanumeric() || matches!(letter, '_' | ':' | '\'');
        match words.last_mut() {
            Some(word) if in_word && is_part => word.push(letter),
            _ if !letter.is_whitespace() => words.push(letter.to_string()),
            _ => {}
        }
        in_word = is_part;
    }
    words
}

/// Writes a value as a script does.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::Null => "()".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_f64() => format!("{:?}", number.as_f64().unwrap_or_default()),
        Value::Number(number) => number.to_string(),
        Value::String(text) => literal(text),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => written_map(members),
    }
}

/// Writes a map as a script does.
pub(super) fn written_map(members: &Map<String, Value>) -> String {
    if members.is_empty() {
        return "#{}".to_owned();
    }
    let name = |name: &String| {
        let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !KEYWORDS.contains(&name.as_str());
        if is_plain { name.clone() } else { literal(name) }
    };
    let members = members.iter().map(|(key, value)| format!("{}: {}", name(key), written(value)));
    format!("#{{ {} }}", members.collect::<Vec<_>>().join(", "))
}

/// Words of Rhai that can't be the names of members without quotes.
const KEYWORDS: [&str; 58] = [
    "as",
    "async",
    "await",
    "break",
    "call",
    "case",
    "catch",
    "const",
    "continue",
    "curry",
    "debug",
    "default",
    "do",
    "each",
    "else",
    "eval",
    "export",
    "extern",
    "false",
    "fn",
    "for",
    "func",
    "global",
    "go",
    "goto",
    "if",
    "import",
    "in",
    "is",
    "is_def_fn",
    "is_def_var",
    "is_shared",
    "let",
    "loop",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "print",
    "private",
    "protected",
    "public",
    "return",
    "shared",
    "spawn",
    "static",
    "super",
    "switch",
    "sync",
    "then",
    "thread",
    "this",
    "throw",
    "true",
    "try",
    "type_of",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_is_guessed_from_what_asks_for_it() {
        for (statement, expected) in [
            ("select name, vip from people where number = :number", "create table people (name, vip, number)"),
            ("SELECT count(*) FROM calls WHERE day>:day and day<:end", "create table calls (day)"),
            ("insert into orders (who, what) values (:who, :what)", "create table orders (who, what)"),
            ("update people set name = :name where id = :id", "create table people (name, id)"),
            ("delete from people where id = :id", "create table people (id)"),
        ] {
            let request = Request::new("sql_run", "crm").with("text", statement);
            assert_eq!(suggestion(&request).1, format!("set_up_sql(\"crm\", \"{expected}\");"));
        }
        let request = Request::new("sql_rows", "crm").with("text", "call fetch_all()");
        assert_eq!(suggestion(&request).1, "answer_sql(\"crm\", |text, values| []);");
        for odd in ["", "from", "into (", "update", "select from", "insert into t ("] {
            suggestion(&Request::new("sql_run", "crm").with("text", odd));
        }
    }

    #[test]
    fn a_written_value_is_that_value_in_a_script() {
        let value =
            json!({ "a": [1, 2.0, -3.5e300, null, true, "x\"\\\n"], "": {}, "if": 1, "Größe": "é", "type_of": 2 });
        let engine = rhai::Engine::new();
        let read: rhai::Dynamic = engine.eval(&written(&value)).unwrap();
        assert_eq!(crate::world::to_json(&read).unwrap(), value);
        for keyword in KEYWORDS {
            let _ = engine.eval::<rhai::Dynamic>(&written(&json!({ keyword: 1 }))).unwrap();
        }
    }
}
