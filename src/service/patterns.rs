//! Patterns of the operator, with `*` for any text.

/// Whether a text matches a pattern.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "any"),
            ("*@example.net", "a@example.net"),
            ("PJSIP/*", "PJSIP/100"),
            ("PJSIP/*@trunk", "PJSIP/1@trunk"),
            ("a*b*c", "a1b2b3c"),
            ("a*a", "aa"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", "ab"),
            ("*@example.net", "a@example.net.evil"),
            ("PJSIP/*", "SIP/PJSIP/1"),
            ("PJSIP/*@trunk", "PJSIP/1@trunk2"),
            ("a*a", "a"),
            ("a*b*c", "a1c2b"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
