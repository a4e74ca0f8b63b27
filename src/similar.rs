//! Similar names, for "did you mean ...?".

/// Normalizes a name: case and underscores differ between languages.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// Returns which of these few names may have been meant. Among few names, a less similar one may still be the
/// likeliest.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    let far = |known: &&str| if plain(known) == wanted { 0 } else { distance(name, known) };
    let (far, nearest) = known.filter(|known| *known != name).map(|known| (far(&known), known)).min()?;
    (far <= (name.chars().count() / 2).min(3)).then_some(nearest)
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
