//! Writes what services answered in a call as lines of a test.

use super::suggestion::written;
use crate::script::literal;
use crate::service::Kind;
use crate::transport::{Answer, FailureKind, Request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the lines of a test that give the same answers again, to be put before the call.
#[must_use]
pub fn answer_lines(asked: &[(Request, Answer)]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut services: Vec<(Kind, &str)> = Vec::new();
    for (request, _) in asked {
        if let Ok(kind @ (Kind::Http | Kind::Sql | Kind::Program)) = Kind::of(&request.function)
            && !services.contains(&(kind, request.service.as_str()))
        {
            services.push((kind, &request.service));
        }
    }
    for (kind, service) in services {
        let of_it = asked.iter().filter(|(request, _)| {
            Kind::of(&request.function).is_ok_and(|other| other == kind) && request.service == service
        });
        lines_of(kind, service, &of_it.collect::<Vec<_>>(), &mut lines);
    }
    store_lines(asked, &mut lines);
    lines
}

/// Adds the lines of one service.
fn lines_of(kind: Kind, service: &str, asked: &[&(Request, Answer)], lines: &mut Vec<String>) {
    let name = literal(service);
    let is_unavailable = |answer: &Answer| matches!(answer, Err(failure) if failure.kind == FailureKind::Unavailable);
    if asked.iter().all(|(_, answer)| is_unavailable(answer)) {
        lines.push(format!("service_is_down({name});"));
        return;
    }
    for (request, answer) in asked {
        if let Err(failure) = answer
            && failure.kind != FailureKind::Argument
        {
            let what = failure.kind.word();
            lines.push(format!("// Here {name} answered {} with `{what}`: {}", request.function, failure.message));
        }
    }
    let answers: Vec<String> = asked
        .iter()
        .filter_map(|(request, answer)| Some((request, answer.as_ref().ok()?)))
        .flat_map(|(request, answer)| answers_of(kind, request, answer))
        .collect();
    let (word, parameters) = match kind {
        Kind::Http => ("answer_http", "|request|"),
        Kind::Sql => ("answer_sql", "|text, values|"),
        _ => ("answer_program", "|arguments|"),
    };
    let Some(first) = answers.first() else { return };
    if answers.iter().all(|answer| answer == first) {
        let function = if kind == Kind::Sql { format!("{parameters} ") } else { String::new() };
        lines.push(format!("{word}({name}, {function}{first});"));
    } else {
        // In the order in which they were given.
        let letters = service.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
        let variable = format!("answers_of_{}", letters.to_ascii_lowercase());
        lines.push(format!("let {variable} = [{}];", answers.join(", ")));
        lines.push(format!("{word}({name}, {parameters} {variable}.shift());"));
    }
}

/// Returns what a function of a test returns for an answer; several if it is asked once for each statement.
fn answers_of(kind: Kind, request: &Request, answer: &Value) -> Vec<String> {
    let one = match kind {
        Kind::Http => {
            let mut answer = answer.clone();
            if let Value::Object(members) = &mut answer {
                members.remove("ok");
                members.retain(|name, value| match name.as_str() {
                    "status" => *value != 200,
                    "headers" => value.as_object().is_none_or(|headers| !headers.is_empty()),
                    _ => true,
                });
            }
            answer
        }
        Kind::Sql if request.function == "sql_run" => {
            let further = request.argument("statements").as_array().map_or(0, |all| all.len().saturating_sub(1));
            return [written(answer)].into_iter().chain(std::iter::repeat_n("0".to_owned(), further)).collect();
        }
        Kind::Sql => match (request.function.as_str(), answer) {
            ("sql_row" | "sql_value", Value::Null) => json!([]),
            ("sql_row", row) => json!([row]),
            ("sql_value", value) => json!([{ "value": value }]),
            (_, rows) => rows.clone(),
        },
        _ => answer.clone(),
    };
    vec![written(&one)]
}

/// Adds lines that put into the store what the call found there.
fn store_lines(asked: &[(Request, Answer)], lines: &mut Vec<String>) {
    let stored = |request: &Request| {
        ["store_", "board_"].iter().any(|start| request.function.starts_with(start)) || request.function == "after_call"
    };
    let mut answers = asked.iter().filter(|(request, _)| stored(request) || request.function == "mail").peekable();
    if answers.peek().is_some()
        && answers.all(|(_, answer)| matches!(answer, Err(failure) if failure.kind == FailureKind::Unavailable))
    {
        lines.push("service_is_down(\"store\");".to_owned());
        return;
    }
    // What the call has put there itself isn't from before.
    let mut known = BTreeSet::new();
    let mut boards: BTreeMap<String, Value> = BTreeMap::new();
    for (request, answer) in asked {
        let Ok(answer) = answer else { continue };
        let (key, board) = (request.text("key"), request.text("board"));
        match request.function.as_str() {
            "store_get" if !answer.is_null() && known.insert(key) => {
                lines.push(format!("store_put({}, {});", literal(key), written(answer)));
            }
            "store_add" if known.insert(key) => {
                let before = answer.as_i64().zip(request.argument("n").as_i64()).map(|(now, n)| now.wrapping_sub(n));
                if let Some(before) = before.filter(|before| *before != 0) {
                    lines.push(format!("store_put({}, {before});", literal(key)));
                }
            }
            "store_get" | "store_put" | "store_del" => {
                known.insert(key);
            }
            "board_put" => {
                boards.entry(board.to_owned()).or_default();
            }
            "board_top" if !boards.contains_key(board) => {
                boards.insert(board.to_owned(), answer.clone());
                for entry in answer.as_array().into_iter().flatten() {
                    let (name, score) = (written(&entry["name"]), written(&entry["score"]));
                    lines.push(format!("board_put({}, {name}, {score});", literal(board)));
                }
            }
            _ => {}
        }
    }
}

/// Returns the lines of a test that expect what a call has sent, to be put behind the call.
#[must_use]
pub fn expectation_lines(asked: &[(Request, Answer)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (request, answer) in asked {
        if answer.is_err() {
            continue;
        }
        let text = |name| literal(request.text(name));
        lines.push(match request.function.as_str() {
            "mail" => {
                let to = request.argument("to").get(0).and_then(Value::as_str).unwrap_or_default();
                format!("expect_mail({}, {});", literal(to), text("subject"))
            }
            "after_call" => format!("expect_job({}, {});", text("function"), written(request.argument("value"))),
            "call_out" => format!("expect_call_out({});", text("target")),
            "http_post" | "http_put" | "http_patch" | "http_delete" => {
                let method = request.function.trim_start_matches("http_").to_ascii_uppercase();
                format!("expect_http({}, {}, {});", literal(&request.service), literal(&method), text("path"))
            }
            _ => continue,
        });
    }
    lines
}
