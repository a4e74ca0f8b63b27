//! The texts that a script has spoken, as far as they are constant.

use crate::script::{Language, parse, without_shebang};
use crate::stack;
use rhai::{ASTNode, Expr};

/// A text that is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConstantText {
    pub text: String,
    pub voice: Option<String>,
    pub language: Option<String>,
}

/// Returns the parts with a constant text in a script, `#{ text: "Good morning" }`, wherever they stand.
pub(crate) fn constant_texts(script: &str) -> Vec<ConstantText> {
    let mut found = Vec::new();
    // Most scripts have none, and needn't be parsed.
    if !script.contains("text") {
        return found;
    }
    stack::maybe_grow(|| {
        let mut engine = Language::compiler();
        engine.set_strict_variables(false);
        let Ok(ast) = parse(&engine, &without_shebang(script)) else { return };
        ast.walk(&mut |nodes: &[ASTNode]| {
            if let Some(ASTNode::Expr(Expr::Map(map, _))) = nodes.last() {
                found.extend(part(map.0.iter().map(|(name, value)| (name.as_str(), value))));
            }
            true
        });
    });
    found
}

/// Reads a map as a part with a text, if it is one and all of it is constant.
fn part<'a>(map: impl Iterator<Item = (&'a str, &'a Expr)>) -> Option<ConstantText> {
    let mut part = ConstantText { text: String::new(), voice: None, language: None };
    for (name, value) in map {
        let Expr::StringConstant(value, _) = value else { return None };
        match name {
            "text" => part.text = value.to_string(),
            "voice" => part.voice = Some(value.to_string()),
            "language" => part.language = Some(value.to_string()),
            _ => return None,
        }
    }
    (!part.text.trim().is_empty()).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_texts_are_found_everywhere() {
        let script = r#"
            fn greet(name) { say([#{ text: "Good morning" }, #{ text: `Dear ${name}` }, "beep"]); }
            let choices = #{ "1": || say(#{ text: "Ja", language: "de", voice: "anna" }) };
            ask(#{ text: `Press one` }, #{ no_input: #{ text: "Hello?" } });
            let mail = #{ text: "no part", to: "ann@example.net" };
            say(#{ text: " " });
        "#;
        let mut texts: Vec<_> = constant_texts(script).into_iter().map(|part| part.text).collect();
        texts.sort();
        assert_eq!(texts, ["Good morning", "Hello?", "Ja", "Press one"]);
        assert!(constant_texts("say(#{ text: ").is_empty());
    }
}
