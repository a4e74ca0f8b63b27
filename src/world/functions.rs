//! The functions that ask services: one table of their declarations. What they ask is made of it.

use super::asking::Asking;
use super::json::to_json;
use crate::command::{Function, Kind, Need, Param, Privacy, Returns, Type, declarations};
use crate::script::rhai::{Dynamic, EvalAltResult, FnPtr, Module};
use crate::script::{Call, Named, add, from_json, is_closure, shown, written_name};
use crate::transport::Request;
use serde_json::Value;

type ScriptResult = Result<Dynamic, Box<EvalAltResult>>;
type Changed = Result<(), Box<EvalAltResult>>;
type AddFunction = fn(&Asking, &[&mut Dynamic], &mut Request) -> Changed;

/// A function: its declaration, and its body.
struct Row {
    function: Function,
    body: Body,
}

/// What a function does.
enum Body {
    /// It asks a service what its arguments say.
    Asks,
    /// It asks a service, after this has changed the request.
    AsksAfter(fn(&Asking, &mut Request) -> Changed),
    /// It asks a service, and one of its arguments is a function of the script.
    AsksAbout(AddFunction),
    /// It asks nobody.
    Computes(fn(&Asking, &[&mut Dynamic]) -> ScriptResult),
}

const fn returns(value_type: Type, doc: &'static str) -> Returns {
    Returns::Own { doc, value_type }
}

const fn param(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Required, privacy: Privacy::Private, doc }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, need: Need::Optional, privacy: Privacy::Private, doc }
}

const NOTHING: Returns = returns(Type::Unit, "nothing");
const RESPONSE: Returns = returns(
    Type::Map,
    "`#{ status, ok, headers, body }`; `body` is a value if the answer is JSON, else a text; `ok` is false for a status \
     of 400 or more",
);

const WEB_API: Param = param("service", Kind::Service("http"), "Name of a web API, as in `[http.NAME]`.");
const PATH: Param = param("path", Kind::Text, "Path below the API's address.");
const BODY: Param = param("body", Kind::Any, "What is sent: a map or an array as JSON, a text as it is.");
const DATABASE: Param = param("service", Kind::Service("sql"), "Name of a database, as in `[sql.NAME]`.");
const QUERY: Param = param("text", Kind::Sql, "A statement, with `:name` in the places of values.");
const VALUES: Param = optional("values", Kind::Map, "The values, by name.");
const KEY: Param = param("key", Kind::Name, "Key.");
const BOARD: Param = param("board", Kind::Name, "Name of the board.");
const PLAYER: Param = param("name", Kind::Name, "Whose score it is.");

const TIMEOUT: Param =
    optional("timeout", Kind::Seconds, "Seconds to wait at most; by default 2, or what the operator says.");
const OTHERWISE: Param =
    optional("otherwise", Kind::Any, "Value to return, with a warning in the log, if the service is unavailable.");

/// The options of every function that asks a service.
const OF_ALL: &[Param] = &[TIMEOUT, OTHERWISE];
const OF_HTTP: &[Param] = &[
    optional("query", Kind::Map, "Parameters of the address, by name."),
    optional("headers", Kind::Map, "Headers, by name."),
    TIMEOUT,
    OTHERWISE,
];
const OF_PUT: &[Param] =
    &[optional("expires", Kind::Seconds, "Seconds after which the value is gone."), TIMEOUT, OTHERWISE];
const OF_MAIL: &[Param] = &[
    param("to", Kind::Any, "Whom it is sent to: an address or an array of them."),
    param("subject", Kind::Text, "Subject."),
    param("text", Kind::Text, "Text."),
    optional("attach", Kind::Any, "The path of a file to attach, or an array of them."),
];
const OF_PROGRAM: &[Param] =
    &[optional("input", Kind::Text, "What the program reads from its standard input."), TIMEOUT, OTHERWISE];
const OF_CALL_OUT: &[Param] = &[
    optional("script", Kind::Name, "The script that talks to whoever answers, or `context` and so on."),
    optional("context", Kind::Name, "Where the dialplan goes on with whoever answers."),
    optional("extension", Kind::Name, "Extension; `s` if left out."),
    optional(
        "priority",
        Kind::Integer(1, 65_535),
        "Priority: a number, since call files know no labels; 1 if left out.",
    ),
    optional(
        "at",
        Kind::EPOCH,
        "When, as `time_at` returns it; at once if left out or past. Needs `spool` in agi-rhai.toml.",
    ),
    optional("callerid", Kind::Name, "The number that is shown to whoever is called."),
    optional("variables", Kind::Map, "Channel variables of the call, by name."),
    optional("wait", Kind::Seconds, "Seconds to let it ring; 45 if left out."),
    optional(
        "retries",
        Kind::Integer(0, 100),
        "How often to try again if nobody answers; 0 if left out. Needs `spool`, too.",
    ),
    TIMEOUT,
    OTHERWISE,
];

const fn options(of: &'static [Param]) -> Param {
    optional("options", Kind::Options(of), "A map of options.")
}

const fn row(name: &'static str, summary: &'static str, params: &'static [Param], returns: Returns, body: Body) -> Row {
    Row { function: Function { name, summary, params, returns, examples: &[] }, body }
}

static TABLE: [Row; 23] = [
    row("http_get", "Reads from a web API.", &[WEB_API, PATH, options(OF_HTTP)], RESPONSE, Body::Asks),
    row("http_post", "Sends something to a web API.", &[WEB_API, PATH, BODY, options(OF_HTTP)], RESPONSE, Body::Asks),
    row("http_put", "Replaces something in a web API.", &[WEB_API, PATH, BODY, options(OF_HTTP)], RESPONSE, Body::Asks),
    row(
        "http_patch",
        "Changes something in a web API.",
        &[WEB_API, PATH, BODY, options(OF_HTTP)],
        RESPONSE,
        Body::Asks,
    ),
    row("http_delete", "Deletes something from a web API.", &[WEB_API, PATH, options(OF_HTTP)], RESPONSE, Body::Asks),
    row(
        "parse_json",
        "Reads a value from a text of JSON.",
        &[param("text", Kind::Text, "The text.")],
        returns(Type::Unknown, "the value"),
        Body::Computes(parse_json),
    ),
    row(
        "to_json",
        "Writes a value as JSON.",
        &[param("value", Kind::Any, "The value.")],
        returns(Type::Text, "a text"),
        Body::Computes(write_json),
    ),
    row(
        "sql_rows",
        "Asks a database, and returns all rows.",
        &[DATABASE, QUERY, VALUES, options(OF_ALL)],
        returns(Type::Array, "an array of maps, one for each row"),
        Body::Asks,
    ),
    row(
        "sql_row",
        "Asks a database, and returns the first row.",
        &[DATABASE, QUERY, VALUES, options(OF_ALL)],
        returns(Type::Unknown, "a map; `()` if there is no row"),
        Body::Asks,
    ),
    row(
        "sql_value",
        "Asks a database, and returns the first column of the first row.",
        &[DATABASE, QUERY, VALUES, options(OF_ALL)],
        returns(Type::Unknown, "the value; `()` if there is no row"),
        Body::Asks,
    ),
    row(
        "sql_run",
        "Changes something in a database. An array of statements is done whole or not at all.",
        &[
            DATABASE,
            param(
                "text",
                Kind::Sql,
                "A statement, with `:name` in the places of values; or an array of `[text, values]`.",
            ),
            VALUES,
            options(OF_ALL),
        ],
        returns(Type::Number, "how many rows were changed"),
        Body::AsksAfter(statements),
    ),
    row(
        "store_get",
        "Returns a value that was stored by any call.",
        &[KEY, options(OF_ALL)],
        returns(Type::Unknown, "the value; `()` if there is none"),
        Body::Asks,
    ),
    row(
        "store_put",
        "Stores a value for other calls.",
        &[KEY, param("value", Kind::Any, "The value."), options(OF_PUT)],
        NOTHING,
        Body::Asks,
    ),
    row("store_del", "Deletes a stored value.", &[KEY, options(OF_ALL)], NOTHING, Body::Asks),
    row(
        "store_keys",
        "Returns the keys that begin like this.",
        &[param("prefix", Kind::Text, "The beginning of the keys; `\"\"` for all."), options(OF_ALL)],
        returns(Type::Array, "an array of texts, in order"),
        Body::Asks,
    ),
    row(
        "store_add",
        "Adds to a stored number in one step, whoever else adds to it.",
        &[KEY, param("n", Kind::Any, "What is added, a number; it may be negative."), options(OF_ALL)],
        returns(Type::Number, "the new number"),
        Body::Asks,
    ),
    row(
        "board_put",
        "Enters a score in a board, which keeps the best of each name.",
        &[BOARD, PLAYER, param("score", Kind::Any, "The score, a number."), options(OF_ALL)],
        NOTHING,
        Body::Asks,
    ),
    row(
        "board_top",
        "Returns the best entries of a board.",
        &[BOARD, param("n", Kind::Integer(0, 1000), "How many."), options(OF_ALL)],
        returns(Type::Array, "an array of `#{ rank, name, score }`, the best first"),
        Body::Asks,
    ),
    row(
        "board_rank",
        "Returns the rank of a name on a board.",
        &[BOARD, PLAYER, options(OF_ALL)],
        returns(Type::NumberOrUnit, "the rank, from 1; `()` if the name isn't there"),
        Body::Asks,
    ),
    row(
        "mail",
        "Sends a mail, after the call if need be.",
        &[
            param("service", Kind::Service("mail"), "Name of a mail server, as in `[mail.NAME]`."),
            param("message", Kind::Options(OF_MAIL), "The mail."),
            options(OF_ALL),
        ],
        NOTHING,
        Body::AsksAfter(letter),
    ),
    row(
        "run_program",
        "Runs a program of this machine, and waits for its end.",
        &[
            param("service", Kind::Service("program"), "Name of a program, as in `[program.NAME]`."),
            param("arguments", Kind::Array, "Arguments, which come after those of the operator."),
            options(OF_PROGRAM),
        ],
        returns(Type::Map, "`#{ status, output, error }`"),
        Body::AsksAfter(program_arguments),
    ),
    row(
        "after_call",
        "Runs a function of this script when the call is over, without a channel; again, later and later, if it fails.",
        &[
            param("function", Kind::Function, "`Fn(\"name\")` or the name, of a function with one parameter."),
            param("value", Kind::Any, "What the function gets."),
            options(OF_ALL),
        ],
        NOTHING,
        Body::AsksAbout(after_call),
    ),
    row(
        "call_out",
        "Has Asterisk call somebody, now or later.",
        &[
            param("target", Kind::Name, "Whom to call, such as `PJSIP/200`."),
            param(
                "options",
                Kind::Options(OF_CALL_OUT),
                "What happens when the call is answered, and when it is made.",
            ),
        ],
        returns(Type::Text, "an id"),
        Body::Asks,
    ),
];

/// The functions that ask services, for the reference and the checker.
pub static SERVICES: &[&Function] = &declarations!(TABLE);

/// Registers the functions of the table.
pub(crate) fn add_services(module: &mut Module, named: &Named) {
    for Row { function, body } in TABLE.iter().filter(|row| named.contains(row.function.name)) {
        for arity in function.arities() {
            add(module, function.name, arity, move |context, args| {
                let asking = Asking::new(function, Call::of(context)?);
                match body {
                    Body::Asks => asking.ask(args, |_, _| Ok(())),
                    Body::AsksAfter(change) => asking.ask(args, |_, request| change(&asking, request)),
                    Body::AsksAbout(change) => asking.ask(args, |args, request| change(&asking, args, request)),
                    Body::Computes(compute) => compute(&asking, args),
                }
            });
        }
    }
}

fn parse_json(asking: &Asking, args: &[&mut Dynamic]) -> ScriptResult {
    let Ok(text) = args[0].as_immutable_string_ref() else {
        return Err(asking.bad_argument("text", format!("`text` must be a text, not {}", shown(args[0], 100))));
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| asking.bad_argument("text", format!("`text` is not JSON: {error}")))?;
    Ok(from_json(&value))
}

fn write_json(asking: &Asking, args: &[&mut Dynamic]) -> ScriptResult {
    let value = to_json(args[0])
        .map_err(|what| asking.bad_argument("value", format!("`value` can't be written as JSON: it holds {what}")))?;
    Ok(value.to_string().into())
}

/// Moves an array of statements to an argument of its own.
fn statements(asking: &Asking, request: &mut Request) -> Changed {
    let Some(Value::Array(statements)) = request.arguments.get("text") else { return Ok(()) };
    let is_statement = |statement: &Value| match statement.as_array().map(Vec::as_slice) {
        Some([Value::String(_)] | [Value::String(_), Value::Object(_)]) => true,
        _ => statement.is_string(),
    };
    if let Some(at) = statements.iter().position(|statement| !is_statement(statement)) {
        let problem = format!("statement {} isn't a text or an array of a text and a map, `[text, values]`", at + 1);
        return Err(asking.bad_argument("text", problem));
    }
    if request.arguments.contains_key("values") {
        let problem = "several statements have their values beside them: `[[text, values], [text, values]]`";
        return Err(asking.bad_argument("values", problem));
    }
    let pair = |statement: &Value| match statement {
        Value::String(_) => Value::Array(vec![statement.clone(), Value::Object(serde_json::Map::new())]),
        Value::Array(parts) if parts.len() == 1 => {
            Value::Array(vec![parts[0].clone(), Value::Object(serde_json::Map::new())])
        }
        other => other.clone(),
    };
    let statements = statements.iter().map(pair).collect();
    request.arguments.remove("text");
    request.arguments.insert("statements".to_owned(), Value::Array(statements));
    Ok(())
}

/// Makes arrays of what may be one or several.
fn letter(asking: &Asking, request: &mut Request) -> Changed {
    for name in ["to", "attach"] {
        let Some(given) = request.arguments.get_mut(name) else { continue };
        *given = match given.take() {
            Value::Array(items) if items.iter().all(Value::is_string) => Value::Array(items),
            Value::String(one) => Value::Array(vec![Value::String(one)]),
            _ => return Err(asking.bad_argument(name, format!("`{name}` must be a text or an array of texts"))),
        };
    }
    Ok(())
}

/// Makes texts of a program's arguments.
fn program_arguments(asking: &Asking, request: &mut Request) -> Changed {
    let Some(Value::Array(arguments)) = request.arguments.get_mut("arguments") else { return Ok(()) };
    for (at, argument) in arguments.iter_mut().enumerate() {
        match argument {
            Value::String(_) => {}
            Value::Number(number) => *argument = Value::String(number.to_string()),
            _ => {
                let problem = format!("argument {} must be a text or a number, not {argument}", at + 1);
                return Err(asking.bad_argument("arguments", problem));
            }
        }
    }
    Ok(())
}

/// Notes which function of which script is to run.
fn after_call(asking: &Asking, args: &[&mut Dynamic], request: &mut Request) -> Changed {
    let name = match (args[0].as_immutable_string_ref(), args[0].read_lock::<FnPtr>()) {
        (Ok(name), _) => name.to_string(),
        (_, Some(function)) if !is_closure(function.fn_name()) && function.curry().is_empty() => {
            written_name(function.fn_name()).to_owned()
        }
        _ => {
            let problem = "`function` must be the name of a function of this script, or `Fn(\"name\")`: a closure is \
                           gone when the call is over";
            return Err(asking.bad_argument("function", problem));
        }
    };
    let context = asking.call.context();
    let takes_one = context.iter_namespaces().any(|module| module.get_script_fn(&name, 1).is_some());
    if !takes_one {
        let problem = format!("this script has no function `{name}` with one parameter");
        return Err(asking.bad_argument("function", problem));
    }
    request.arguments.insert("function".to_owned(), name.into());
    request.arguments.insert("script".to_owned(), context.call_source().unwrap_or_default().into());
    // The value may have been made from a secret, so the job reports faults without values, too.
    if asking.call.with_session(|session| session.knows_a_secret())? {
        request.arguments.insert("secret".to_owned(), true.into());
    }
    Ok(())
}
