//! Dialplan functions of time.

use super::arguments::Arguments;
use crate::calendar::{TimeZone, strftime, strptime};
use crate::clock::Time;
use crate::pbx::channel::Channel;
use std::time::Duration;

/// Returns a time zone by its name; the server's own without one.
fn zone(channel: &Channel, name: Option<&str>) -> TimeZone {
    name.map_or_else(|| channel.time_zone.clone(), TimeZone::as_asterisk_reads)
}

fn formatted(time: Time, zone: &TimeZone, format: &str) -> Option<String> {
    let since = time.since_epoch();
    let milliseconds = format!("{:03}", since.subsec_millis());
    let format = format.replace("%3q", &milliseconds).replace("%q", &milliseconds);
    strftime(i64::try_from(since.as_secs()).ok()?, zone, &format.replace("%c", "%a %b %e %H:%M:%S %Y"))
}

/// Formats a moment in the server's time zone.
pub(super) fn local_time(channel: &Channel, time: Time, format: &str) -> Option<String> {
    formatted(time, &channel.time_zone, format)
}

/// `STRFTIME(epoch,zone,format)`
pub(super) fn format_time(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 3);
    let given = arguments.given(0).and_then(|epoch| Duration::try_from_secs_f64(epoch.trim().parse().ok()?).ok());
    let time = given.map_or_else(|| channel.now(), |since| Time::from_unix(0) + since);
    formatted(time, &zone(channel, arguments.given(1)), arguments.given(2).unwrap_or("%c"))
}

/// `STRPTIME(text,zone,format)`: seconds since the Unix epoch, or an empty text.
pub(super) fn parse_time(channel: &mut Channel, text: &str) -> Option<String> {
    let arguments = Arguments::new(text, 3);
    let moment = strptime(arguments.get(0), arguments.given(2)?, &zone(channel, arguments.given(1)));
    Some(moment.map_or_else(String::new, |moment| moment.to_string()))
}
