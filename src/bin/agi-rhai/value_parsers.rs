//! Parsers for the values of options.

use agi_rhai::internals::{OLDEST_ASTERISK, is_manager_address};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// Parses a network, or a single address.
pub fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let whole = if text.contains(':') { 128 } else { 32 };
    text.parse()
        .or_else(|_| format!("{text}/{whole}").parse())
        .map_err(|_| "a network is written as 192.0.2.0/24 or 2001:db8::/32, an address as 192.0.2.7".to_owned())
}

/// A user of a manager, and where the manager is.
#[derive(Clone, Debug)]
pub struct ManagerAddress {
    /// The user.
    pub user: String,
    /// The host, and maybe a port.
    pub address: String,
}

/// Parses `agi@pbx1` or `agi@pbx1:5038`.
pub fn manager(text: &str) -> Result<ManagerAddress, String> {
    let parts = text.rsplit_once('@').filter(|(user, address)| !user.is_empty() && !address.is_empty());
    let (user, address) = parts.ok_or("a manager is written as USER@HOST or USER@HOST:PORT")?;
    if user.contains(':') {
        return Err(
            "everybody on this machine sees the command line: --manager-secret-file holds the secret".to_owned()
        );
    }
    if !is_manager_address(address) {
        return Err(format!("{address} isn't a host and a port, such as pbx1 or pbx1:5038"));
    }
    Ok(ManagerAddress { user: user.to_owned(), address: address.to_owned() })
}

/// The maximum duration: a year.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);
/// The minimum limit on computing, below which no script could run.
const MIN_COMPUTING: Duration = Duration::from_millis(1);

/// Parses `30s`, `2m` or `1h 30m`; a plain number means seconds.
pub fn length(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let written = || text.parse::<jiff::SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    let length = seconds.or_else(written).filter(|length| *length <= MAX_DURATION);
    length.ok_or_else(|| "a length of time is written as 30s, 2m or 1h, and is 0 s to a year".to_owned())
}

/// Parses a number of seconds, which may be a fraction, from `least`.
fn seconds(text: &str, min: Duration) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|length| (min..=MAX_DURATION).contains(length)).ok_or_else(|| {
        format!("it is a number of seconds from {} to {}, such as 2 or 0.5", min.as_secs_f64(), MAX_DURATION.as_secs())
    })
}

pub fn computing(text: &str) -> Result<Duration, String> {
    seconds(text, MIN_COMPUTING)
}

pub fn on_hangup(text: &str) -> Result<Duration, String> {
    seconds(text, Duration::ZERO)
}

/// Parses a number of calls. The maximum is more than a machine has room for.
pub fn count(text: &str) -> Result<usize, String> {
    whole(text, &(1..=100_000_000))
}

/// Parses a number of MiB, up to a TiB.
pub fn mebibytes(text: &str) -> Result<usize, String> {
    whole(text, &(1..=1024 * 1024))
}

/// Parses a whole number in this range.
pub fn whole<N: FromStr + PartialOrd + Display>(text: &str, range: &RangeInclusive<N>) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("it is a whole number from {} to {}", range.start(), range.end()))
}

/// Parses a seed, or the number of a call.
pub fn natural(text: &str) -> Result<u64, String> {
    whole(text, &(0..=u64::MAX))
}

/// Parses the major version in `22`, `22.10.1`, `certified/22.8` or `Asterisk 22`.
pub fn asterisk_version(text: &str) -> Result<u32, String> {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let major = digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if major >= OLDEST_ASTERISK => Ok(major),
        Some(_) => Err(format!("the checker doesn't know versions before {OLDEST_ASTERISK}")),
        None => Err("a version is written as 22, 22.10 or certified/22.8".to_owned()),
    }
}
