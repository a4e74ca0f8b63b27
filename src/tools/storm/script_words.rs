//! Collects the keys and values that a script may expect, from its text.

use super::noise::ScriptWords;
use crate::pbx::Digit;
use crate::script::{Language, Script};
use rhai::{ASTNode, Expr};
use std::collections::BTreeSet;

/// Collects the keys and values in a script and its imports, and the names of the functions they call.
pub(super) fn script_words(script: &Script) -> (ScriptWords, BTreeSet<String>) {
    let compiler = Language::compiler();
    let (mut keys, mut values, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for source in script.sources.iter() {
        let Ok(ast) = compiler.compile_with_scope(Language::scope(), &source.text) else { continue };
        ast.walk(&mut |nodes: &[ASTNode]| {
            if let Some(ASTNode::Expr(expr)) = nodes.last() {
                match expr {
                    Expr::StringConstant(text, _) if (1..=16).contains(&text.len()) => {
                        values.insert(text.to_string());
                        if text.chars().all(|letter| Digit::new(letter).is_some()) {
                            keys.insert(text.to_string());
                            // It may be a list of keys.
                            keys.extend(text.chars().take(12).map(String::from));
                        }
                    }
                    Expr::IntegerConstant(number, _) if (0..=999_999).contains(number) => {
                        keys.insert(number.to_string());
                        values.insert(number.to_string());
                    }
                    Expr::FnCall(call, _) | Expr::MethodCall(call, _) => {
                        names.insert(call.name.to_string());
                    }
                    _ => {}
                }
            }
            true
        });
    }
    let (keys, values) = (keys.into_iter().collect(), values.into_iter().collect());
    (ScriptWords { keys, values, texts: false }, names)
}
