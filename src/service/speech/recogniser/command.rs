//! Programs that understand: each hears one utterance.

use super::transcript::{Expected, MAX_ANSWER, Transcript, said};
use super::{grammar, sound};
use crate::agi::printable;
use crate::service::program;
use crate::service::unique::unique;
use crate::transport::Failure;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use tokio::sync::mpsc::UnboundedReceiver;

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct CommandEngine {
    program: String,
    arguments: Vec<String>,
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
    /// Creates a client of a program.
    ///
    /// # Errors
    /// The command names none.
    pub fn new(command: &[String]) -> Result<Self, Failure> {
        match command.split_first().filter(|(program, _)| !program.is_empty()) {
            Some((program, arguments)) => Ok(Self { program: program.clone(), arguments: arguments.to_vec() }),
            None => Err(Failure::argument("`command` is empty")),
        }
    }

    /// Hears everything, and runs the program.
    pub async fn recognise(
        &self,
        expected: &Expected,
        sound: UnboundedReceiver<Vec<i16>>,
    ) -> Result<Transcript, Failure> {
        let sound = sound::file(sound).await;
        let takes_grammar = self.arguments.iter().any(|argument| argument.contains("{grammar}"));
        let grammar = match grammar::jsgf(expected).filter(|_| takes_grammar) {
            Some(grammar) => Some(written(grammar).await?),
            None => None,
        };
        let path = grammar.as_ref().map(|GrammarFile(path)| path.to_string_lossy());
        let arguments = self.filled(expected, path.as_deref());
        let ended = program::run(&self.program, arguments.iter().map(String::as_str), Some(&sound), MAX_ANSWER).await?;
        if ended.status != 0 {
            let error = String::from_utf8_lossy(&ended.error);
            let error = said(error.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default());
            let program = printable(&self.program);
            return Err(Failure::unavailable(format!("`{program}` ended with status {}: {error}", ended.status)));
        }
        understood(&String::from_utf8_lossy(&ended.output))
    }

    /// Returns the arguments for what is expected. An argument that needs something which there isn't is left out, and
    /// with it the option before it.
    fn filled(&self, expected: &Expected, grammar: Option<&str>) -> Vec<String> {
        let mut filled: Vec<String> = Vec::new();
        let words = Some(expected.hint()).filter(|words| !words.is_empty());
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
async fn written(grammar: String) -> Result<GrammarFile, Failure> {
    let path = std::env::temp_dir().join(format!("agi-rhai-{}.jsgf", unique()));
    let write = move || -> io::Result<GrammarFile> {
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let file = GrammarFile(path);
        opened.write_all(grammar.as_bytes())?;
        Ok(file)
    };
    let failed = |error: io::Error| Failure::unavailable(format!("the grammar can't be written: {error}"));
    let lost = |_| Err(Failure::unavailable("no thread to write the grammar"));
    tokio::task::spawn_blocking(move || write().map_err(failed)).await.unwrap_or_else(lost)
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
        let engine = CommandEngine::new(&command).unwrap();
        let mut expected = Expected { language: "de_AT".to_owned(), ..Expected::default() };
        assert_eq!(engine.filled(&expected, None), ["-l", "de", "-v"]);
        expected.words = vec!["ja".to_owned(), "{grammar}".to_owned()];
        let filled = ["-l", "de", "-jsgf", "/tmp/g", "--prompt=ja, {grammar}", "-v"];
        assert_eq!(engine.filled(&expected, Some("/tmp/g")), filled);
        assert!(CommandEngine::new(&[]).is_err() && CommandEngine::new(&[String::new()]).is_err());
    }
}
