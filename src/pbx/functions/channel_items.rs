//! `CHANNEL`, `CDR`, `TIMEOUT`, groups, hashes, and what else functions keep in a channel.

use super::arguments::Arguments;
use super::clock::local_time;
use super::logic::flag;
use super::pattern::Pattern;
use crate::clock::Time;
use crate::pbx::channel::Channel;
use std::time::Duration;

pub(super) fn read_channel(channel: &mut Channel, item: &str) -> Option<String> {
    let call = &channel.call;
    let item = item.to_ascii_lowercase();
    Some(match item.as_str() {
        "name" | "channame" => call.channel.clone(),
        "language" => call.language.clone(),
        "state" => channel.state.word().into(),
        "channeltype" => call.kind.clone(),
        "accountcode" => call.accountcode.clone(),
        "uniqueid" | "linkedid" => call.uniqueid.clone(),
        "exten" => channel.extension.clone(),
        "context" => channel.context.clone(),
        "musicclass" => channel.music_class.clone(),
        "checkhangup" => flag(channel.dead),
        "onhold" => flag(false),
        "max_forwards" => "20".into(),
        "appname" => "AGI".into(),
        "peer" | "parkinglot" | "userfield" | "peeraccount" | "hangupsource" | "callgroup" | "pickupgroup" => {
            channel.facts.item("CHANNEL", &item).unwrap_or_default().to_owned()
        }
        _ => return channel.facts.item("CHANNEL", &item).map(str::to_owned),
    })
}

pub(super) fn write_channel(channel: &mut Channel, item: &str, value: &str) {
    match item.to_ascii_lowercase().as_str() {
        "language" => value.clone_into(&mut channel.call.language),
        "accountcode" => value.clone_into(&mut channel.call.accountcode),
        "musicclass" => value.clone_into(&mut channel.music_class),
        item @ ("userfield" | "peeraccount" | "parkinglot" | "callgroup" | "pickupgroup" | "tonezone"
        | "hangupsource" | "max_forwards") => channel.facts.set_item("CHANNEL", item, value),
        _ => {}
    }
}

/// The fields of a CDR that cannot be set.
const READ_ONLY: [&str; 16] = [
    "clid",
    "src",
    "dst",
    "dcontext",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "start",
    "answer",
    "end",
    "duration",
    "billsec",
    "disposition",
    "uniqueid",
    "linkedid",
];

/// `CDR(field,options)`: with `u` not formatted, with `f` with fractions of seconds.
pub(super) fn read_cdr(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 2);
    let (raw, exact) = (arguments.get(1).contains('u'), arguments.get(1).contains('f'));
    let call = &channel.call;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let moment = |time: Option<Time>| match time {
        None => String::new(),
        Some(time) if raw => {
            let since = time.since_epoch();
            format!("{}.{:06}", since.as_secs(), since.subsec_micros())
        }
        Some(time) => local_time(channel, time, "%Y-%m-%d %H:%M:%S").unwrap_or_default(),
    };
    let length = |length: Duration| {
        if exact { format!("{:.6}", length.as_secs_f64()) } else { length.as_secs().to_string() }
    };
    let field = arguments.get(0).to_ascii_lowercase();
    Some(match field.as_str() {
        "clid" => match (optional(&call.calleridname), optional(&call.callerid)) {
            (name, number) if name.is_empty() => number,
            (name, number) => format!("\"{name}\" <{number}>"),
        },
        "src" => optional(&call.callerid),
        "dst" => channel.extension.clone(),
        "dcontext" => channel.context.clone(),
        "channel" => call.channel.clone(),
        "uniqueid" | "linkedid" => call.uniqueid.clone(),
        "accountcode" => call.accountcode.clone(),
        "lastapp" => "AGI".to_owned(),
        "lastdata" => call.request.clone(),
        "start" => moment(Some(channel.created)),
        "answer" => moment(channel.answered),
        "duration" => length(channel.now() - channel.created),
        "billsec" => length(channel.answered.map_or(Duration::ZERO, |answered| channel.now() - answered)),
        // It is decided at the end of the call.
        "disposition" if raw => "1".to_owned(),
        "disposition" => "NO ANSWER".to_owned(),
        "amaflags" => channel.facts.item("CDR", "amaflags").unwrap_or("DOCUMENTATION").to_owned(),
        field => channel.facts.item("CDR", field).unwrap_or_default().to_owned(),
    })
}

pub(super) fn write_cdr(channel: &mut Channel, field: &str, value: &str) {
    match field.to_ascii_lowercase().as_str() {
        "accountcode" => value.clone_into(&mut channel.call.accountcode),
        field if READ_ONLY.contains(&field) => {}
        field => channel.facts.set_item("CDR", field, value),
    }
}

/// `TIMEOUT(digit)`, `TIMEOUT(response)`, `TIMEOUT(absolute)`
pub(super) fn read_timeout(channel: &mut Channel, kind: &str) -> Option<String> {
    let seconds = |length: Duration| format!("{:.3}", length.as_secs_f64());
    Some(match kind.to_ascii_lowercase().as_str() {
        "digit" => seconds(channel.facts.digit_timeout),
        "response" => seconds(channel.facts.response_timeout),
        "absolute" => channel.hangup_at.map_or_else(|| "0".to_owned(), |at| seconds(at - channel.now())),
        _ => return None,
    })
}

pub(super) fn write_timeout(channel: &mut Channel, kind: &str, value: &str) {
    let Ok(seconds) = value.trim().parse::<f64>() else { return };
    let length = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    match kind.to_ascii_lowercase().as_str() {
        "digit" => channel.facts.digit_timeout = length,
        "response" => channel.facts.response_timeout = length,
        "absolute" => channel.set_autohangup(seconds),
        _ => {}
    }
}

pub(super) fn read_group(channel: &mut Channel, category: &str) -> Option<String> {
    channel.facts.groups.iter().find(|(known, _)| known == category).map(|(_, group)| group.clone())
}

pub(super) fn write_group(channel: &mut Channel, category: &str, group: &str) {
    channel.facts.groups.retain(|(known, _)| known != category);
    if !group.is_empty() {
        channel.facts.groups.push((category.to_owned(), group.to_owned()));
    }
}

/// Splits `group@category`.
fn group_and_category(text: &str) -> (&str, Option<&str>) {
    text.split_once('@').map_or((text, None), |(group, category)| (group, Some(category)))
}

/// `GROUP_COUNT(group@category)`. There is only this channel, so the count is 0 or 1.
pub(super) fn count_group(channel: &mut Channel, text: &str) -> Option<String> {
    let (group, category) = group_and_category(text);
    let category = category.unwrap_or_default();
    let own = channel.facts.groups.iter().find(|(known, _)| known == category);
    Some(flag(own.is_some_and(|(_, own)| group.is_empty() || own == group)))
}

/// `GROUP_MATCH_COUNT(pattern@category)`
pub(super) fn count_matching_groups(channel: &mut Channel, text: &str) -> Option<String> {
    let (pattern, category) = group_and_category(text);
    let pattern = Pattern::parse(pattern)?;
    let groups = channel.facts.groups.iter();
    let matching =
        groups.filter(|(known, group)| category.is_none_or(|category| known == category) && pattern.is_found_in(group));
    Some(matching.count().to_string())
}

pub(super) fn list_groups(channel: &mut Channel, _: &str) -> Option<String> {
    let groups = channel.facts.groups.iter().map(|(category, group)| match category.as_str() {
        "" => group.clone(),
        category => format!("{group}@{category}"),
    });
    Some(groups.collect::<Vec<_>>().join(" "))
}

/// `HASH(name,key)`; without a key, all values.
pub(super) fn read_hash(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 2);
    let (name, key) = (arguments.get(0), arguments.given(1));
    let mut hash = channel.facts.hashes.iter().filter(|(known, ..)| known == name);
    Some(match key {
        Some(key) => hash.find(|(_, known, _)| known == key).map(|(.., value)| value.clone()).unwrap_or_default(),
        None => hash.map(|(.., value)| value.as_str()).collect::<Vec<_>>().join(","),
    })
}

pub(super) fn write_hash(channel: &mut Channel, text: &str, value: &str) {
    let arguments = Arguments::new(text, 2);
    let (name, Some(key)) = (arguments.get(0), arguments.given(1)) else { return };
    channel.facts.hashes.retain(|(known, known_key, _)| (known.as_str(), known_key.as_str()) != (name, key));
    channel.facts.hashes.insert(0, (name.to_owned(), key.to_owned(), value.to_owned()));
}

pub(super) fn hash_keys(channel: &mut Channel, name: &str) -> Option<String> {
    let hash = channel.facts.hashes.iter().filter(|(known, ..)| known == name);
    Some(hash.map(|(_, key, _)| key.as_str()).collect::<Vec<_>>().join(","))
}

pub(super) fn read_global(channel: &mut Channel, name: &str) -> Option<String> {
    Some(channel.globals.get(name).cloned().unwrap_or_default())
}

pub(super) fn write_global(channel: &mut Channel, name: &str, value: &str) {
    channel.globals.insert(name.to_owned(), value.to_owned());
}

pub(super) fn read_shared(channel: &mut Channel, name: &str) -> Option<String> {
    channel.facts.item("SHARED", name).map(str::to_owned)
}

pub(super) fn write_shared(channel: &mut Channel, name: &str, value: &str) {
    channel.facts.set_item("SHARED", name, value);
}

/// `ENV(NAME)`. The environment of the simulated Asterisk is empty.
pub(super) fn read_env(channel: &mut Channel, name: &str) -> Option<String> {
    Some(channel.facts.item("ENV", name).unwrap_or_default().to_owned())
}

pub(super) fn write_env(channel: &mut Channel, name: &str, value: &str) {
    channel.facts.set_item("ENV", name, value);
}

/// `VOLUME(TX)` and `VOLUME(RX)`
pub(super) fn read_volume(channel: &mut Channel, direction: &str) -> Option<String> {
    let volume = channel.facts.item("VOLUME", direction)?;
    volume.trim().parse::<f64>().ok().map(|volume| format!("{volume:.6}"))
}

pub(super) fn write_volume(channel: &mut Channel, text: &str, value: &str) {
    let direction = text.split(',').next().unwrap_or_default();
    channel.facts.set_item("VOLUME", direction, value);
}

/// `LOCAL(NAME)`: a variable of a subroutine, in which a script never is.
pub(super) fn read_local(_: &mut Channel, _: &str) -> Option<String> {
    None
}

pub(super) fn write_local(_: &mut Channel, _: &str, _: &str) {}

pub(super) fn version(channel: &mut Channel, text: &str) -> Option<String> {
    text.is_empty().then(|| channel.call.version.clone())
}
