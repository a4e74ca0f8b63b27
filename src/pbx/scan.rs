//! Numbers as C's `sscanf` reads them.

/// Returns the number at the start of a text, as C's `sscanf` reads it.
pub(super) fn leading_number(text: &str) -> Option<i32> {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    let number = text[..sign + digits].parse::<i64>().ok()?;
    i32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_in_c() {
        let cases = [
            ("3abc", Some(3)),
            (" -1", Some(-1)),
            ("abc", None),
            ("", None),
            ("-", None),
            ("é", None),
            ("99999999999", None),
        ];
        for (text, number) in cases {
            assert_eq!(leading_number(text), number, "{text}");
        }
    }
}
