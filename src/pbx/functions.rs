//! Reading and writing channel variables and dialplan functions.

use super::callerid::{parse_callerid, shrink_number};
use super::channel::Channel;
use super::expansion::{substitute, uri_decode, uri_encode};

/// The longest value that GET VARIABLE returns: its buffer has 1024 bytes, one of which terminates the text.
const MAX_VALUE: usize = 1023;
/// How deeply templates may be nested inside each other. Asterisk would overflow its stack in the end.
const MAX_NESTING: usize = 32;

/// Functions that can be read: CALLERID, CHANNEL, `DB`, `DB_EXISTS`, `DB_DELETE`, EXISTS, GLOBAL, ISNULL, LEN,
/// TOLOWER, TOUPPER, URIDECODE, URIENCODE. Functions that can be set: CALLERID, CHANNEL, DB, GLOBAL. Any other
/// function is unset, and ignores being set.
impl Channel {
    /// GET VARIABLE: a variable, or a function with its arguments. The value is cut at 1023 bytes, or just before
    /// that if a character would be split.
    #[must_use]
    pub fn get_variable(&self, name: &str) -> Option<String> {
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
    pub fn get_full_variable(&self, template: &str, channel: Option<&str>) -> Option<String> {
        match channel {
            Some(name) if !name.eq_ignore_ascii_case(self.name()) => {
                self.channel_status(Some(name))?;
                Some(substitute(template, MAX_NESTING, &|_| None))
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

    /// Expands `${NAME}`, `${NAME:offset:length}` and `${FUNCTION(arguments)}`, also nested. Expressions, `$[...]`,
    /// are not simulated and stay as they are.
    pub(super) fn expand(&self, template: &str) -> String {
        substitute(template, MAX_NESTING, &|name| self.read(name))
    }

    fn read(&self, name: &str) -> Option<String> {
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
            "HANGUPCAUSE" => if self.dead { "16" } else { "0" }.into(),
            "CALLINGPRES" => call.callingpres.to_string(),
            "CALLINGANI2" => call.callingani2.to_string(),
            "CALLINGTON" => call.callington.to_string(),
            "CALLINGTNS" => call.callingtns.to_string(),
            "EPOCH" => self.now().since_epoch().as_secs().to_string(),
            _ => return self.variables.get(name).or_else(|| self.globals.get(name).cloned()),
        })
    }

    fn read_function(&self, text: &str) -> Option<String> {
        let (name, argument) = function(text)?;
        Some(match name {
            "CALLERID" => self.callerid(argument),
            "CHANNEL" => self.channel_item(argument)?,
            "DB" | "DB_EXISTS" | "DB_DELETE" => {
                let (family, key) = argument.split_once('/')?;
                let value = self.database.get(family, key);
                if name == "DB_EXISTS" {
                    return Some(flag(value.is_some()));
                }
                if name == "DB_DELETE" {
                    self.database.del(family, key);
                }
                value.unwrap_or_default()
            }
            "EXISTS" => flag(!argument.is_empty()),
            "ISNULL" => flag(argument.is_empty()),
            "GLOBAL" => self.globals.get(argument).cloned().unwrap_or_default(),
            "LEN" => argument.len().to_string(),
            "TOLOWER" => argument.to_ascii_lowercase(),
            "TOUPPER" => argument.to_ascii_uppercase(),
            "URIENCODE" => uri_encode(argument),
            "URIDECODE" => uri_decode(argument),
            _ => return None,
        })
    }

    fn callerid(&self, item: &str) -> String {
        let call = &self.call;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let item = item.to_ascii_lowercase();
        match item.as_str() {
            "all" => format!("\"{}\" <{}>", text(&call.calleridname), text(&call.callerid)),
            "name" => text(&call.calleridname),
            "pres" | "num-pres" | "name-pres" => match call.callingpres {
                0 => "allowed_not_screened".into(),
                1 => "allowed_passed_screen".into(),
                2 => "allowed_failed_screen".into(),
                3 => "allowed".into(),
                32 => "prohib_not_screened".into(),
                33 => "prohib_passed_screen".into(),
                34 => "prohib_failed_screen".into(),
                35 => "prohib".into(),
                67 => "unavailable".into(),
                _ => "unknown".into(),
            },
            "ani2" => format!("{:02}", call.callingani2),
            "ton" | "num-plan" => call.callington.to_string(),
            "tns" => call.callingtns.to_string(),
            "dnid" => text(&call.dnid),
            "rdnis" => text(&call.rdnis),
            _ if item.starts_with("num") => text(&call.callerid),
            _ => String::new(),
        }
    }

    fn channel_item(&self, item: &str) -> Option<String> {
        let call = &self.call;
        Some(match item.to_ascii_lowercase().as_str() {
            "name" | "channame" => call.channel.clone(),
            "language" => call.language.clone(),
            "state" => self.state.word().into(),
            "channeltype" => call.kind.clone(),
            "accountcode" => call.accountcode.clone(),
            "uniqueid" | "linkedid" => call.uniqueid.clone(),
            "exten" => self.extension.clone(),
            "context" => self.context.clone(),
            "musicclass" => self.music_class.clone(),
            "checkhangup" => flag(self.dead),
            "onhold" => flag(false),
            "peer" | "parkinglot" | "userfield" | "peeraccount" | "hangupsource" => String::new(),
            _ => return None,
        })
    }

    fn write_function(&mut self, text: &str, value: &str) {
        let Some((name, argument)) = function(text) else { return };
        match name {
            "GLOBAL" => {
                self.globals.insert(argument.to_owned(), value.to_owned());
            }
            "DB" => {
                if let Some((family, key)) = argument.split_once('/') {
                    self.database.put(family, key, value);
                }
            }
            "CHANNEL" => match argument.to_ascii_lowercase().as_str() {
                "language" => value.clone_into(&mut self.call.language),
                "accountcode" => value.clone_into(&mut self.call.accountcode),
                "musicclass" => value.clone_into(&mut self.music_class),
                _ => {}
            },
            "CALLERID" => self.write_callerid(argument, value),
            _ => {}
        }
    }

    fn write_callerid(&mut self, item: &str, value: &str) {
        let call = &mut self.call;
        let number = value.trim().parse::<i32>();
        match item.to_ascii_lowercase().as_str() {
            "all" => {
                let (name, number) = parse_callerid(value);
                call.callerid = Some(shrink_number(&number));
                call.calleridname = Some(name);
            }
            "name" => call.calleridname = Some(value.into()),
            "num" | "number" => call.callerid = Some(value.into()),
            "dnid" => call.dnid = Some(value.into()),
            "rdnis" => call.rdnis = Some(value.into()),
            "ani2" => call.callingani2 = number.unwrap_or(call.callingani2),
            "ton" => call.callington = number.unwrap_or(call.callington),
            "tns" => call.callingtns = number.unwrap_or(call.callingtns),
            "pres" | "num-pres" => call.callingpres = presentation(value).unwrap_or(call.callingpres),
            _ => {}
        }
    }
}

fn flag(yes: bool) -> String {
    if yes { "1" } else { "0" }.to_owned()
}

/// Splits `NAME(argument)` into name and argument; `None` without parentheses.
fn function(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    Some((name, rest.rsplit_once(')').map_or(rest, |(argument, _)| argument)))
}

fn presentation(word: &str) -> Option<i32> {
    Some(match word {
        "allowed_not_screened" => 0,
        "allowed_passed_screen" => 1,
        "allowed_failed_screen" => 2,
        "allowed" => 3,
        "prohib_not_screened" => 32,
        "prohib_passed_screen" => 33,
        "prohib_failed_screen" => 34,
        "prohib" => 35,
        "unavailable" => 67,
        number => number.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::channel;
    use super::*;

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
            let read = |name| channel.get_variable(name).unwrap();
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
