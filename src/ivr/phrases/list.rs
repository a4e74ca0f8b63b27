//! Lists, with an "and" before the last item.

use super::context::{ExpandContext, Plays, shown};
use super::wording::join;
use crate::script::MAX_PARTS;
use rhai::{Array, Dynamic, Map};

/// `#{ list: [1, 2, 3], and: "vm-and" }`: says "and" before the last item.
pub(super) fn list<C: ExpandContext>(part: &Map, items: &Dynamic, context: &C) -> Plays<C> {
    let Some(items) = items.read_lock::<Array>() else {
        return Err(context.error(format!("takes `list` as an array, not {}", shown(items))));
    };
    if !context.count(items.len()) {
        return Err(context.error(format!("is a list that makes more than {MAX_PARTS} parts to say")));
    }
    let spoken = items.iter().map(|item| context.plays(item)).collect::<Result<Vec<_>, _>>()?;
    let and = match part.get("and") {
        Some(and) if spoken.len() > 1 => Some(context.plays(and)?),
        _ => None,
    };
    join(spoken, and, context)
}
