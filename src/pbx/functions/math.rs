//! Dialplan functions that compute with numbers.

use super::arguments::Arguments;
use crate::pbx::channel::Channel;
use crate::pbx::scan::leading_number;
use rand::RngExt;

/// `MATH(5*3,int)`. As in Asterisk, the operator is looked for in a fixed order, and each side is read up to what is no
/// number.
pub(super) fn math(_: &mut Channel, text: &str) -> Option<String> {
    /// In the order in which Asterisk looks for them.
    const OPERATORS: [&str; 16] =
        ["*", "/", "%", "^", "AND", "XOR", "OR", ">=", ">>", ">", "<=", "<<", "<", "==", "+", "-"];
    let arguments = Arguments::new(text, 3);
    let expression = arguments.get(0);
    // A minus at the start is a sign.
    let sign = usize::from(expression.starts_with('-'));
    let searched = &expression[sign..];
    let (at, operator) = OPERATORS.iter().find_map(|operator| Some((searched.find(operator)? + sign, *operator)))?;
    let first = leading_fraction(&expression[..at])?;
    let second = leading_fraction(&expression[at + operator.len()..])?;
    #[expect(clippy::cast_possible_truncation, reason = "as in Asterisk")]
    let (one, other) = (first as i64, second as i64);
    let shift = u32::try_from(other).unwrap_or(0).min(63);
    let truth = |yes: bool| Some(if yes { "TRUE" } else { "FALSE" }.to_owned());
    #[expect(clippy::cast_precision_loss, reason = "as in Asterisk")]
    let value = match operator {
        "*" => first * second,
        "/" if second == 0.0 => 0.0,
        "/" => first / second,
        "%" => one.checked_rem(other).unwrap_or(0) as f64,
        "^" => first.powf(second),
        "AND" => (one & other) as f64,
        "XOR" => (one ^ other) as f64,
        "OR" => (one | other) as f64,
        ">>" => (one >> shift) as f64,
        "<<" => (one << shift) as f64,
        "+" => first + second,
        "-" => first - second,
        ">=" => return truth(first >= second),
        ">" => return truth(first > second),
        "<=" => return truth(first <= second),
        "<" => return truth(first < second),
        #[expect(clippy::float_cmp, reason = "as in Asterisk")]
        _ => return truth(first == second),
    };
    formatted(value, arguments.given(1).unwrap_or("float"))
}

/// Formats the result of `MATH` as this type.
fn formatted(value: f64, kind: &str) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, reason = "as in Asterisk")]
    let whole = value as i32;
    Some(match kind.to_ascii_lowercase().as_str() {
        "float" | "f" => format!("{value:.6}"),
        "int" | "i" => whole.to_string(),
        "hex" | "h" => format!("{whole:x}"),
        "char" | "c" => u8::try_from(whole).ok().map(char::from)?.to_string(),
        _ => return None,
    })
}

/// Returns the number at the start of a text, as C's `sscanf` reads it with `%lf`.
fn leading_fraction(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text.starts_with(['-', '+']));
    let mut end = sign + digits(sign);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    text[..end].parse().ok()
}

/// Formats a number with a fraction only if it has one, as MIN, MAX and ABS do.
fn short_number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.6}") }
}

pub(super) fn min(_: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 2);
    Some(short_number(leading_fraction(arguments.get(0))?.min(leading_fraction(arguments.get(1))?)))
}

pub(super) fn max(_: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 2);
    Some(short_number(leading_fraction(arguments.get(0))?.max(leading_fraction(arguments.get(1))?)))
}

pub(super) fn abs(_: &mut Channel, text: &str) -> Option<String> {
    leading_fraction(text).map(|value| short_number(value.abs()))
}

pub(super) fn inc(channel: &mut Channel, text: &str) -> Option<String> {
    step(channel, text, 1)
}

pub(super) fn dec(channel: &mut Channel, text: &str) -> Option<String> {
    step(channel, text, -1)
}

/// Changes a variable that holds a whole number.
fn step(channel: &mut Channel, name: &str, by: i32) -> Option<String> {
    let value = leading_number(&channel.get_variable(name)?)?.wrapping_add(by).to_string();
    channel.set_variable(name, &value);
    Some(value)
}

/// `RAND(min,max)`, both included.
pub(super) fn rand(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 2);
    let (min, max) = (leading_number(arguments.get(0)).unwrap_or(0), leading_number(arguments.get(1)));
    let max = max.unwrap_or(i32::MAX);
    Some(channel.random.random_range(min.min(max)..=min.max(max)).to_string())
}
