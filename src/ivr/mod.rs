//! Questions and menus: what a script would otherwise make of several commands each time, and get wrong.

mod choices;
mod options;
mod parts;
mod phrases;
mod play;
mod prompter;
mod question;

use crate::command::{
    COMMANDS, EXEC, Example, Function, GET_VARIABLE, Kind, Need, Param, Privacy, Returns, Type, Value,
};
use crate::script::{BUILTINS, Call, Language, add, add_core, dynamic, value};
use choices::Choices;
use options::{OF_ASK, OF_COLLECT, OF_CONFIRM, OF_MENU, Options};
use prompter::{Outcome, Prompter};
use question::Question;
use rhai::{Dynamic, FnPtr, Module};

type Run = fn(&Prompter, &[&mut Dynamic]) -> Outcome;

const fn gives(gives: Type, doc: &'static str) -> Returns {
    Returns::Own { doc, gives }
}

const fn param(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Param {
    Param { name, kind, need, privacy: Privacy::Private, doc }
}

const PARTS: Param =
    param("parts", Kind::Parts, Need::Required, "What is said: one part or an array of them, as in `say`.");

const fn example(
    caller: &'static str,
    script: &'static str,
    sends: &'static str,
    reply: &'static str,
    value: &'static str,
) -> Example {
    Example { caller, script, sends, reply, value }
}

/// `say`
static SAY: Function = Function {
    name: "say",
    summary: "Says one part or several; the caller may end it with a key.",
    params: &[
        param(
            "parts",
            Kind::Parts,
            Need::Required,
            "One part or an array of them: a text is a sound file, an integer a number; besides there are \
             `#{ digits: \"0412\" }`, `#{ spell: \"abc\" }`, `#{ phonetic: \"abc\" }`, `#{ number: 2, gender: \"f\" }` and \
             `#{ date: now() }`, which may have a `format` and a `zone` as in `say_datetime`.",
        ),
        param("keys", Kind::Keys, Need::Default(""), "Keys that end it early; none if left out."),
    ],
    returns: Returns::Key,
    examples: &[
        example(
            "",
            r#"say(["vm-youhave", 2, "vm-messages"])"#,
            "STREAM FILE \"vm-youhave\" \"\"\nSAY NUMBER 2 \"\"\nSTREAM FILE \"vm-messages\" \"\"",
            "200 result=0 endpos=7360\n200 result=0\n200 result=0 endpos=8640",
            r#""""#,
        ),
        example(
            "presses 1 after 1s",
            r#"say(["vm-intro", "beep"], "12")"#,
            r#"STREAM FILE "vm-intro" "12""#,
            "200 result=49 endpos=8000",
            r#""1""#,
        ),
        example(
            "",
            r#"say(["beep", ()])"#,
            "",
            "",
            "argument: say: part 2 of `parts` is (): a part is a sound file, a whole number, or a map such as #{ digits: 12 }",
        ),
    ],
};

/// `collect`
static COLLECT: Function = Function {
    name: "collect",
    summary: "Asks once for keys, and tells how they ended.",
    params: &[PARTS, param("options", Kind::Options(OF_COLLECT), Need::Optional, "A map of options.")],
    returns: gives(
        Type::Map,
        "`#{ digits, ended_by }`; it was ended by `\"max\"`, `\"end\"`, `\"timeout\"` (after some keys), `\"none\"` or \
         `\"cancel\"`",
    ),
    examples: &[
        example(
            "presses 12# after 1s",
            r#"collect("vm-intro", #{ max: 4 })"#,
            "GET DATA \"vm-intro\" 5000 1\nGET DATA \"\" 2000 3",
            "200 result=1\n200 result=2",
            r#"#{"digits": "12", "ended_by": "end"}"#,
        ),
        example(
            "",
            r#"collect("vm-intro", #{ first: 3 }).ended_by"#,
            r#"GET DATA "vm-intro" 3000 1"#,
            "200 result= (timeout)",
            r#""none""#,
        ),
    ],
};

/// `ask`
static ASK: Function = Function {
    name: "ask",
    summary: "Asks for keys until there is an answer.",
    params: &[PARTS, param("options", Kind::Options(OF_ASK), Need::Optional, "A map of options.")],
    returns: gives(
        Type::TextOrUnit,
        "the keys as text; `()` when all tries are used up, or the caller gave up by a `cancel` key",
    ),
    examples: &[
        example(
            "presses 0412 after 1s",
            r#"ask("vm-enter-num-to-call", #{ max: 4 })"#,
            "GET DATA \"vm-enter-num-to-call\" 5000 1\nGET DATA \"\" 2000 3",
            "200 result=0\n200 result=412",
            r#""0412""#,
        ),
        example(
            "",
            r#"ask(["vm-youhave", 2], #{ tries: 2, first: 1, give_up: "vm-goodbye" })"#,
            "GET DATA \"vm-youhave\" 1 1\nSAY NUMBER 2 \"0123456789*#ABCD\"\nGET DATA \"\" 1000 1\n\
             GET DATA \"vm-youhave\" 1 1\nSAY NUMBER 2 \"0123456789*#ABCD\"\nGET DATA \"\" 1000 1\n\
             STREAM FILE \"vm-goodbye\" \"\"",
            "200 result= (timeout)\n200 result=0\n200 result= (timeout)\n200 result= (timeout)\n200 result=0\n\
             200 result= (timeout)\n200 result=0 endpos=7040",
            "()",
        ),
        example(
            "",
            r#"ask("vm-intro", #{ trys: 2 })"#,
            "",
            "",
            "argument: ask: `options` has no `trys`: did you mean `tries`?",
        ),
    ],
};

/// `confirm`
static CONFIRM: Function = Function {
    name: "confirm",
    summary: "Asks for yes, which is 1, or no, which is 2.",
    params: &[PARTS, param("options", Kind::Options(OF_CONFIRM), Need::Optional, "A map of options.")],
    returns: gives(
        Type::BoolOrUnit,
        "`true` or `false`; `()` when all tries are used up, or the caller gave up by a `cancel` key",
    ),
    examples: &[example(
        "presses 1 after 1s",
        r#"confirm("vm-intro")"#,
        r#"GET DATA "vm-intro" 5000 1"#,
        "200 result=1",
        "true",
    )],
};

/// `menu`
static MENU: Function = Function {
    name: "menu",
    summary: "Lets the caller choose by keys, matched as Asterisk matches extensions.",
    params: &[
        PARTS,
        param(
            "choices",
            Kind::Choices,
            Need::Required,
            "A map from keys, or patterns such as `_1XX`, to a value, or to a function that is called with the keys.",
        ),
        param("options", Kind::Options(OF_MENU), Need::Optional, "A map of options."),
    ],
    returns: gives(
        Type::Unknown,
        "the value of the choice, or what its function gives; `()` when all tries are used up, or the caller gave up \
         by a `cancel` key",
    ),
    examples: &[
        example(
            "presses 2 after 1s",
            r#"menu("vm-intro", #{ "1": "sales", "2": || caller("nobody") })"#,
            r#"GET DATA "vm-intro" 5000 1"#,
            "200 result=2",
            r#""nobody""#,
        ),
        example(
            "presses 123 after 1s",
            r#"menu("vm-intro", #{ "0": "operator", "_1XX": |extension| extension })"#,
            "GET DATA \"vm-intro\" 5000 1\nWAIT FOR DIGIT 2000\nWAIT FOR DIGIT 2000",
            "200 result=1\n200 result=50\n200 result=51",
            r#""123""#,
        ),
    ],
};

/// `dial`
static DIAL: Function = Function {
    name: "dial",
    summary: "Calls somebody and connects the caller; the script goes on when they have hung up.",
    params: &[
        param("target", Kind::Name, Need::Required, "Whom to call, such as `PJSIP/200`; several are joined by `&`."),
        param("seconds", Kind::Seconds, Need::Default("30"), "Seconds to let it ring; parts of one are rounded up."),
        param("options", Kind::DialOptions, Need::Default(""), "Options of Dial; `g` is always among them."),
    ],
    returns: gives(
        Type::TextOrUnit,
        "`DIALSTATUS`: `\"ANSWER\"`, `\"NOANSWER\"`, `\"BUSY\"`, `\"CONGESTION\"`, `\"CHANUNAVAIL\"`, `\"CANCEL\"` and others",
    ),
    examples: &[example(
        "",
        r#"dial("PJSIP/200", 20)"#,
        "EXEC \"Dial\" \"PJSIP/200,20,g\"\nGET VARIABLE \"DIALSTATUS\"",
        "200 result=0\n200 result=1 (CHANUNAVAIL)",
        r#""CHANUNAVAIL""#,
    )],
};

/// The questions and menus, for the reference and the checker.
pub static QUESTIONS: &[&Function] = &[&SAY, &COLLECT, &ASK, &CONFIRM, &MENU, &DIAL];

impl Language {
    /// All that scripts can say: the commands, what goes with them, questions and menus.
    #[must_use]
    pub fn new() -> Self {
        let mut module = Module::new();
        add_core(&mut module);
        add_all(&mut module);
        let commands = COMMANDS.iter().map(|command| &command.function);
        Self::of(module, commands.chain(BUILTINS.iter().chain(QUESTIONS).copied()).collect(), |_| None)
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}

fn add_all(module: &mut Module) {
    let functions: [(&'static Function, Run); 6] =
        [(&SAY, say), (&COLLECT, collect), (&ASK, ask), (&CONFIRM, confirm), (&MENU, menu), (&DIAL, dial)];
    for (function, run) in functions {
        for arity in function.arities() {
            add(module, function.name, arity, move |context, args| {
                run(&Prompter { function: function.name, call: Call::of(context)? }, args)
            });
        }
    }
}

fn say(prompter: &Prompter, args: &[&mut Dynamic]) -> Outcome {
    let keys = match args.get(1) {
        Some(keys) => {
            options::keys(&value(keys)).map_err(|problem| prompter.wrong("keys", format!("`keys` {problem}")))?
        }
        None => String::new(),
    };
    let key = prompter.say(&parts::plays(prompter, "parts", args[0])?, &keys)?;
    Ok(dynamic(Value::Text(key.map(String::from).unwrap_or_default())))
}

fn collect(prompter: &Prompter, args: &[&mut Dynamic]) -> Outcome {
    let options = Options::read(prompter, args.get(1).map(|given| &**given), OF_COLLECT)?;
    let parts = parts::plays(prompter, "parts", args[0])?;
    let round = Question::new(prompter, options, None).round(&parts)?;
    let ended_by = Value::from(round.ended.word());
    Ok(dynamic(Value::map([("digits", Value::Text(round.keys)), ("ended_by", ended_by)])))
}

fn ask(prompter: &Prompter, args: &[&mut Dynamic]) -> Outcome {
    let options = Options::read(prompter, args.get(1).map(|given| &**given), OF_ASK)?;
    let keys = Question::new(prompter, options, None).ask(args[0])?;
    Ok(keys.map_or(Dynamic::UNIT, |keys| dynamic(Value::Text(keys))))
}

fn confirm(prompter: &Prompter, args: &[&mut Dynamic]) -> Outcome {
    let options = Options::read(prompter, args.get(1).map(|given| &**given), OF_CONFIRM)?;
    choose(prompter, args[0], options, Choices::yes_or_no())
}

fn menu(prompter: &Prompter, args: &[&mut Dynamic]) -> Outcome {
    let choices = Choices::read(prompter, args[1])?;
    let options = Options::read(prompter, args.get(2).map(|given| &**given), OF_MENU)?;
    choose(prompter, args[0], options, choices)
}

fn choose(prompter: &Prompter, parts: &Dynamic, options: Options, choices: Choices) -> Outcome {
    let question = Question::new(prompter, options, Some(choices));
    let Some(keys) = question.ask(parts)? else { return Ok(Dynamic::UNIT) };
    let chosen = question.choices.as_ref().and_then(|choices| choices.find(&keys)).cloned().unwrap_or_default();
    let function = chosen.read_lock::<FnPtr>().map(|function| function.clone());
    match function {
        Some(function) => prompter.call_back("choices", &function, &keys),
        None => Ok(chosen),
    }
}

fn dial(prompter: &Prompter, args: &[&mut Dynamic]) -> Outcome {
    let text = |at: usize, name: &'static str, usual: &str| match args.get(at).map(|given| value(given)) {
        None => Ok(usual.to_owned()),
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(prompter.wrong(name, format_args!("`{name}` must be a text, not {}", other.type_name()))),
    };
    let target = text(0, "target", "")?;
    if target.trim().is_empty() {
        return Err(prompter.wrong("target", "`target` must not be empty: \"PJSIP/200\", for instance"));
    }
    let seconds = match args.get(1).map(|given| value(given)) {
        None => Some(30),
        Some(Value::Int(seconds)) => Some(seconds),
        Some(Value::Float(seconds)) => whole_seconds(seconds),
        Some(Value::Text(text)) => text.trim().parse().ok().and_then(whole_seconds),
        Some(_) => None,
    };
    let Some(seconds) = seconds.filter(|seconds| *seconds >= 1) else {
        return Err(prompter.wrong("seconds", "`seconds` must be a number of seconds, 1 or more"));
    };
    let mut options = text(2, "options", "")?;
    if !has_option(&options, 'g') {
        options.push('g');
    }
    // Refused in the words of this function: the script wrote no `exec`.
    let refused = |name: &'static str, kind: Kind, given: &str, rest: &str| {
        let problem = prompter.call.with_session(|session| session.permissions().refuses(kind, given, rest))?;
        problem.map_or(Ok(()), |problem| Err(prompter.wrong(name, format_args!("`{name}` {problem}"))))
    };
    refused("target", Kind::Application, "Dial", &target)?;
    refused("options", Kind::DialOptions, &options, "")?;
    let args = [Value::from("Dial"), Value::Text(target), Value::Int(seconds), Value::Text(options)];
    prompter.invoke(&EXEC, &args)?;
    Ok(dynamic(prompter.invoke(&GET_VARIABLE, &[Value::from("DIALSTATUS")])?))
}

#[expect(clippy::cast_possible_truncation, reason = "within the bounds of what Dial takes")]
fn whole_seconds(seconds: f64) -> Option<i64> {
    (seconds > 0.0).then(|| seconds.ceil().min(f64::from(i32::MAX)) as i64)
}

/// Whether Dial's options hold this letter, outside the parentheses of another.
fn has_option(options: &str, letter: char) -> bool {
    let mut depth = 0_usize;
    options.chars().any(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && c == letter
    })
}
