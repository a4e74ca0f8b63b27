//! Names that are alike, for "did you mean ...?", and the names every script has.

/// The names of a call's own values.
pub(crate) const VALUES: [&str; 4] = ["env", "args", "params", "state"];

/// The name most like this one, if one is.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (distance(name, known), known)).min()?;
    (near.0 <= 1 + name.len() / 4).then_some(near.1)
}

/// A longer name is like none: to compare two costs the product of their lengths.
const LONGEST_NAME: usize = 64;

/// How many letters two names differ by; two letters that changed places count as one.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    if one.len().max(other.len()) > LONGEST_NAME {
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
            let mut least = change.min(next[j] + 1).min(row[j + 1] + 1);
            if j > 0 && previous == Some(*b) && other[j - 1] == a {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(a);
    }
    row.last().copied().unwrap_or(0)
}
