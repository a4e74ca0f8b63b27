//! Programs that understand: each hears one utterance.

use super::transcript::{Expected, MAX_ANSWER, Transcript, said};
use super::{grammar, sound};
use crate::agi::printable;
use crate::service::process;
use crate::service::unique::unique;
use crate::sync::lock;
use crate::transport::Failure;
use serde_json::Value;
use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::warn;

/// How many phrases are remembered that were reported as unknown. Scripts may make them up.
const MAX_REPORTED: usize = 1000;

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct CommandEngine {
    program: String,
    arguments: Vec<String>,
    /// A file with the words that it knows.
    dictionary: Option<PathBuf>,
    /// The phrases that were left out of grammars and reported.
    reported: Mutex<HashSet<String>>,
}

/// A file that is removed when nobody needs it any more.
struct GrammarFile(PathBuf);

impl Drop for GrammarFile {
    fn drop(&mut self) {
        // Here, not on another thread: at the end of the process there is none. It is small, and was written just now.
        let _ = fs::remove_file(&self.0);
    }
}

impl CommandEngine {
    /// Creates a client of a program, which may know only the words in a file.
    ///
    /// # Errors
    /// The command names none.
    pub fn new(command: &[String], dictionary: Option<PathBuf>) -> Result<Self, Failure> {
        match command.split_first().filter(|(program, _)| !program.is_empty()) {
            Some((program, arguments)) => Ok(Self {
                program: program.clone(),
                arguments: arguments.to_vec(),
                dictionary,
                reported: Mutex::default(),
            }),
            None => Err(Failure::argument("`command` is empty")),
        }
    }

    /// Hears everything, and runs the program.
    pub async fn recognise(
        &self,
        expected: &Expected,
        sound: UnboundedReceiver<Vec<i16>>,
    ) -> Result<Transcript, Failure> {
        // While the caller speaks.
        let grammar = self.grammar(expected).await?;
        let sound = sound::file(sound).await?;
        let path = grammar.as_ref().map(|GrammarFile(path)| path.to_string_lossy());
        let arguments = self.filled(expected, path.as_deref());
        let ended = process::run(&self.program, arguments.iter().map(String::as_str), Some(&sound), MAX_ANSWER).await?;
        if ended.status != 0 {
            let error = said(reason(&String::from_utf8_lossy(&ended.error)));
            let program = printable(&self.program);
            return Err(Failure::unavailable(format!("`{program}` ended with status {}: {error}", ended.status)));
        }
        understood(&String::from_utf8_lossy(&ended.output))
    }

    /// Writes a grammar, if the program takes one and not everything may be said.
    async fn grammar(&self, expected: &Expected) -> Result<Option<GrammarFile>, Failure> {
        let mut phrases = grammar::phrases(&expected.words);
        if phrases.is_empty() || !self.arguments.iter().any(|argument| argument.contains("{grammar}")) {
            return Ok(None);
        }
        let (dictionary, repeat) = (self.dictionary.clone(), expected.repeat);
        let write = move || {
            let cannot = |what: &str, error: io::Error| Failure::unavailable(format!("the {what}: {error}"));
            let mut unknown = Vec::new();
            if let Some(dictionary) = dictionary {
                let found = grammar::leave_out_unknown(&mut phrases, &dictionary);
                unknown = found.map_err(|error| cannot("dictionary can't be read", error))?;
            }
            if phrases.is_empty() {
                let unknown = said(&unknown.join(", "));
                return Err(Failure::unavailable(format!("none of these words is in its dictionary: {unknown}")));
            }
            let file = written(&grammar::jsgf(&phrases, repeat));
            file.map(|file| (file, unknown)).map_err(|error| cannot("grammar can't be written", error))
        };
        let lost = |_| Err(Failure::unavailable("no thread to write the grammar"));
        let (file, unknown) = tokio::task::spawn_blocking(write).await.unwrap_or_else(lost)?;
        self.report(unknown);
        Ok(Some(file))
    }

    /// Reports phrases that can't be understood, each of them once.
    fn report(&self, unknown: Vec<String>) {
        let mut reported = lock(&self.reported);
        for phrase in unknown {
            if reported.len() < MAX_REPORTED && !reported.contains(&phrase) {
                let (program, shown) = (printable(&self.program), said(&phrase));
                warn!("`{program}` can't understand \"{shown}\": its dictionary hasn't all of these words");
                reported.insert(phrase);
            }
        }
    }

    /// Returns the arguments for what is expected. An argument that needs something which there isn't is left out, and
    /// with it the option before it.
    fn filled(&self, expected: &Expected, grammar: Option<&str>) -> Vec<String> {
        let mut filled: Vec<String> = Vec::new();
        // No script is to add options.
        let words = expected.hint().trim_start_matches(['-', ' ']).to_owned();
        let words = Some(words).filter(|words| !words.is_empty());
        let lacks = |argument: &str| {
            argument.contains("{grammar}") && grammar.is_none() || argument.contains("{words}") && words.is_none()
        };
        for argument in &self.arguments {
            if lacks(argument) {
                filled.pop_if(|before| !argument.starts_with('-') && before.starts_with('-'));
                continue;
            }
            // The words come last: they are a script's, and may hold anything.
            let argument = argument
                .replace("{language}", expected.plain_language())
                .replace("{grammar}", grammar.unwrap_or_default())
                .replace("{words}", words.as_deref().unwrap_or_default());
            filled.push(argument.replace('\0', " "));
        }
        filled
    }
}

/// Writes a grammar to a file of its own.
fn written(grammar: &str) -> io::Result<GrammarFile> {
    let path = std::env::temp_dir().join(format!("agi-rhai-{}.jsgf", unique()));
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    // Not before: a file that was there already is somebody else's.
    let file = GrammarFile(path);
    opened.write_all(grammar.as_bytes())?;
    Ok(file)
}

/// Returns the line of an error that says the most: the last one that calls itself an error, or the last one.
fn reason(error: &str) -> &str {
    let mut lines = error.lines().rev().filter(|line| !line.trim().is_empty());
    let last = lines.clone().next().unwrap_or_default();
    lines.find(|line| line.to_ascii_lowercase().contains("error")).unwrap_or(last)
}

/// Takes what a program wrote: all its lines, each of them text or JSON.
fn understood(output: &str) -> Result<Transcript, Failure> {
    let object = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    // JSON may be written on several lines.
    let whole = object(output);
    let values = match whole {
        Some(_) => vec![(output, whole)],
        None => output.lines().map(|line| (line, object(line))).collect(),
    };
    let (mut texts, mut confidences) = (Vec::new(), Vec::new());
    for (line, value) in &values {
        let found = value.as_ref().map_or(Some((*line, None)), Transcript::of_json);
        let (text, confidence) =
            found.ok_or_else(|| Failure::failed("there is no `text` in the JSON that it wrote"))?;
        texts.push(text);
        confidences.extend(confidence.filter(|_| !text.trim().is_empty()));
    }
    // An utterance is understood as well as its worst part.
    Transcript::new(&texts.join(" "), confidences.into_iter().reduce(f64::min))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_write_text_or_json() {
        for (output, text, confidence) in [
            ("", "", 1.0),
            ("\n\n yes \n\n", "yes", 1.0),
            ("four two\n\nseven\n", "four two seven", 1.0),
            ("{\"b\":0.0,\"d\":1.2,\"p\":0.75,\"t\":\"yes\",\"w\":[]}\n", "yes", 0.75),
            ("{\"text\":\"one\",\"confidence\":0.9}\n{\"text\":\"two\",\"confidence\":0.5}\n", "one two", 0.5),
            ("{\n  \"text\": \"no\",\n  \"confidence\": 7\n}\n", "no", 1.0),
            ("5\n", "5", 1.0),
            ("y\u{1b}[31mes\0", "y [31mes", 1.0),
        ] {
            assert_eq!(understood(output).unwrap(), Transcript { text: text.to_owned(), confidence }, "{output:?}");
        }
        assert!(understood("{\"error\":\"no model\"}").is_err());
        assert!(understood(&"yes ".repeat(10_000)).is_err());
    }

    #[test]
    fn arguments_are_left_out_for_which_there_is_nothing() {
        let command = ["sphinx", "-l", "{language}", "-jsgf", "{grammar}", "--prompt={words}", "-v"].map(str::to_owned);
        let engine = CommandEngine::new(&command, None).unwrap();
        let mut expected = Expected { language: "de_AT".to_owned(), ..Expected::default() };
        assert_eq!(engine.filled(&expected, None), ["-l", "de", "-v"]);
        expected.words = vec!["--ja".to_owned(), "{grammar}".to_owned()];
        let filled = ["-l", "de", "-jsgf", "/tmp/g", "--prompt=ja, {grammar}", "-v"];
        assert_eq!(engine.filled(&expected, Some("/tmp/g")), filled);
        assert!(CommandEngine::new(&[], None).is_err() && CommandEngine::new(&[String::new()], None).is_err());
    }

    #[test]
    fn an_error_is_what_says_so() {
        let log = "INFO: a\nERROR: the word 'x' is missing\nINFO: TOTAL 0.0 s\n\n";
        assert_eq!(reason(log), "ERROR: the word 'x' is missing");
        assert_eq!(reason("usage: x\n  no model\n"), "  no model");
        assert_eq!(reason(""), "");
    }
}
