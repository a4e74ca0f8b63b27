//! Writes what services answered in a call as lines of a test.

use super::suggestion::written;
use super::test_services::{LISTENING, name, unreachable};
use crate::script::literal;
use crate::service::{Kind, check};
use crate::transport::{Answer, Failure, FailureKind, Request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a call asked of a service, and what was answered; nothing if the caller hung up before.
type Asked = (Request, Option<Answer>);

/// Returns the lines of a test that give the same answers again, to be put before the call.
#[must_use]
pub fn answer_lines(asked: &[Asked]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    // What isn't sent is refused in a test, too.
    for (request, _) in asked.iter().filter(|(request, _)| check(request).is_ok()) {
        if !names.contains(&name(request)) {
            names.push(name(request));
        }
    }
    for service in names {
        let of_it = asked.iter().filter(|(request, _)| name(request) == service && check(request).is_ok());
        lines_of(service, &of_it.collect::<Vec<_>>(), &mut lines);
    }
    store_lines(asked, &mut lines);
    lines
}

/// Adds the lines about what a test calls by one name.
fn lines_of(service: &str, asked: &[&Asked], lines: &mut Vec<String>) {
    let with_answers: Vec<Kind> = [Kind::Http, Kind::Sql, Kind::Program]
        .into_iter()
        .filter(|kind| asked.iter().any(|(request, answer)| is_of(*kind, request) && matches!(answer, Some(Ok(_)))))
        .collect();
    // What a function of the test answers fails there, in its turn.
    let outage = |(request, answer): &&Asked| match answer {
        // The store of the test refuses it by itself, as it isn't a number there either.
        Some(Err(failure)) if request.function == "store_add" && failure.kind == FailureKind::Failed => None,
        Some(Err(failure)) if !with_answers.iter().any(|kind| is_of(*kind, request)) => Some(failure.clone()),
        _ => None,
    };
    let outages: Vec<Option<Failure>> = asked.iter().map(outage).collect();
    lines.extend(down_line(service, &asked[0].0, &outages));
    // Whoever hangs up while a script listens does so in the test, too.
    if service != LISTENING && asked.iter().any(|(_, answer)| answer.is_none()) {
        let turns = asked.iter().map(|(_, answer)| if answer.is_some() { "0" } else { "3600" });
        let turns = turns.collect::<Vec<_>>().join(", ");
        let turns = if asked.len() == 1 { turns } else { format!("[{turns}]") };
        lines.push(format!("service_is_slow({}, {turns});", literal(service)));
    }
    for kind in with_answers {
        let answers = asked.iter().filter(|(request, _)| is_of(kind, request));
        let answers = answers.filter_map(|(request, answer)| Some(answers_of(kind, request, answer.as_ref()?)));
        lines_of_answers(kind, service, &answers.flatten().collect::<Vec<_>>(), lines);
    }
}

fn is_of(kind: Kind, request: &Request) -> bool {
    Kind::of(&request.function).is_ok_and(|other| other == kind)
}

/// Returns the line that makes a service fail as it did, request by request.
fn down_line(service: &str, first: &Request, outages: &[Option<Failure>]) -> Option<String> {
    let last = outages.iter().rposition(Option::is_some)?;
    let name = literal(service);
    if outages.iter().all(|outage| outage.as_ref() == Some(&unreachable(first))) {
        return Some(format!("service_is_down({name});"));
    }
    if outages.iter().all(|outage| *outage == outages[0]) {
        return Some(format!("service_is_down({name}, {});", outages[0].as_ref().map(written_failure)?));
    }
    let turns = outages[..=last].iter().map(|outage| outage.as_ref().map_or("false".to_owned(), written_failure));
    Some(format!("service_is_down({name}, [{}]);", turns.collect::<Vec<_>>().join(", ")))
}

/// Writes a failure as a test gives it.
fn written_failure(failure: &Failure) -> String {
    format!("#{{ kind: {}, message: {} }}", literal(failure.kind.word()), literal(&failure.message))
}

/// Adds the lines that give the answers of a service in the order in which they were given.
fn lines_of_answers(kind: Kind, service: &str, answers: &[String], lines: &mut Vec<String>) {
    let name = literal(service);
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
        let letters = service.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
        let of = word.trim_start_matches("answer_");
        let variable = format!("{of}_of_{}", letters.to_ascii_lowercase());
        lines.push(format!("let {variable} = [{}];", answers.join(", ")));
        lines.push(format!("{word}({name}, {parameters} {variable}.shift());"));
    }
}

/// Returns what a function of a test returns for an answer; several if it is asked once for each statement.
fn answers_of(kind: Kind, request: &Request, answer: &Answer) -> Vec<String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return vec![written_failure(failure)],
    };
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
fn store_lines(asked: &[Asked], lines: &mut Vec<String>) {
    // What the call has put there itself isn't from before.
    let mut known = BTreeSet::new();
    let mut boards: BTreeMap<String, Value> = BTreeMap::new();
    for (request, answer) in asked {
        if let Some(Err(failure)) = answer
            && (request.function.as_str(), failure.kind) == ("store_add", FailureKind::Failed)
            && known.insert(request.text("key"))
        {
            lines.push(format!("store_put({}, \"not a number\");", literal(request.text("key"))));
        }
        let Some(Ok(answer)) = answer else { continue };
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
    // Keys whose values the call didn't look at.
    for (_, answer) in asked.iter().filter(|(request, _)| request.function == "store_keys") {
        let keys = answer.iter().flatten().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        for key in keys.filter(|key| known.insert(key)).collect::<Vec<_>>() {
            lines.push(format!("store_put({}, true);", literal(key)));
        }
    }
}

/// Returns the lines of a test that expect what a call has sent, to be put behind the call.
#[must_use]
pub fn expectation_lines(asked: &[Asked]) -> Vec<String> {
    let mut lines = Vec::new();
    for (request, answer) in asked {
        if !matches!(answer, Some(Ok(_))) {
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
