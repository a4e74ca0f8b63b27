//! What people write out of habit, from other languages and from the dialplan, and what a script has instead.

use crate::script::names::distance;

/// Words of other languages, and what to write instead.
pub(super) struct Habit {
    words: &'static [&'static str],
    pub hint: &'static str,
}

const fn habit(words: &'static [&'static str], hint: &'static str) -> Habit {
    Habit { words, hint }
}

/// Returns the row for a word.
pub(super) fn find(table: &'static [Habit], word: &str) -> Option<&'static Habit> {
    table.iter().find(|habit| habit.words.contains(&word))
}

const LET: &str = "a variable is defined with `let`: `let x = 5;`";
const FUNCTION: &str = "a function is defined with `fn`: `fn play(name) { ... }`";
const CLOSURE: &str = "a function without a name is written `|x| x + 1`";
const IMPORT: &str = "`import \"lib/menu\" as menu;` imports a script, whose functions are then called `menu::play()`";
const NO_CLASSES: &str = "a map holds values together: `#{ name: \"Ann\", age: 7 }`";
const PRINT: &str = "`print(text)` writes to the log; `say(...)` tells the caller something";
const ABSENT: &str = "an absent value is written `()`";
const BLOCK: &str = "a block stands in braces: `if x == 1 { ... }`";
const NOTHING_WAITS: &str = "leave it out: each function returns when it is done";

/// Words that begin a statement elsewhere.
pub(super) static KEYWORDS: &[Habit] = &[
    habit(&["function", "def", "func", "sub", "proc", "procedure", "define"], FUNCTION),
    habit(&["foreach"], "`for item in list { ... }` goes through a list"),
    habit(&["elif", "elsif", "elseif"], "write `else if`"),
    habit(&["echo", "puts", "println", "printf", "print"], PRINT),
    habit(&["local", "my", "our", "dim", "int", "float", "string", "bool", "char", "double", "auto"], LET),
    habit(&["mut"], "leave it out: every variable of `let` can be changed"),
    habit(&["raise", "die"], "write `throw`"),
    habit(&["from", "include", "require", "require_once", "include_once", "source"], IMPORT),
    habit(&["class", "struct", "enum", "interface", "type", "object"], NO_CLASSES),
    habit(&["repeat"], "`loop { ... }` repeats until `break`; `for i in 0..3 { ... }` repeats three times"),
    habit(&["unless"], "write `if !(...) { ... }`"),
    habit(&["delete", "del", "unset"], "`map.remove(\"name\")` removes an entry; `x = ();` empties a variable"),
    habit(&["typeof"], "write `type_of(x)`"),
    habit(&["finally", "ensure"], "what must be done in any case comes after the `try` and its `catch`"),
    habit(&["except", "rescue"], "write `catch (error) { ... }`"),
    habit(&["lambda"], CLOSURE),
    habit(&["pass"], "a block may be empty: `{ }`"),
    habit(&["end", "endif", "fi", "done", "esac", "wend", "endwhile", "next"], "a block ends with `}`"),
    habit(&["then", "begin"], BLOCK),
    habit(&["when"], "the cases of a `switch` are written `\"1\" => ...,`"),
    habit(&["var"], LET),
    habit(&["goto"], "`go_to(context, extension, priority)` continues the call elsewhere in the dialplan"),
    habit(&["case"], "the cases of a `switch` are written `\"1\" => ...,`"),
    habit(&["default"], "the last case of a `switch` is written `_ => ...`"),
    habit(&["match"], "write `switch`"),
    habit(&["new"], "leave it out: `throw \"text\"` throws a text, `#{ }` makes a map, and `[ ]` an array"),
    habit(&["use", "package", "module"], IMPORT),
    habit(&["async", "await", "yield", "go", "spawn", "thread", "sync"], NOTHING_WAITS),
    habit(&["public", "protected"], "leave it out: functions of a script are public"),
    habit(&["static", "shared"], LET),
    habit(&["super", "with"], NO_CLASSES),
    habit(&["until"], "write `while !(...) { ... }`"),
];

/// Words that stand between two values elsewhere, or before one.
pub(super) static OPERATORS: &[Habit] = &[
    habit(&["and"], "write `&&`"),
    habit(&["or"], "write `||`"),
    habit(&["not"], "write `!`"),
    habit(&["mod"], "write `%`"),
    habit(&["div"], "write `/`"),
    habit(&["is", "eq"], "write `==`"),
    habit(&["ne"], "write `!=`"),
    habit(&["lt"], "write `<`"),
    habit(&["gt"], "write `>`"),
    habit(&["le"], "write `<=`"),
    habit(&["ge"], "write `>=`"),
    habit(&["instanceof"], "write `type_of(x) == \"map\"`"),
    habit(&["xor"], "write `a != b`"),
];

/// Names that values and objects have elsewhere.
pub(super) static VALUES: &[Habit] = &[
    habit(&["None", "undefined", "Null", "NULL", "NaN", "null", "nil", "void"], ABSENT),
    habit(&["True", "TRUE", "yes"], "write `true`"),
    habit(&["False", "FALSE", "no"], "write `false`"),
    habit(&["self"], "a function of a map finds the map in `this`"),
    habit(&["argv", "ARGV", "arguments"], "the arguments of the call are in `args`"),
    habit(
        &["agi", "AGI", "channel", "chan", "session", "call"],
        "there is no object for the call: its commands are functions of their own, such as `answer()`",
    ),
    habit(&["console", "System", "sys", "os", "process"], PRINT),
    habit(&["Math", "math"], "functions of numbers are called directly: `random(1, 6)`, `x.floor()`, `x.abs()`"),
    habit(&["JSON", "json"], "write `parse_json(text)`, or `value.to_json()`"),
    habit(&["time", "datetime", "Date", "date"], "`now()` is the time, and `sleep(seconds)` waits"),
    habit(&["EXTEN"], "write `env.agi_extension`"),
    habit(&["CALLERID"], "write `env.agi_callerid`"),
];

/// Symbols of other languages, and what to write instead.
pub(super) static SYMBOLS: &[Habit] = &[
    habit(&["==="], "write `==`"),
    habit(&["!==", "~=", "<>"], "write `!=`"),
    habit(&[":="], "write `=`"),
    habit(&["->"], "a function of a value is called with a dot: `list.len()`"),
    habit(&["<-"], "write `=`"),
    habit(&["::<"], "a function takes no types"),
    habit(&["(*", "*)"], "a comment is written `/* ... */`"),
    habit(&["# {"], "write `#{` without a space"),
    habit(&["<=>"], "compare with `<`, `==` or `>`"),
    habit(&["|>", "<|"], "call one function after the other: `a(b(x))`"),
    habit(&["@"], "a variable is written without a sign before it: `x`"),
    habit(&["~"], "write `!` for not"),
    habit(&["..."], "a range is written `0..5`, or `0..=5` with its end"),
    habit(&["!."], "write `.`"),
    habit(&[":;"], "write `;`"),
];

/// Characters that a word processor or a web page puts in the place of plain ones: the name, and what to write.
pub(super) static CHARACTERS: &[(&str, &str, &str)] = &[
    ("“”„«»″", "a typographic quotation mark", "a text stands in straight quotes: \"...\""),
    ("‘’‚‛´′", "a typographic quotation mark", "a text stands in straight quotes: \"...\""),
    ("–—−‐‑", "a typographic dash", "write the `-` of the keyboard"),
    ("…", "a typographic ellipsis", "a range is written with two plain dots: `0..5`"),
    ("×", "a typographic sign", "write `*`"),
    ("÷", "a typographic sign", "write `/`"),
    ("≠", "a typographic sign", "write `!=`"),
    ("≤", "a typographic sign", "write `<=`"),
    ("≥", "a typographic sign", "write `>=`"),
];

/// Characters that look like a space, or like nothing.
pub(super) const INVISIBLE: &str = "\u{a0}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{200b}\u{200c}\u{200d}\u{202f}\u{205f}\u{2060}\u{3000}\u{feff}";

/// What a script has for a function of another language.
pub(super) enum Instead {
    /// The function of this name.
    Call(&'static str),
    /// Something else, as this sentence says.
    Write(&'static str),
}

use Instead::{Call, Write};

const TEXT: &str = "a text in backticks takes values: `score: ${score}`";
pub(super) const NO_FILES: &str = "scripts read no files: the operator's agi-rhai.toml names programs for \
    `run_program(\"name\", [])`, and `store_get` and `database_get` return what calls have stored";
const ASK: &str = "`ask(\"please-dial\", #{ max: 4 })` plays a prompt and returns the keys";

/// Names that functions have in other languages and in the dialplan, in their own spelling.
static FUNCTIONS: &[(&[&str], Instead)] = &[
    (&["parseInt", "parseFloat", "Number", "parse_number", "number", "intval", "atoi", "tonumber"], Call("to_number")),
    (&["str", "String", "tostring", "strval", "repr"], Call("to_string")),
    (&["println", "echo", "puts", "console_log", "log", "print_r", "var_dump"], Call("print")),
    (&["printf", "sprintf", "format", "fmt"], Write(TEXT)),
    (&["Wait", "wait", "delay", "pause", "setTimeout", "usleep"], Call("sleep")),
    (&["Playback", "playback", "ControlPlayback", "play", "play_file", "streamFile"], Call("stream_file")),
    (
        &["Background", "background", "BackGround"],
        Write(
            "`stream_file(file, \"0123456789*#\")` plays a file until a key is pressed; `ask` and `menu` ask for keys",
        ),
    ),
    (&["Read", "read", "read_digits", "get_digits", "getData"], Call("get_data")),
    (&["WaitExten", "waitexten", "input", "readline", "prompt", "scanf", "gets"], Write(ASK)),
    (&["get_digit", "wait_digit", "getch", "WaitDigit"], Call("wait_for_digit")),
    (&["rand", "randint", "mt_rand", "random_int"], Call("random")),
    (&["length", "size", "count", "strlen", "sizeof"], Call("len")),
    (&["append", "add", "array_push"], Call("push")),
    (&["upper", "toUpperCase", "strtoupper", "uppercase", "upcase"], Call("to_upper")),
    (&["lower", "toLowerCase", "strtolower", "lowercase", "downcase"], Call("to_lower")),
    (&["strip"], Call("trim")),
    (&["substring", "substr", "slice", "mid"], Call("sub_string")),
    (
        &["includes", "has", "has_key", "hasOwnProperty", "in_array", "array_key_exists", "strpos", "contains_key"],
        Call("contains"),
    ),
    (&["find_index", "indexOf", "search"], Call("index_of")),
    (&["explode"], Call("split")),
    (&["replaceAll", "replace_all", "str_replace", "gsub"], Call("replace")),
    (&["unshift"], Write("`list.insert(0, value)` puts a value first")),
    (&["charAt", "char_at"], Write("a character is written in brackets: `text[0]`")),
    (&["join", "implode"], Write("`list.reduce(|a, b| a + \" \" + b)` joins texts")),
    (&["quit", "stop", "end", "die"], Call("exit")),
    (&["Set", "set_var", "setVariable"], Call("set_variable")),
    (&["get_var", "getVariable"], Call("get_variable")),
    (&["db_get", "DBget"], Call("database_get")),
    (&["db_put", "DBput"], Call("database_put")),
    (&["Record", "record"], Call("record_file")),
    (&["time", "strftime"], Call("now")),
    (&["hang_up", "HangUp"], Call("hangup")),
    (&["GotoIf", "GotoIfTime"], Write("write `if x == 1 { go_to(\"context\", \"extension\", 1); }`")),
    (&["ExecIf"], Write("write `if x == 1 { ... }`")),
    (&["Return"], Write("write `return;`")),
    (&["require", "include", "import_module", "dofile"], Write(IMPORT)),
    (
        &["isset", "empty", "defined", "isNaN", "is_null", "is_none"],
        Write("an absent value is `()`: compare with `== ()`"),
    ),
    (&["unset", "delete"], Write("`map.remove(\"name\")` removes an entry; `x = ();` empties a variable")),
    (&["typeof", "gettype"], Call("type_of")),
    (&["forEach", "each"], Call("for_each")),
    (&["system", "shell_exec", "popen", "open", "fopen", "file_get_contents", "system_exec"], Write(NO_FILES)),
    (&["enumerate"], Write("`for (item, index) in list { ... }` counts along")),
    (&["Some", "Ok"], Write("leave it out: a value is just written")),
];

/// Returns what a script has for a function of another language.
pub(super) fn instead(function: &str) -> Option<&'static Instead> {
    FUNCTIONS.iter().find(|(names, _)| names.contains(&function)).map(|(_, instead)| instead)
}

/// Returns the function that a misspelt name of another language's function stands for.
pub(super) fn instead_of_misspelt(function: &str) -> Option<&'static Instead> {
    let near = |name: &&str| name.len() > 4 && distance(function, name) == 1;
    FUNCTIONS.iter().find(|(names, _)| names.iter().any(near)).map(|(_, instead)| instead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Language;

    /// Returns the functions that a hint calls in its code: `answer` in "write `answer()`".
    fn called(hint: &str) -> Vec<&str> {
        let code = hint.split('`').skip(1).step_by(2);
        let names = code.flat_map(|code| {
            code.match_indices('(').map(|(at, _)| {
                let start = code[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
                &code[start..at]
            })
        });
        names.filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn hints_call_functions_that_exist() {
        let language = Language::new();
        let names = language.names();
        // Examples of a script's own functions.
        let own = ["play", "a", "b"];
        let habits = [KEYWORDS, OPERATORS, VALUES, SYMBOLS].into_iter().flatten().map(|habit| habit.hint);
        let sentences = FUNCTIONS.iter().filter_map(|(_, instead)| match instead {
            Write(sentence) => Some(*sentence),
            Call(_) => None,
        });
        for hint in habits.chain(sentences) {
            let unknown: Vec<&str> =
                called(hint).into_iter().filter(|name| !names.exists(name) && !own.contains(name)).collect();
            assert!(unknown.is_empty(), "{unknown:?} in {hint:?}");
        }
        for (_, instead) in FUNCTIONS {
            if let Call(name) = instead {
                assert!(names.exists(name), "{name}");
            }
        }
    }
}
