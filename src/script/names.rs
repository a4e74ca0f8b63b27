//! Similar names, for "did you mean ...?", and the variables that every script has.

/// The variables that every script has: the values of its call.
pub(crate) const CALL_VARIABLES: [&str; 4] = ["env", "args", "params", "state"];

/// How the names of closures begin, and those of function values.
pub(crate) const CLOSURE: &str = "anon$";

/// Returns a function's name as its script writes it, which its value may not: see `function_values.rs`.
pub(crate) fn written_name(name: &str) -> &str {
    let Some((number, rest)) = name.strip_prefix(CLOSURE).map(|name| name.split_once('$').unwrap_or(("", name))) else {
        return name;
    };
    let is_named = rest == "Fn" || number.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    if is_named { rest } else { name }
}

/// Whether this is the name of a closure.
pub(crate) fn is_closure(name: &str) -> bool {
    written_name(name).starts_with(CLOSURE)
}

/// Returns the known name that is most similar to this one, if it is similar enough to be the one that was meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, nearest) = known.map(|known| (distance(name, known), known)).min()?;
    (distance <= 1 + name.len() / 4).then_some(nearest)
}

/// The length up to which names are compared, in bytes. Comparing two names costs the product of their lengths.
const MAX_NAME: usize = 64;

/// Counts the letters by which two names differ; two neighbours that were swapped count as one.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    if one.len().max(other.len()) > MAX_NAME {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (i, a) in one.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let change = row[j] + usize::from(a != *b);
            let mut min = change.min(next[j] + 1).min(row[j + 1] + 1);
            if j > 0 && previous == Some(*b) && other[j - 1] == a {
                min = min.min(before[j - 1] + 1);
            }
            next.push(min);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(a);
    }
    row.last().copied().unwrap_or(0)
}
