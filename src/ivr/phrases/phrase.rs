//! Phrases of the script's table, by name.

use super::context::{ExpandContext, Plays, shown, unknown_key, whole};
use super::wording::{PhraseValue, find_phrase, say_wording, too_many};
use crate::script::{MAX_SHOWN, NoNumber, short};
use rhai::{Dynamic, Map};

/// `#{ phrase: "messages", n: 3 }`
pub(super) fn phrase<C: ExpandContext>(part: &Map, name: &Dynamic, context: &C) -> Plays<C> {
    let Ok(name) = name.as_immutable_string_ref() else {
        return Err(context.error(format!("takes `phrase` as the name of a phrase, not {}", shown(name))));
    };
    let name = name.as_str();
    let Some((language, phrase)) = find_phrase(name, context)? else {
        let (name, like) = (short(name, MAX_SHOWN), name);
        return Err(context.error(match context.phrases() {
            Some(table) => {
                let like = table.similar(like).map(|like| format!(": did you mean `{like}`?")).unwrap_or_default();
                format!("names the phrase `{name}`, which is not in {}{like}", table.name())
            }
            None => {
                format!("names the phrase `{name}`, but there is no table of phrases (NAME.phrases) beside the script")
            }
        }));
    };
    let number = match part.get("n") {
        None => None,
        Some(n) => {
            Some(whole(n).ok_or_else(|| context.error(format!("takes `n` as a whole number, not {}", shown(n))))?)
        }
    };
    let values = || context.phrases().into_iter().flat_map(|phrases| phrases.values(name));
    let takes =
        |key: &str| key == "phrase" || key == "n" || context.phrases().is_some_and(|phrases| phrases.takes(name, key));
    if !context.count(part.len()) {
        return Err(context.error(too_many(name, phrase.line(), context)));
    }
    if let Some(unexpected) = part.keys().find(|key| !takes(key)) {
        return Err(context.error(unknown_key(unexpected, &format!("the phrase `{name}`"), values().chain(["n"]))));
    }
    let wording = phrase.form(language, number).map_err(|NoNumber| {
        context.error(format!("does not give `n`, the number that decides which form of the phrase `{name}` is said"))
    })?;
    let n = number.map(Dynamic::from);
    let given = |value: &str| match (value, &n) {
        ("n", Some(n)) => Some(PhraseValue::Script(n)),
        _ => part.get(value).map(PhraseValue::Script),
    };
    say_wording(name, wording, &given, context)
}
