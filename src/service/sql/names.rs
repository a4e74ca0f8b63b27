//! The names of values in SQL: `where number = :number`. They are found by the lexical rules of each database, outside
//! quotes and comments, and replaced by the placeholders that it knows. A value never becomes part of the text.

use crate::agi::printable;
use crate::similar::nearest;
use std::fmt::Write;

/// A database, as far as the lexical rules of its SQL go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// A statement whose names were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    dialect: Dialect,
    /// The text between the names: one piece more than there are names.
    pieces: Vec<&'a str>,
    /// The names, in order, as often as they occur.
    names: Vec<&'a str>,
    /// The words outside quotes and comments at its start, in small letters.
    start: Vec<String>,
    /// Something that the text must not have.
    problem: Option<Problem<'a>>,
}

/// Why a text isn't sent to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem<'a> {
    /// Another statement follows.
    Second,
    /// There is a placeholder without a name.
    Placeholder(&'a str),
    /// There is a character that ends texts in some databases.
    Nul,
}

/// How many words of the start are kept.
const START: usize = 4;

/// Words that begin or end a transaction.
const TRANSACTIONS: [&str; 9] =
    ["abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start", "transaction"];
/// Words that change what holds for all further statements of a connection.
const SESSION: [&str; 2] = ["reset", "set"];
/// Words with which statements begin that only read.
const READING: [&str; 8] = ["desc", "describe", "explain", "select", "show", "table", "values", "with"];

impl Dialect {
    /// Returns the dialect of a database by its address.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        Some(match url.split_once(':')?.0.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" => Self::Postgres,
            "mysql" | "mariadb" => Self::MySql,
            "sqlite" => Self::Sqlite,
            _ => return None,
        })
    }
}

/// Returns what is wrong with a statement, on every database: why it isn't sent, or that these values aren't those it
/// names.
#[must_use]
pub fn mistake(text: &str, keys: Option<&[&str]>) -> Option<String> {
    let mistakes = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite].map(|dialect| {
        let statement = Statement::parse(text, dialect);
        statement.refusal(false).or_else(|| statement.mismatch(keys?))
    });
    mistakes.into_iter().collect::<Option<Vec<_>>>()?.into_iter().next()
}

impl<'a> Statement<'a> {
    /// Finds the names in a text.
    #[must_use]
    pub fn parse(text: &'a str, dialect: Dialect) -> Self {
        let mut lexer = Lexer::new(text, dialect);
        lexer.run();
        lexer.statement
    }

    /// Returns the names, each once, in the order in which they first occur.
    #[must_use]
    pub fn names(&self) -> Vec<&'a str> {
        let mut found = Vec::new();
        for name in &self.names {
            if !found.contains(name) {
                found.push(*name);
            }
        }
        found
    }

    /// Returns what is wrong with values of these names, if something is: one is missing, or has no place.
    #[must_use]
    pub fn mismatch(&self, keys: &[&str]) -> Option<String> {
        let names = self.names();
        if let Some(name) = names.iter().find(|name| !keys.contains(name)) {
            let like = nearest(name, keys.iter().copied().filter(|key| !names.contains(key)));
            let hint = like.map(|like| format!("; did you mean `{}`?", printable(like))).unwrap_or_default();
            return Some(format!("the text has `:{name}`, which `values` lacks{hint}"));
        }
        let extra = keys.iter().find(|key| !names.contains(key))?;
        let hint = match nearest(extra, names.iter().copied().filter(|name| !keys.contains(name))) {
            Some(like) => format!("; did you mean `{like}`?"),
            None => ": a name in the text has a colon, and is outside quotes".to_owned(),
        };
        Some(format!("`values` has `{}`, which the text lacks{hint}", printable(extra)))
    }

    /// Returns the names as often as they occur.
    #[must_use]
    pub fn occurrences(&self) -> &[&'a str] {
        &self.names
    }

    /// Returns the words outside quotes and comments at its start, in small letters: `["select"]`, `["create",
    /// "table"]`.
    #[must_use]
    pub fn start(&self) -> &[String] {
        &self.start
    }

    /// Returns why the text can't be sent, if it can't.
    #[must_use]
    pub fn problem(&self) -> Option<Problem<'a>> {
        self.problem
    }

    /// Returns why this isn't sent to a database, if it isn't. Where scripts may only read, the database refuses to
    /// write too; this refuses what might switch that off.
    #[must_use]
    pub fn refusal(&self, read_only: bool) -> Option<String> {
        match self.problem {
            // Only SQLite would run both. A trigger has statements in it.
            Some(Problem::Second) if self.start.first().is_none_or(|word| word != "create") => {
                return Some(
                    "there are two statements: `sql_run` does several, all or none, as an array of [text, values]"
                        .into(),
                );
            }
            Some(Problem::Placeholder(mark)) => {
                return Some(format!("`{mark}` stands for no value here: name it, as in `:number`"));
            }
            Some(Problem::Nul) => return Some("the text holds a character with the code 0".into()),
            Some(Problem::Second) | None => {}
        }
        let word = self.start.first().map_or("", String::as_str);
        let of_this_database: &[&str] = match self.dialect {
            Dialect::Postgres => &["discard", "listen", "prepare"],
            Dialect::MySql => &["handler", "lock", "unlock", "use", "xa"],
            Dialect::Sqlite => &["attach", "detach", "pragma", "vacuum"],
        };
        if TRANSACTIONS.contains(&word) {
            return Some(format!(
                "`{word}` would last longer than this request: `sql_run` does several statements, all or none, as an \
                 array of [text, values]"
            ));
        }
        if SESSION.contains(&word) || of_this_database.contains(&word) {
            return Some(format!("`{word}` changes a connection that other calls use too"));
        }
        if read_only && !READING.contains(&word) {
            let word = if word.is_empty() { "this".to_owned() } else { format!("`{word}`") };
            return Some(format!(
                "agi-rhai.toml makes this service `read_only`, and {word} isn't among {}",
                READING.join(", ")
            ));
        }
        None
    }

    /// Returns the text with a placeholder for each name. `placeholder` gets the number of the occurrence and that of
    /// the name, from 0, and writes it.
    #[must_use]
    pub fn render(&self, mut placeholder: impl FnMut(&mut String, usize, usize)) -> String {
        let names = self.names();
        let mut text = String::with_capacity(self.pieces.iter().map(|piece| piece.len() + 4).sum());
        for (occurrence, piece) in self.pieces.iter().enumerate() {
            text.push_str(piece);
            let Some(name) = self.names.get(occurrence) else { break };
            // `limit:n` is two words.
            if text.ends_with(is_part) {
                text.push(' ');
            }
            let number = names.iter().position(|other| other == name).unwrap_or_default();
            placeholder(&mut text, occurrence, number);
        }
        text
    }

    /// Returns the text with the usual placeholders of its database: `$1` and `?1` for each name, or `?` for each
    /// occurrence.
    #[must_use]
    pub fn rendered(&self) -> String {
        let mark = match self.dialect {
            Dialect::Postgres => "$",
            Dialect::MySql | Dialect::Sqlite => "?",
        };
        self.render(|text, _, number| {
            text.push_str(mark);
            if self.dialect != Dialect::MySql {
                // Writing to a text can't fail.
                let _ = write!(text, "{}", number + 1);
            }
        })
    }
}

/// Whether a word may begin with this.
fn is_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether a word may go on with this.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Where the current piece begins.
    piece: usize,
    /// How many brackets are open.
    brackets: usize,
    /// Whether a semicolon has ended the statement.
    is_over: bool,
    statement: Statement<'a>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, dialect: Dialect) -> Self {
        let statement = Statement { dialect, pieces: Vec::new(), names: Vec::new(), start: Vec::new(), problem: None };
        Self { text, at: 0, piece: 0, brackets: 0, is_over: false, statement }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn dialect(&self) -> Dialect {
        self.statement.dialect
    }

    fn has_problem(&mut self, problem: Problem<'a>) {
        self.statement.problem.get_or_insert(problem);
    }

    fn run(&mut self) {
        if self.text.contains('\0') {
            self.has_problem(Problem::Nul);
        }
        let mut before = ' ';
        while let Some(c) = self.rest().chars().next() {
            let from = self.at;
            if self.skip_comment() {
                before = ' ';
                continue;
            }
            if c.is_whitespace() {
                self.at += c.len_utf8();
                before = c;
                continue;
            }
            if self.is_over && c != ';' {
                self.has_problem(Problem::Second);
            }
            self.token(c, before);
            if !is_start(c) && c != '(' && self.statement.start.len() < START {
                self.close_start();
            }
            before = self.text[from..self.at].chars().next_back().unwrap_or(' ');
        }
        self.statement.pieces.push(&self.text[self.piece..]);
        self.statement.start.retain(|word| !word.is_empty());
    }

    /// Ends the words at the start, before the first thing that is none. The empty ones are removed at the end.
    fn close_start(&mut self) {
        self.statement.start.resize(START, String::new());
    }

    /// Reads what isn't a comment or a space.
    fn token(&mut self, c: char, before: char) {
        use Dialect::{MySql, Postgres, Sqlite};
        let dialect = self.dialect();
        match c {
            '\'' => self.quoted('\'', dialect == MySql),
            '"' => self.quoted('"', dialect == MySql),
            '`' if dialect != Postgres => self.quoted('`', false),
            '[' if dialect == Sqlite => self.at = self.end_of("]"),
            '[' => {
                self.brackets += 1;
                self.at += 1;
            }
            ']' => {
                self.brackets = self.brackets.saturating_sub(1);
                self.at += 1;
            }
            '$' if dialect == Postgres && self.dollar_quoted() => {}
            '$' if dialect == Postgres && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                self.placeholder(|c| c.is_ascii_digit());
            }
            '?' if dialect == MySql => self.placeholder(|_| false),
            '?' if dialect == Sqlite => self.placeholder(|c| c.is_ascii_digit()),
            '@' | '$' if dialect == Sqlite && self.rest()[1..].starts_with(is_start) => self.placeholder(is_part),
            ':' => self.colon(before),
            ';' => {
                self.is_over = true;
                self.at += 1;
            }
            c if is_start(c) => self.word(),
            // A number may hold letters; they begin no word.
            c if c.is_ascii_digit() => self.at = self.end_while(|c| is_part(c) || c == '.'),
            c => self.at += c.len_utf8(),
        }
    }

    fn placeholder(&mut self, goes_on: impl Fn(char) -> bool) {
        let rest = self.rest();
        let end = rest[1..].find(|c| !goes_on(c)).map_or(rest.len(), |end| end + 1);
        self.has_problem(Problem::Placeholder(&rest[..end]));
        self.at += end;
    }

    /// Reads a word, or a string that a word introduces.
    fn word(&mut self) {
        let from = self.at;
        self.at = self.end_while(is_part);
        let word = &self.text[from..self.at];
        if self.dialect() == Dialect::Postgres && word.eq_ignore_ascii_case("e") && self.rest().starts_with('\'') {
            self.escape_string();
        }
        if self.statement.start.len() < START {
            self.statement.start.push(word.to_lowercase());
        }
    }

    /// Reads PostgreSQL's string with escapes. It goes on where another one follows on another line.
    fn escape_string(&mut self) {
        loop {
            self.quoted('\'', true);
            let rest = self.rest();
            let next = rest.trim_start();
            if !next.starts_with('\'') || !rest[..rest.len() - next.len()].contains(['\n', '\r']) {
                return;
            }
            self.at += rest.len() - next.len();
        }
    }

    /// Reads what is between quotes. A doubled quote is two such texts in a row, which is as good.
    fn quoted(&mut self, quote: char, has_escapes: bool) {
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = has_escapes && *c == '\\' && !escaped;
            ends
        });
        self.at = end.map_or(self.text.len(), |(end, _)| self.at + end + 1);
    }

    /// Reads `$tag$ ... $tag$`.
    fn dollar_quoted(&mut self) -> bool {
        let rest = self.rest();
        let Some(end) = rest[1..].find('$') else { return false };
        let tag = &rest[1..=end];
        let is_tag = tag.is_empty() || (tag.starts_with(is_start) && tag.chars().all(is_part));
        if is_tag {
            let mark = &rest[..end + 2];
            self.at += mark.len();
            self.at = self.end_of(mark);
        }
        is_tag
    }

    /// Reads a colon: a name, a cast, an assignment, or what is between the bounds of a slice.
    fn colon(&mut self, before: char) {
        let rest = self.rest();
        if rest.starts_with("::") {
            self.at += 2;
            return;
        }
        let in_slice = self.dialect() == Dialect::Postgres
            && self.brackets > 0
            && (is_part(before) || matches!(before, ')' | ']' | '"' | '\''));
        if in_slice || !rest[1..].starts_with(is_start) {
            self.at += 1;
            return;
        }
        self.statement.pieces.push(&self.text[self.piece..self.at]);
        self.at += 1;
        let from = self.at;
        self.at = self.end_while(|c| is_part(c) && c != '$');
        self.statement.names.push(&self.text[from..self.at]);
        self.piece = self.at;
    }

    /// Skips a comment, if there is one.
    fn skip_comment(&mut self) -> bool {
        let rest = self.rest();
        let is_mysql = self.dialect() == Dialect::MySql;
        let is_line = rest.strip_prefix("--").is_some_and(|rest| {
            !is_mysql || rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c.is_control())
        });
        if is_line || (is_mysql && rest.starts_with('#')) {
            let ends: &[char] = if self.dialect() == Dialect::Postgres { &['\n', '\r'] } else { &['\n'] };
            self.at += rest.find(ends).unwrap_or(rest.len());
            return true;
        }
        if !rest.starts_with("/*") {
            return false;
        }
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            let close = self.end_of("*/");
            if self.dialect() == Dialect::Postgres && self.rest()[..close - self.at].contains("/*") {
                self.at = self.end_of("/*");
                depth += 1;
            } else {
                self.at = close;
                depth -= 1;
            }
        }
        true
    }

    /// Returns where the first of these after the place ends; if there is none, where the text does.
    fn end_of(&self, mark: &str) -> usize {
        self.rest().find(mark).map_or(self.text.len(), |end| self.at + end + mark.len())
    }

    fn end_while(&self, goes_on: impl Fn(char) -> bool) -> usize {
        self.rest().find(|c| !goes_on(c)).map_or(self.text.len(), |end| self.at + end)
    }
}
