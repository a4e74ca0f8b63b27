//! Documentation as Markdown.

use agi_rhai::command::{Command, Function, Need, Param};
use agi_rhai::internals::Symbol;
use agi_rhai::internals::Word;
use agi_rhai::internals::reference::article;
use lsp_types::{Documentation, MarkupContent, MarkupKind};
pub fn markdown(text: String) -> Documentation {
    Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value: text })
}

pub fn described(symbol: &Symbol) -> String {
    let doc = if symbol.doc.is_empty() { String::new() } else { format!("\n{}", symbol.doc) };
    format!("```rhai\n{}\n```{doc}", symbol.signature())
}

pub fn described_function(function: &Function, command: Option<&Command>) -> String {
    let sends = command.map(|command| format!(" Sends `{}`.", command.verb)).unwrap_or_default();
    let (signature, summary) = (function.signature(), function.summary);
    format!("```rhai\n{signature}\n```\n{summary}{sends}\n\n{}", article(function, command).trim_end())
}

/// Returns the type of an option, and its default.
pub fn option_type(option: &Param) -> String {
    let default = match option.need {
        Need::Default(default) => format!(" = {default}"),
        _ => String::new(),
    };
    format!("{}{default}", option.kind.name())
}

pub fn described_words(words: &[&Word]) -> String {
    let one = |word: &&Word| {
        let Word { of, signature, summary, example: (example, value) } = word;
        format!("```rhai\n{of}.{signature}\n```\n{summary}\n\n`{example}` → `{value}`")
    };
    words.iter().map(one).collect::<Vec<_>>().join("\n\n")
}
