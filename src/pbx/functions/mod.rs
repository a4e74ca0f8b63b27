//! Reading and writing channel variables and dialplan functions.

#![expect(clippy::unnecessary_wraps, reason = "all functions of the table have one type")]

mod arguments;
mod caller;
mod channel_items;
mod clock;
mod database;
mod facts;
mod logic;
mod math;
mod pattern;
mod text;

pub(crate) use arguments::split_all_arguments;
pub(super) use arguments::split_arguments;
pub(super) use facts::Facts;
pub(crate) use facts::Missing;

use super::callerid::{parse_callerid, shrink_number};
use super::channel::Channel;
use super::expansion::substitute;

/// The longest value that GET VARIABLE returns: its buffer has 1024 bytes, one of which terminates the text.
const MAX_VALUE: usize = 1023;
/// How deeply templates may be nested inside each other. Asterisk would overflow its stack in the end.
const MAX_NESTING: usize = 32;

/// Reads a function with its arguments; `None` if that fails.
type Read = fn(&mut Channel, &str) -> Option<String>;
/// Writes a value to a function with its arguments.
type Write = fn(&mut Channel, &str, &str);

/// A function of the dialplan.
struct Row {
    name: &'static str,
    read: Option<Read>,
    write: Option<Write>,
}

const fn read(name: &'static str, read: Read) -> Row {
    Row { name, read: Some(read), write: None }
}

const fn both(name: &'static str, read: Read, write: Write) -> Row {
    Row { name, read: Some(read), write: Some(write) }
}

const fn write(name: &'static str, write: Write) -> Row {
    Row { name, read: None, write: Some(write) }
}

/// The functions of the simulator, which answer as Asterisk's do.
const TABLE: &[Row] = &[
    // Texts and lists.
    read("LEN", text::len),
    read("TOLOWER", text::to_lower),
    read("TOUPPER", text::to_upper),
    read("TRIM", text::trim),
    read("LTRIM", text::trim_start),
    read("RTRIM", text::trim_end),
    read("FILTER", text::filter),
    read("REPLACE", text::replace),
    read("STRREPLACE", text::replace_text),
    read("STRBETWEEN", text::between),
    read("CUT", text::cut),
    read("FIELDQTY", text::field_count),
    read("FIELDNUM", text::field_number),
    read("LISTFILTER", text::without_item),
    read("POP", text::pop),
    read("SHIFT", text::shift),
    write("PUSH", text::push),
    write("UNSHIFT", text::unshift),
    write("ARRAY", text::write_array),
    read("QUOTE", text::quote),
    read("CSV_QUOTE", text::csv_quote),
    read("PASSTHRU", text::pass_through),
    read("KEYPADHASH", text::keypad),
    read("URIENCODE", text::encode_uri),
    read("URIDECODE", text::decode_uri),
    // Conditions and numbers.
    read("EXISTS", logic::exists),
    read("ISNULL", logic::is_null),
    read("IF", logic::if_function),
    read("SET", logic::set),
    read("REGEX", logic::regex),
    read("EVAL", logic::eval),
    read("DIALPLAN_EXISTS", logic::dialplan_exists),
    read("VALID_EXTEN", logic::dialplan_exists),
    read("MATH", math::math),
    read("INC", math::inc),
    read("DEC", math::dec),
    read("MIN", math::min),
    read("MAX", math::max),
    read("ABS", math::abs),
    read("RAND", math::rand),
    // Time.
    read("STRFTIME", clock::format_time),
    read("STRPTIME", clock::parse_time),
    // AstDB.
    both("DB", database::read, database::write),
    read("DB_EXISTS", database::exists),
    both("DB_DELETE", database::delete, database::write_delete),
    read("DB_KEYS", database::keys),
    read("DB_KEYCOUNT", database::key_count),
    // The channel.
    both("CALLERID", caller::read_callerid, caller::write_callerid),
    both("CONNECTEDLINE", caller::read_connected_line, caller::write_connected_line),
    both("REDIRECTING", caller::read_redirecting, caller::write_redirecting),
    both("CHANNEL", channel_items::read_channel, channel_items::write_channel),
    both("CDR", channel_items::read_cdr, channel_items::write_cdr),
    both("GLOBAL", channel_items::read_global, channel_items::write_global),
    both("SHARED", channel_items::read_shared, channel_items::write_shared),
    both("LOCAL", channel_items::read_local, channel_items::write_local),
    both("ENV", channel_items::read_env, channel_items::write_env),
    both("TIMEOUT", channel_items::read_timeout, channel_items::write_timeout),
    both("VOLUME", channel_items::read_volume, channel_items::write_volume),
    both("GROUP", channel_items::read_group, channel_items::write_group),
    read("GROUP_COUNT", channel_items::count_group),
    read("GROUP_MATCH_COUNT", channel_items::count_matching_groups),
    read("GROUP_LIST", channel_items::list_groups),
    both("HASH", channel_items::read_hash, channel_items::write_hash),
    read("HASHKEYS", channel_items::hash_keys),
    read("VERSION", channel_items::version),
];

fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// Splits `NAME(argument)` into name and argument; `None` without parentheses.
fn split_function(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    Some((name, rest.rsplit_once(')').map_or(rest, |(argument, _)| argument)))
}

impl Channel {
    /// GET VARIABLE: a variable, or a function with its arguments. The value is cut at 1023 bytes, or just before
    /// that if a character would be split.
    ///
    /// The functions of the simulator are those that look at the channel, AstDB, texts, numbers and the time. Any
    /// other is unset and ignores being set, unless [`with_function`](Self::with_function) declared it.
    #[must_use]
    pub fn get_variable(&mut self, name: &str) -> Option<String> {
        let mut value = if name.ends_with(')') { self.read_function(name) } else { self.read_variable(name) }?;
        let mut end = MAX_VALUE.min(value.len());
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        value.truncate(end);
        Some(value)
    }

    /// GET FULL VARIABLE: expands a template; `None` for an unknown channel. The variables of other channels are all
    /// unset.
    #[must_use]
    pub fn get_full_variable(&mut self, template: &str, channel: Option<&str>) -> Option<String> {
        match channel {
            Some(name) if !name.eq_ignore_ascii_case(self.name()) => {
                self.channel_status(Some(name))?;
                Some(substitute(template, MAX_NESTING, &mut |_| None))
            }
            _ => Some(self.expand(template)),
        }
    }

    /// SET VARIABLE: a variable, whose leading underscores only affect inheritance, or a function.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        if name.ends_with(')') {
            self.write_function(name, value);
            return;
        }
        let name = name.strip_prefix('_').map_or(name, |name| name.strip_prefix('_').unwrap_or(name));
        self.variables.set(name, value);
    }

    /// SET CALLERID: `"Name" <number>`, a number, or a name.
    pub fn set_callerid(&mut self, text: &str) {
        let mut end = text.len().min(255);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (name, number) = parse_callerid(&text[..end]);
        self.call.callerid = Some(shrink_number(&number));
        self.call.calleridname = Some(name);
    }

    /// Sets what a variable or a function holds before the call. A function that cannot be written, or that the
    /// simulator doesn't have, then has this value for exactly these arguments.
    pub fn preset(&mut self, name: &str, value: &str) {
        let written = split_function(name).is_none_or(|(function, _)| {
            self.stands_in_for_function(function) || row(function).is_some_and(|row| row.write.is_some())
        });
        if written {
            self.set_variable(name, value);
        } else {
            self.facts.declared.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Expands `${NAME}`, `${NAME:offset:length}` and `${FUNCTION(arguments)}`, also nested. Expressions, `$[...]`,
    /// are not simulated and stay as they are.
    pub(super) fn expand(&mut self, template: &str) -> String {
        substitute(template, MAX_NESTING, &mut |name| self.read(name))
    }

    fn read(&mut self, name: &str) -> Option<String> {
        if name.contains('(') { self.read_function(name) } else { self.read_variable(name) }
    }

    fn read_variable(&self, name: &str) -> Option<String> {
        let call = &self.call;
        Some(match name {
            "EXTEN" => self.extension.clone(),
            "CONTEXT" => self.context.clone(),
            "PRIORITY" => self.priority.to_string(),
            "CHANNEL" => call.channel.clone(),
            "UNIQUEID" => call.uniqueid.clone(),
            "HANGUPCAUSE" => if self.dead { 16 } else { self.hangup_cause }.to_string(),
            "CALLINGPRES" => call.callingpres.to_string(),
            "CALLINGANI2" => call.callingani2.to_string(),
            "CALLINGTON" => call.callington.to_string(),
            "CALLINGTNS" => call.callingtns.to_string(),
            "EPOCH" => self.now().since_epoch().as_secs().to_string(),
            _ => return self.variables.get(name).or_else(|| self.globals.get(name).cloned()),
        })
    }

    fn read_function(&mut self, text: &str) -> Option<String> {
        if let Some(value) = self.facts.declared.get(text) {
            return Some(value.clone());
        }
        let (name, argument) = split_function(text)?;
        if self.stands_in_for_function(name) {
            return self.stand_in_for_function(name, argument, None);
        }
        if let Some(row) = row(name) {
            return row.read?(self, argument);
        }
        self.note_missing(Missing::Function(name.to_owned()));
        None
    }

    fn write_function(&mut self, text: &str, value: &str) {
        let Some((name, argument)) = split_function(text) else { return };
        if self.stands_in_for_function(name) {
            self.stand_in_for_function(name, argument, Some(value));
            return;
        }
        match row(name) {
            Some(Row { write: Some(write), .. }) => write(self, argument, value),
            Some(_) => {}
            None => self.note_missing(Missing::Function(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pbx::channel::Channel;
    use crate::pbx::channel::tests::channel;

    fn filled() -> Channel {
        let mut channel = channel("");
        for (name, value) in
            [("FOO", "0123456789"), ("_NAME", "FOO"), ("__E", ""), ("DB(a/b)", "x"), ("GLOBAL(G)", "g")]
        {
            channel.set_variable(name, value);
        }
        channel.set_callerid("\"Bob\" <123>");
        channel
    }

    fn check(name: &str, expected: &str) {
        assert_eq!(filled().get_variable(name).unwrap_or_else(|| "-".into()), expected, "{name}");
    }

    fn full(template: &str, expected: &str) {
        assert_eq!(filled().get_full_variable(template, None).unwrap(), expected, "{template}");
    }

    #[test]
    fn variables_are_unset_or_empty() {
        check("FOO", "0123456789");
        check("E", "");
        check("__E", "-");
        check("BAR", "-");
        check("FOO:1:2", "-");
        check("NAME", "FOO");
        check("G", "g");
        check("", "-");
        check("CHANNEL", "PJSIP/100-00000001");
        check("EPOCH", "1700000000");
        check("CONTEXT", "default");
    }

    #[test]
    fn functions_are_read() {
        check("CALLERID(all)", "\"Bob\" <123>");
        check("CALLERID(num)", "123");
        check("CHANNEL(state)", "Up");
        check("CHANNEL(nosuch)", "-");
        check("DB(a/b)", "x");
        check("DB(a/c)", "");
        check("DB(a)", "-");
        check("LEN(abc)", "3");
        check("URIENCODE(a b/ü)", "a%20b%2F%C3%BC");
        check("URIDECODE(a%20b%2f%zz%)", "a b/%zz%");
        check("GLOBAL(G)", "g");
        check("NOSUCH(x)", "-");
        check(")", "-");
    }

    #[test]
    fn templates_are_expanded() {
        full("FOO", "FOO");
        full("<${FOO}>", "<0123456789>");
        full("${${NAME}:-3:2}", "78");
        full("${FOO:2:-3}", "23456");
        full("${FOO:20}${FOO:1:0}${BAR}", "");
        full("${URIENCODE(${CALLERID(all)})}", "%22Bob%22%20%3C123%3E");
        full("$[1+1] $5 ${LEN(${FOO:1})}", "$[1+1] $5 9");
        full("${FOO", "0123456789");
        full("${FOO:x}", "0123456789");
        assert_eq!(filled().get_full_variable("x", Some("SIP/none")), None);
        let deep = "${".repeat(100_000);
        assert_eq!(filled().get_full_variable(&deep, None).unwrap(), "");
    }

    #[test]
    fn values_are_cut_between_characters() {
        let mut channel = filled();
        channel.set_variable("LONG", &"é".repeat(600));
        assert_eq!(channel.get_variable("LONG").unwrap().len(), 1022);
        assert_eq!(channel.get_full_variable("${LONG}", None).unwrap().len(), 1200);
        assert_eq!(channel.get_full_variable("${LONG:1:1}", None).unwrap(), "é".repeat(0) + "é");
    }

    #[test]
    fn caller_ids_are_parsed() {
        for (text, name, number) in [
            ("Bob <123>", "Bob", "123"),
            ("123", "", "123"),
            ("(030) 12-34", "", "0301234"),
            ("Bob", "Bob", ""),
            ("\"Bob \\\"B\\\"\" <1>", "Bob \"B\"", "1"),
            ("", "", ""),
            ("<", "", ""),
        ] {
            let mut channel = filled();
            channel.set_callerid(text);
            let mut read = |name| channel.get_variable(name).unwrap();
            assert_eq!((read("CALLERID(name)"), read("CALLERID(num)")), (name.into(), number.into()), "{text}");
        }
    }

    #[test]
    fn setting_the_language_changes_the_channel() {
        let mut channel = filled();
        channel.set_variable("CHANNEL(language)", "de");
        assert_eq!(channel.language(), "de");
    }
}
