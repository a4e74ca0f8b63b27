//! Comments that document names, for the outline of a script.

use super::builder::Builder;
use super::lexer::TokenKind;

impl Builder<'_> {
    /// Returns the comment right above the name, or after it on the same line.
    pub(super) fn doc(&mut self, from: usize, name: usize) -> String {
        let Some(&first) = self.code.get(from) else { return String::new() };
        let mut lines = Vec::new();
        let mut start = self.tokens[first].span.start;
        for token in self.tokens[..first].iter().rev() {
            if token.kind != TokenKind::Comment {
                break;
            }
            let between = &self.text[token.span.end..start];
            let before = self.text[..token.span.start].trim_end_matches(|c: char| c != '\n' && c.is_whitespace());
            let alone = before.is_empty() || before.ends_with('\n');
            let shebang = self.text[token.span.clone()].starts_with("#!");
            if between.matches('\n').count() > 1 || !alone || shebang {
                break;
            }
            lines.push(uncommented(&self.text[token.span.clone()]));
            start = token.span.start;
        }
        lines.reverse();
        if lines.is_empty() && self.text_at(from) != "fn" && self.text_at(from) != "private" {
            let end = self.span(name).end;
            if self.line_end < end {
                self.line_end = self.text[end..].find('\n').map_or(self.text.len(), |at| at + end);
            }
            let next = self.comments.partition_point(|&comment| comment < first);
            let behind = self.comments.get(next).map(|&comment| self.tokens[comment].span.clone());
            lines.extend(behind.filter(|span| span.start < self.line_end).map(|span| uncommented(&self.text[span])));
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
