//! Durations, in days, hours, minutes and seconds.

use super::context::{ExpandContext, Plays, shown, whole};
use super::wording::{counted, join};
use rhai::Dynamic;

/// The units of a duration, in seconds.
const UNITS: [(&str, u64); 4] = [("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1)];

/// `#{ duration: 185 }`: says three minutes and five seconds.
pub(super) fn duration<C: ExpandContext>(given: &Dynamic, context: &C) -> Plays<C> {
    let seconds = match whole(given) {
        Some(seconds) => u64::try_from(seconds).ok(),
        None => given.as_float().ok().and_then(rounded),
    };
    let Some(mut left) = seconds else {
        return Err(context.error(format!("takes `duration` as a number of seconds, not {}", shown(given))));
    };
    let mut spoken = Vec::new();
    for (name, seconds) in UNITS {
        let count = left / seconds;
        if count > 0
            && let Some(plays) = counted(name, count, context)?
        {
            spoken.push(plays);
            left -= count * seconds;
        }
    }
    if spoken.is_empty() {
        for (name, _) in UNITS.iter().rev() {
            if let Some(plays) = counted(name, 0, context)? {
                spoken.push(plays);
                break;
            }
        }
    }
    join(spoken, None, context)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in the range")]
fn rounded(seconds: f64) -> Option<u64> {
    (0.0..9.0e15).contains(&seconds).then(|| seconds.round() as u64)
}
