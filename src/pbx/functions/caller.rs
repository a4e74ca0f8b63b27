//! `CALLERID`, `CONNECTEDLINE` and `REDIRECTING`.

use super::logic::flag;
use crate::pbx::callerid::{parse_callerid, shrink_number};
use crate::pbx::channel::Channel;

pub(super) fn read_callerid(channel: &mut Channel, item: &str) -> Option<String> {
    let call = &channel.call;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let kept = |name: &str| channel.facts.item("CALLERID", name).unwrap_or_default().to_owned();
    let item = item.to_ascii_lowercase();
    let known = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let allowed = || "allowed_not_screened".to_owned();
    Some(match item.as_str() {
        "all" => format!("\"{}\" <{}>", text(&call.calleridname), text(&call.callerid)),
        "name" => text(&call.calleridname),
        "num" | "number" => text(&call.callerid),
        "num-valid" => flag(known(&call.callerid)),
        "name-valid" => flag(known(&call.calleridname)),
        "pres" if !known(&call.callerid) && !known(&call.calleridname) => "unavailable".to_owned(),
        "pres" | "num-pres" => presentation_word(call.callingpres).to_owned(),
        "name-pres" => Some(kept("name-pres")).filter(|word| !word.is_empty()).unwrap_or_else(allowed),
        "name-charset" => "iso8859-1".to_owned(),
        "ani" | "ani-num" => kept("ani"),
        "ani-all" => format!("\"{}\" <{}>", kept("ani-name"), kept("ani")),
        "ani2" => format!("{:02}", call.callingani2),
        "ton" | "num-plan" => call.callington.to_string(),
        "tns" => call.callingtns.to_string(),
        "dnid" => text(&call.dnid),
        "rdnis" => text(&call.rdnis),
        other => kept(other),
    })
}

pub(super) fn write_callerid(channel: &mut Channel, item: &str, value: &str) {
    let call = &mut channel.call;
    let number = value.trim().parse::<i32>();
    match item.to_ascii_lowercase().as_str() {
        "all" => {
            let (name, number) = parse_callerid(value);
            call.callerid = Some(shrink_number(&number));
            call.calleridname = Some(name);
        }
        "name" => call.calleridname = Some(value.into()),
        "num" | "number" => call.callerid = Some(value.into()),
        "dnid" => call.dnid = Some(value.into()),
        "rdnis" => call.rdnis = Some(value.into()),
        "ani2" => call.callingani2 = number.unwrap_or(call.callingani2),
        "ton" | "num-plan" => call.callington = number.unwrap_or(call.callington),
        "tns" => call.callingtns = number.unwrap_or(call.callingtns),
        "pres" => {
            call.callingpres = presentation(value).unwrap_or(call.callingpres);
            channel.facts.set_item("CALLERID", "name-pres", presentation_word(call.callingpres));
        }
        "num-pres" => call.callingpres = presentation(value).unwrap_or(call.callingpres),
        "ani-num" => channel.facts.set_item("CALLERID", "ani", value),
        other => channel.facts.set_item("CALLERID", other, value),
    }
}

pub(super) fn read_connected_line(channel: &mut Channel, item: &str) -> Option<String> {
    Some(channel.facts.item("CONNECTEDLINE", &number(item)).unwrap_or_default().to_owned())
}

pub(super) fn write_connected_line(channel: &mut Channel, item: &str, value: &str) {
    channel.facts.set_item("CONNECTEDLINE", &number(item), value);
}

pub(super) fn read_redirecting(channel: &mut Channel, item: &str) -> Option<String> {
    let item = number(item);
    let otherwise = match item.as_str() {
        "reason" | "orig-reason" => "unknown",
        "count" => "0",
        _ => "",
    };
    Some(channel.facts.item("REDIRECTING", &item).unwrap_or(otherwise).to_owned())
}

pub(super) fn write_redirecting(channel: &mut Channel, item: &str, value: &str) {
    channel.facts.set_item("REDIRECTING", &number(item), value);
}

/// Returns the name of an item, of which `number` is another name of `num`.
fn number(item: &str) -> String {
    // What follows a comma only says when others are told.
    item.split(',').next().unwrap_or_default().replace("number", "num")
}

/// The names of how a number may be shown.
const PRESENTATIONS: [(&str, i32); 9] = [
    ("allowed_not_screened", 0),
    ("allowed_passed_screen", 1),
    ("allowed_failed_screen", 2),
    ("allowed", 3),
    ("prohib_not_screened", 32),
    ("prohib_passed_screen", 33),
    ("prohib_failed_screen", 34),
    ("prohib", 35),
    ("unavailable", 67),
];

fn presentation(word: &str) -> Option<i32> {
    let named = PRESENTATIONS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
    named.or_else(|| word.parse().ok())
}

fn presentation_word(number: i32) -> &'static str {
    PRESENTATIONS.iter().find(|(_, known)| *known == number).map_or("unknown", |(name, _)| name)
}
