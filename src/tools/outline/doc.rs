//! Comments that document names, for the outline of a script.

use super::builder::Builder;
use super::lexer::TokenKind;

impl Builder<'_> {
    /// Returns the comment right above the name, or after it on the same line.
    pub(super) fn doc(&self, from: usize, name: usize) -> String {
        let Some(&first) = self.code.get(from) else { return String::new() };
        let mut lines = Vec::new();
        let mut start = self.tokens[first].span.start;
        for token in self.tokens[..first].iter().rev() {
            let between = &self.text[token.span.end..start];
            let alone = self.text[..token.span.start].rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
            let shebang = self.text[token.span.clone()].starts_with("#!");
            if token.kind != TokenKind::Comment || between.matches('\n').count() > 1 || !alone || shebang {
                break;
            }
            lines.push(uncommented(&self.text[token.span.clone()]));
            start = token.span.start;
        }
        lines.reverse();
        if lines.is_empty() && self.text_at(from) != "fn" && self.text_at(from) != "private" {
            let line_end =
                self.text[self.span(name).end..].find('\n').map_or(self.text.len(), |at| at + self.span(name).end);
            let behind = self.tokens.iter().skip(first).take_while(|token| token.span.start < line_end);
            lines.extend(
                behind
                    .filter(|token| token.kind == TokenKind::Comment)
                    .map(|token| uncommented(&self.text[token.span.clone()])),
            );
        }
        lines.join("\n").trim().to_owned()
    }
}

/// Removes the comment signs.
fn uncommented(comment: &str) -> String {
    if let Some(block) = comment.strip_prefix("/*") {
        let lines = block.trim_end_matches("*/").trim_start_matches('*').lines();
        return lines.map(|line| line.trim().trim_start_matches("* ")).collect::<Vec<_>>().join("\n").trim().to_owned();
    }
    let text = comment.trim_start_matches('/').trim_end();
    text.strip_prefix(' ').unwrap_or(text).to_owned()
}
