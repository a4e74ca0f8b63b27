//! AstDB, the database Asterisk keeps across calls and restarts.

use super::declaration::{Access, Command, Example, Function, OnMinusOne, Since, Waits};
use super::hears::Hears;
use super::param::{Kind, Param};
use super::returns::Returns;
use crate::agi::Reply;

const SUBJECT: &str = "Asterisk's database";

/// The commands of this subject, in the order of the reference.
pub(super) const COMMANDS: &[&Command] = &[&DATABASE_GET, &DATABASE_PUT, &DATABASE_DEL, &DATABASE_DELTREE];

/// `DATABASE GET`
pub static DATABASE_GET: Command = Command {
    function: Function {
        name: "database_get",
        summary: "Reads an entry of AstDB.",
        params: &[
            Param::required("family", Kind::Name, "Family of the key.").a_name(),
            Param::required("key", Kind::Name, "The key."),
        ],
        returns: Returns::Text { absent: "0" },
        examples: &[
            Example {
                caller: "",
                script: r#"database_put("scores", "201", 7); database_get("scores", "201")"#,
                sends: "DATABASE PUT \"scores\" \"201\" \"7\"\nDATABASE GET \"scores\" \"201\"",
                reply: "200 result=1\n200 result=1 (7)",
                value: r#""7""#,
            },
            Example {
                caller: "",
                script: r#"database_get("scores", "nobody")"#,
                sends: r#"DATABASE GET "scores" "nobody""#,
                reply: "200 result=0",
                value: "()",
            },
        ],
    },
    verb: "DATABASE GET",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::ReadsEntry,
    simulate: |channel, words| {
        let value = channel.database().get(words[0], words[1]);
        Some(value.map_or_else(|| Reply::of(0), |value| Reply::of(1).with_value(value)))
    },
    ..Command::UNSTATED
};

/// `DATABASE PUT`
pub static DATABASE_PUT: Command = Command {
    function: Function {
        name: "database_put",
        summary: "Writes an entry of AstDB.",
        params: &[
            Param::required("family", Kind::Name, "Family of the key.").a_name(),
            Param::required("key", Kind::Name, "The key."),
            Param::required("value", Kind::Text, "The new value."),
        ],
        returns: Returns::Nothing("1"),
        examples: &[Example {
            caller: "",
            script: r#"database_put("scores", "201", 7)"#,
            sends: "DATABASE PUT \"scores\" \"201\" \"7\"",
            reply: "200 result=1",
            value: "()",
        }],
    },
    verb: "DATABASE PUT",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 3..=3,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::SetsEntry,
    ahead: true,
    simulate: |channel, words| Some(Reply::of(u8::from(channel.database().put(words[0], words[1], words[2])))),
    ..Command::UNSTATED
};

/// `DATABASE DEL`
pub static DATABASE_DEL: Command = Command {
    function: Function {
        name: "database_del",
        summary: "Deletes an entry of AstDB; a missing one isn't an error.",
        params: &[
            Param::required("family", Kind::Name, "Family of the key.").a_name(),
            Param::required("key", Kind::Name, "The key."),
        ],
        returns: Returns::Nothing("1"),
        examples: &[Example {
            caller: "",
            script: r#"database_del("scores", "201")"#,
            sends: r#"DATABASE DEL "scores" "201""#,
            reply: "200 result=1",
            value: "()",
        }],
    },
    verb: "DATABASE DEL",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 2..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::DeletesEntry,
    simulate: |channel, words| {
        channel.database().del(words[0], words[1]);
        Some(Reply::of(1))
    },
    ..Command::UNSTATED
};

/// `DATABASE DELTREE`
pub static DATABASE_DELTREE: Command = Command {
    function: Function {
        name: "database_deltree",
        summary: "Deletes a family of AstDB or the part of it below a key; returns whether there was anything to delete.",
        params: &[
            Param::required("family", Kind::Name, "Family of the key.").a_name(),
            Param::optional("tree", Kind::Name, "Key below which to delete; the whole family if left out."),
        ],
        returns: Returns::Flag { yes: "0" },
        examples: &[
            Example {
                caller: "",
                script: r#"database_put("scores", "201", 7); database_deltree("scores")"#,
                sends: "DATABASE PUT \"scores\" \"201\" \"7\"\nDATABASE DELTREE \"scores\"",
                reply: "200 result=1\n200 result=0",
                value: "true",
            },
            Example {
                caller: "",
                script: r#"database_deltree("")"#,
                sends: "",
                reply: "",
                value: "argument: database_deltree: `family` must not be empty",
            },
        ],
    },
    verb: "DATABASE DELTREE",
    subject: SUBJECT,
    since: Since::version("1.0"),
    words: 1..=2,
    on_minus_one: OnMinusOne::Failed,
    dead: true,
    hears: Hears::Nothing,
    waits: Waits::Short,
    access: Access::DeletesEntries,
    simulate: |channel, words| {
        // 0 says that something was deleted, the opposite of Asterisk's own documentation.
        Some(Reply::of(u8::from(channel.database().deltree(words[0], words.get(1).copied()) == 0)))
    },
    ..Command::UNSTATED
};
