//! Caller IDs as people write them: `"Name" <number>`.

/// Splits `"Name" <number>`, `Name <number>`, a bare number or a bare name into name and number.
pub(super) fn parse_callerid(text: &str) -> (String, String) {
    let stripped = text.trim();
    let inner = unquote(stripped);
    if let Some((name, number)) = inner.rsplit_once('<') {
        let number = number.rsplit_once('>').map_or(number, |(number, _)| number);
        return (unescape(unquote(name.trim())), number.to_owned());
    }
    let number = shrink_number(inner);
    if inner.len() == stripped.len() && is_number(&number) {
        return (String::new(), number);
    }
    (unescape(unquote(inner)), String::new())
}

fn unquote(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit() || "*#+".contains(letter))
}

/// Removes the characters people put into numbers for readability.
pub(super) fn shrink_number(text: &str) -> String {
    let mut number = String::with_capacity(text.len());
    let mut brackets = 0_i32;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '[' => brackets += 1,
            ']' => brackets -= 1,
            '-' if brackets == 0 => continue,
            '.' if letters.peek().is_some() => continue,
            '(' | ')' | ' ' => continue,
            _ => {}
        }
        number.push(letter);
    }
    number
}
