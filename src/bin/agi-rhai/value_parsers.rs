//! Parsers for the values of options.

use agi_rhai::tools::check::OLDEST_ASTERISK;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// A network, or a single address.
pub fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let whole = if text.contains(':') { 128 } else { 32 };
    text.parse()
        .or_else(|_| format!("{text}/{whole}").parse())
        .map_err(|_| "a network is written as 192.0.2.0/24 or 2001:db8::/32, an address as 192.0.2.7".to_owned())
}

/// Nothing here takes longer than a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// A script that may compute for less could do nothing.
const SHORTEST: Duration = Duration::from_millis(1);

/// `30s`, `2m`, `1h 30m`; a plain number is seconds.
pub fn length(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let written = || text.parse::<jiff::SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    let length = seconds.or_else(written).filter(|length| *length <= LONGEST);
    length.ok_or_else(|| "a length of time is written as 30s, 2m or 1h, and is 0 s to a year".to_owned())
}

/// Seconds of which a part may be given, from `least`.
fn seconds(text: &str, least: Duration) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|length| (least..=LONGEST).contains(length)).ok_or_else(|| {
        format!("it is a number of seconds from {} to {}, such as 2 or 0.5", least.as_secs_f64(), LONGEST.as_secs())
    })
}

pub fn computing(text: &str) -> Result<Duration, String> {
    seconds(text, SHORTEST)
}

pub fn on_hangup(text: &str) -> Result<Duration, String> {
    seconds(text, Duration::ZERO)
}

/// How many calls: more than a machine ever has room for.
pub fn count(text: &str) -> Result<usize, String> {
    whole(text, &(1..=100_000_000))
}

/// MiB, up to a TiB.
pub fn mebibytes(text: &str) -> Result<usize, String> {
    whole(text, &(1..=1024 * 1024))
}

/// A whole number of this range.
pub fn whole<N: FromStr + PartialOrd + Display>(text: &str, range: &RangeInclusive<N>) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("it is a whole number from {} to {}", range.start(), range.end()))
}

/// A seed, or a number of calls.
pub fn natural(text: &str) -> Result<u64, String> {
    whole(text, &(0..=u64::MAX))
}

/// The major version in `22`, `22.10.1`, `certified/22.8` or `Asterisk 22`.
pub fn asterisk_version(text: &str) -> Result<u32, String> {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let major = digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if major >= OLDEST_ASTERISK => Ok(major),
        Some(_) => Err(format!("versions before {OLDEST_ASTERISK} are not known to the checker")),
        None => Err("a version is written as 22, 22.10 or certified/22.8".to_owned()),
    }
}
