//! Writes what services answered in a call as lines of a test, or as data.

use super::suggestion::written;
use super::test_services::{LISTENING, name, unreachable};
use crate::script::literal;
use crate::service::{Kind, check};
use crate::transport::{Answer, Failure, FailureKind, Request};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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
        _ if fails_by_itself(request, answer.as_ref()) => None,
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

/// Returns the same answers as data, in their order, as [`Samples::give`](super::Samples::give) takes them.
#[must_use]
pub fn given_answers(asked: &[Asked]) -> Vec<(Request, Value)> {
    let fails =
        |(request, answer): &&Asked| matches!(answer, Some(Err(_))) && !fails_by_itself(request, answer.as_ref());
    let failing: Vec<&Request> = asked.iter().filter(fails).map(|(request, _)| request).collect();
    let given = |(request, answer): &Asked| {
        check(request).ok()?;
        let given = match (Kind::of(&request.function).ok()?, answer.as_ref()?) {
            // The caller answers.
            (Kind::Listening, _) => return None,
            (Kind::Sql, Ok(Value::Null)) if request.function == "sql_row" => json!([]),
            (Kind::Sql, Ok(row)) if request.function == "sql_row" => json!([row]),
            (Kind::Http | Kind::Sql | Kind::Program, Ok(answer)) => answer.clone(),
            _ if !failing.contains(&request) => return None,
            (_, Ok(_)) => Value::Null,
            (_, Err(failure)) => json!({ "kind": failure.kind.word(), "message": failure.message }),
        };
        Some((request.clone(), given))
    };
    asked.iter().filter_map(given).collect()
}

/// Whether a request fails in every store in which a call finds the same: where a text is, it can't add.
fn fails_by_itself(request: &Request, answer: Option<&Answer>) -> bool {
    let kind = answer.and_then(|answer| answer.as_ref().err()).map(|failure| failure.kind);
    request.function == "store_add" && kind == Some(FailureKind::Failed)
}

/// Returns what a call found in the store: `values` by their keys, and the entries of `boards`.
#[must_use]
pub fn store_before(asked: &[Asked]) -> Value {
    let (values, boards) = found_in_store(asked);
    json!({ "values": values.into_iter().collect::<Map<_, _>>(), "boards": boards.into_iter().collect::<Map<_, _>>() })
}

/// Adds lines that put into the store what the call found there.
fn store_lines(asked: &[Asked], lines: &mut Vec<String>) {
    let (values, boards) = found_in_store(asked);
    lines.extend(values.iter().map(|(key, value)| format!("store_put({}, {});", literal(key), written(value))));
    for (board, entries) in boards {
        for entry in entries.as_array().into_iter().flatten() {
            let (name, score) = (written(&entry["name"]), written(&entry["score"]));
            lines.push(format!("board_put({}, {name}, {score});", literal(&board)));
        }
    }
}

/// Values by their keys, or the entries of boards by their names.
type Contents = Vec<(String, Value)>;

/// Returns the values and boards that the call found in the store.
fn found_in_store(asked: &[Asked]) -> (Contents, Contents) {
    // What the call has put there itself isn't from before.
    let mut known = BTreeSet::new();
    let mut known_boards = BTreeSet::new();
    let (mut values, mut boards) = (Vec::new(), Vec::new());
    for (request, answer) in asked {
        let (key, board) = (request.text("key"), request.text("board"));
        if fails_by_itself(request, answer.as_ref()) && known.insert(key) {
            values.push((key.to_owned(), "not a number".into()));
        }
        let Some(Ok(answer)) = answer else { continue };
        match request.function.as_str() {
            "store_get" if !answer.is_null() && known.insert(key) => values.push((key.to_owned(), answer.clone())),
            "store_add" if known.insert(key) => {
                let before = answer.as_i64().zip(request.argument("n").as_i64()).map(|(now, n)| now.wrapping_sub(n));
                if let Some(before) = before.filter(|before| *before != 0) {
                    values.push((key.to_owned(), before.into()));
                }
            }
            "store_get" | "store_put" | "store_del" => {
                known.insert(key);
            }
            "board_put" => {
                known_boards.insert(board);
            }
            "board_top" if known_boards.insert(board) => boards.push((board.to_owned(), answer.clone())),
            _ => {}
        }
    }
    // Keys whose values the call didn't look at.
    for (_, answer) in asked.iter().filter(|(request, _)| request.function == "store_keys") {
        let keys = answer.iter().flatten().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        values.extend(keys.filter(|key| known.insert(key)).map(|key| (key.to_owned(), true.into())));
    }
    (values, boards)
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
