//! Hover texts and signatures.

use super::cursor::{Cursor, Meaning};
use super::markdown::{described, described_function, described_words, markdown, option_type};
use super::workspace::TablePrompt;
use agi_rhai::command::{Function, Need};
use agi_rhai::internals::{Outline, Symbol};
use agi_rhai::internals::{Word, words};
use agi_rhai::pbx::Sounds;
use lsp_types::{
    Hover, HoverContents, MarkupContent, MarkupKind, ParameterInformation, ParameterLabel, SignatureHelp,
    SignatureInformation,
};

/// What is known about a sound of Asterisk's that may not be installed.
pub const EXTRA_SOUND: &str = "one of Asterisk's extra sounds, which are installed separately";

impl Cursor<'_> {
    pub fn hover(&self) -> Option<Hover> {
        if let Some((text, span)) = self.described_phrase() {
            return Some(self.hover_text(text, &span));
        }
        let in_table = self.document.table().and_then(|_| self.table_name());
        let named = in_table.as_ref().map(|known| (known.span.clone(), known.name.as_str()));
        if let Some((span, name)) = named.or_else(|| self.prompt_text()) {
            let prompts = self.workspace.prompts(self.document);
            let named = prompts.iter().filter(|known| known.prompt.name == name);
            let said = named.clone().map(TablePrompt::quoted).filter(|words| !words.is_empty());
            let words = named.clone().next().map(|_| said.collect::<Vec<_>>().join("  \n"));
            let own = || {
                let core = Sounds::core().find(|(core, _)| *core == name);
                let own = core.map(|(_, length)| format!("Asterisk's own sound, {:.1} s", length.as_secs_f64()));
                own.or_else(|| Sounds::extra().any(|(extra, _)| extra == name).then(|| EXTRA_SOUND.to_owned()))
            };
            let takes = in_table.is_some()
                || self.outline.calling(span.start.saturating_sub(1)).is_some_and(|call| self.takes_prompt(&call));
            let text = match words {
                Some(words) if words.is_empty() => format!("`{name}`: the table has no words for it"),
                Some(words) => format!("`{name}`: {words}"),
                None if takes => format!("`{name}`: {}", own()?),
                None => return None,
            };
            return Some(self.hover_text(text, &span));
        }
        let (span, _) = self.outline.word_at(self.offset).filter(|_| self.document.table().is_none())?;
        let name = &self.outline.text()[span.clone()];
        if let Some(option) = self.options_at(span.start).into_iter().flatten().find(|option| option.name == name) {
            let text = format!("```rhai\n{name}: {}\n```\n{}", option_type(option), option.doc);
            return Some(self.hover_text(text, &span));
        }
        let text = match self.meaning()? {
            Meaning::Local(symbol) => described(symbol),
            Meaning::Imported(path, outline, id) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                format!("{}\n\n*from {file}*", described(&outline.symbols()[id]))
            }
            Meaning::Function(function) => described_function(function, self.workspace.command(function)),
            Meaning::Variable(name, doc) => format!("```rhai\n{name}\n```\n{doc}"),
            Meaning::Language(words) => described_words(&words),
        };
        Some(self.hover_text(text, &span))
    }

    fn hover_text(&self, text: String, span: &std::ops::Range<usize>) -> Hover {
        let content = MarkupContent { kind: MarkupKind::Markdown, value: text };
        Hover { contents: HoverContents::Markup(content), range: Some(self.range(span)) }
    }

    pub fn signature_help(&self) -> Option<SignatureHelp> {
        let calling = self.outline.calling(self.offset).filter(|_| self.document.table().is_none())?;
        let own = |outline: &Outline| -> Vec<SignatureInformation> {
            let named = outline.functions().filter(|function| function.name == calling.name);
            named.map(|function| symbol_signature(function, calling.argument)).collect()
        };
        let signatures = if let Some(space) = &calling.space {
            own(&self.module(space)?.1)
        } else {
            let mut found = own(self.outline);
            let function = self.workspace.function(self.document, &calling.name).filter(|_| !calling.method);
            if found.is_empty() {
                found.extend(function.map(|function| function_signature(function, calling.argument)));
            }
            if found.is_empty() {
                let words = words(&calling.name).filter(|word| calling.method || word.of == "any");
                found.extend(words.map(|word| language_signature(word, calling.argument)));
            }
            found
        };
        let takes = |signature: &SignatureInformation| {
            signature.parameters.as_ref().is_some_and(|params| params.len() > calling.argument)
        };
        let active = signatures.iter().position(takes).unwrap_or(0);
        let active_parameter = signatures.get(active)?.active_parameter;
        Some(SignatureHelp { signatures, active_signature: u32::try_from(active).ok(), active_parameter })
    }
}

/// Returns a signature with its parameters, the active one marked.
fn signature(label: String, doc: String, params: &[(String, String)], active: usize) -> SignatureInformation {
    let mut from = label.find('(').unwrap_or(0);
    let mut parameters = Vec::new();
    for (name, doc) in params {
        let start = label[from..].find(name.as_str()).map_or(from, |at| from + at);
        from = start + name.len();
        let offsets = [start, from].map(|offset| u32::try_from(label[..offset].encode_utf16().count()).unwrap_or(0));
        parameters.push(ParameterInformation {
            label: ParameterLabel::LabelOffsets(offsets),
            documentation: Some(doc).filter(|doc| !doc.is_empty()).map(|doc| markdown(doc.clone())),
        });
    }
    let repeats = params.last().is_some_and(|(name, _)| name.ends_with("..."));
    let active = if repeats { active.min(params.len() - 1) } else { active };
    SignatureInformation {
        label,
        documentation: Some(doc).filter(|doc| !doc.is_empty()).map(markdown),
        parameters: Some(parameters),
        active_parameter: u32::try_from(active).ok(),
    }
}

fn symbol_signature(function: &Symbol, active: usize) -> SignatureInformation {
    let params: Vec<(String, String)> = function.params.iter().map(|name| (name.clone(), String::new())).collect();
    let label = format!("{}({})", function.name, function.params.join(", "));
    signature(label, function.doc.clone(), &params, active)
}

fn function_signature(function: &Function, active: usize) -> SignatureInformation {
    let params = function.params.iter().map(|param| {
        let name = if param.kind.repeats() { format!("{}...", param.name) } else { param.name.to_owned() };
        let optional = if param.need == Need::Required { "" } else { ", may be left out" };
        (name, format!("({}{optional}) {}", param.kind.name(), param.doc))
    });
    let doc = format!("{}\n\nReturns {}.", function.summary, function.returns.doc());
    signature(function.signature(), doc, &params.collect::<Vec<_>>(), active)
}

fn language_signature(word: &Word, active: usize) -> SignatureInformation {
    let params: Vec<(String, String)> = word.params().map(|name| (name.to_owned(), String::new())).collect();
    signature(word.signature.to_owned(), word.summary.to_owned(), &params, active)
}
