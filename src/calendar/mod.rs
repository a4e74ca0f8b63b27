//! Dates and times of day in a time zone, and the moments that they are.
//!
//! Time zones come from the machine's tz database (`/usr/share/zoneinfo`), the one that Asterisk reads.

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
mod given;
#[cfg(not(any(target_family = "wasm", feature = "sandbox")))]
mod system;

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
use given as zones;
#[cfg(not(any(target_family = "wasm", feature = "sandbox")))]
use system as zones;

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
pub use given::give_zones;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::{Timestamp, Zoned, tz};

/// A time zone.
///
/// ```
/// use agi_rhai::TimeZone;
/// assert!(TimeZone::named("UTC").is_some());
/// assert!(TimeZone::named("Europe/Berlim").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(tz::TimeZone);

impl TimeZone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(tz::TimeZone::UTC);

    /// Returns the time zone of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self(zones::local())
    }

    /// Finds a time zone of the tz database, such as `Europe/Berlin`. As for Asterisk, case matters.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self::UTC);
        }
        let zone = zones::named(name)?;
        (zone.iana_name() == Some(name)).then_some(Self(zone))
    }

    /// Returns the time zone that Asterisk makes of a name: one of the tz database, or else a rule such as
    /// `CET-1CEST`, or else UTC. It doesn't complain about a name that is neither.
    #[must_use]
    pub(crate) fn as_asterisk_reads(name: &str) -> Self {
        let name = name.strip_prefix(':').unwrap_or(name);
        Self::named(name).or_else(|| Self::of_rule(name)).unwrap_or(Self::UTC)
    }

    /// Whether Asterisk makes something else than UTC of a name, as far as this machine can know: it may have no tz
    /// database.
    pub(crate) fn is_known(name: &str) -> bool {
        let name = name.strip_prefix(':').unwrap_or(name);
        Self::named(name).is_some() || Self::of_rule(name).is_some() || Self::named("Europe/London").is_none()
    }

    /// Reads a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`. If it doesn't say when clocks change, they do as in the USA.
    fn of_rule(rule: &str) -> Option<Self> {
        let read = |rule: &str| tz::TimeZone::posix(rule).ok().map(Self);
        read(rule).or_else(|| read(&format!("{rule},M3.2.0,M11.1.0")))
    }

    /// Returns the names in the tz database of this machine.
    pub(crate) fn names() -> Vec<String> {
        zones::names()
    }

    /// Returns its name in the tz database, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.iana_name()
    }

    /// Returns the seconds by which it is ahead of UTC at this moment.
    pub(crate) fn offset(&self, epoch: i64) -> i32 {
        let moment = Timestamp::from_second(epoch);
        let moment = moment.unwrap_or(if epoch < 0 { Timestamp::MIN } else { Timestamp::MAX });
        self.0.to_offset(moment).seconds()
    }

    fn at(&self, epoch: i64) -> Option<Zoned> {
        Some(Timestamp::from_second(epoch).ok()?.to_zoned(self.0.clone()))
    }
}

/// A moment, as a calendar and a clock on the wall show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CivilTime {
    pub year: i16,
    /// From 1.
    pub month: i8,
    pub day: i8,
    pub hour: i8,
    pub minute: i8,
    pub second: i8,
    /// From 1, which is Monday.
    pub weekday: i8,
}

/// Returns what calendar and clock show at a moment; `None` outside the years -9999 to 9999.
pub(crate) fn civil(epoch: i64, zone: &TimeZone) -> Option<CivilTime> {
    let time = zone.at(epoch)?;
    Some(CivilTime {
        year: time.year(),
        month: time.month(),
        day: time.day(),
        hour: time.hour(),
        minute: time.minute(),
        second: time.second(),
        weekday: time.weekday().to_monday_one_offset(),
    })
}

/// Formats a moment as the C function `strftime` does; `None` if the format isn't one, or outside the calendar.
pub(crate) fn strftime(epoch: i64, zone: &TimeZone, format: &str) -> Option<String> {
    jiff::fmt::strtime::format(format, &zone.at(epoch)?).ok()
}

/// Reads a moment as the C function `strptime` does; `None` if the text doesn't have this format.
pub(crate) fn strptime(text: &str, format: &str, zone: &TimeZone) -> Option<i64> {
    on_clock(jiff::fmt::strtime::parse(format, text).ok()?.to_datetime().ok()?, zone)
}

/// Returns the moment at which a clock shows this time on this day. A time that the clock skips is that much after the
/// moment of the skip; of a time that it shows twice, the first one counts.
pub(crate) fn moment(year: i64, month: i64, day: i64, hour: i64, minute: i64, zone: &TimeZone) -> Result<i64, String> {
    let part = |name, number, least, most| within(name, number, least, most);
    let (year, month) = (part("year", year, 1, 9998)?, part("month", month, 1, 12)?);
    let (hour, minute) = (part("hour", hour, 0, 23)?, part("minute", minute, 0, 59)?);
    let narrow = |number: i16| i8::try_from(number).unwrap_or(i8::MAX);
    let first = Date::new(year, narrow(month), 1).map_err(|error| error.to_string())?;
    let day = part("day", day, 1, 31)?;
    if day > first.days_in_month().into() {
        let month = jiff::fmt::strtime::format("%B %Y", first).unwrap_or_default();
        return Err(format!("`day` is {day}, but {month} has {} days", first.days_in_month()));
    }
    let date = first.with().day(narrow(day)).build().map_err(|error| error.to_string())?;
    on_clock(date.at(narrow(hour), narrow(minute), 0, 0), zone).ok_or_else(out_of_range)
}

fn within(name: &str, number: i64, least: i16, most: i16) -> Result<i16, String> {
    let fits = i16::try_from(number).ok().filter(|number| (least..=most).contains(number));
    fits.ok_or_else(|| format!("`{name}` must be {least} to {most}, not {number}"))
}

fn out_of_range() -> String {
    "the date is outside the calendar, which ends with the year 9999".to_owned()
}

fn on_clock(time: DateTime, zone: &TimeZone) -> Option<i64> {
    Some(zone.0.to_ambiguous_timestamp(time).compatible().ok()?.as_second())
}

/// Returns the first moment after this one at which a clock shows this time on this weekday, of which 1 is Monday.
pub(crate) fn next_weekday(after: i64, weekday: i8, hour: i8, minute: i8, zone: &TimeZone) -> Option<i64> {
    let today = zone.at(after)?.date();
    let weekday = Weekday::from_monday_one_offset(weekday).ok()?;
    let days = i64::from(today.weekday().until(weekday));
    [days, days + 7].into_iter().find_map(|days| {
        let date = today.checked_add(jiff::Span::new().days(days)).ok()?;
        on_clock(date.at(hour, minute, 0, 0), zone).filter(|moment| *moment > after)
    })
}

/// The weekdays, from Monday.
pub(crate) const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Reads a moment as people write it: `2026-12-03 09:30`, with seconds or without a time of day, or the seconds since
/// 1970.
///
/// # Errors
/// The text is something else, or there is no such day.
pub fn read_moment(text: &str, zone: &TimeZone) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(epoch) = text.parse::<i64>() {
        return Ok(epoch);
    }
    let wanted = || format!("a time is written as 2026-12-03 09:30, not {text:?}");
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let number = |text: &str| -> Option<i64> {
        let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok())?
    };
    let numbers = |text: &str, sign: char| text.split(sign).map(number).collect::<Option<Vec<i64>>>();
    let (Some(day), Some(clock)) = (numbers(day, '-'), numbers(clock.trim(), ':')) else { return Err(wanted()) };
    let (&[year, month, day], &[hour, minute, ref second @ ..]) = (&day[..], &clock[..]) else { return Err(wanted()) };
    let second = match *second {
        [] => 0,
        [second] => i64::from(within("second", second, 0, 59)?),
        _ => return Err(wanted()),
    };
    moment(year, month, day, hour, minute, zone).map(|moment| moment + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::named("Europe/Berlin").unwrap()
    }

    fn written(text: &str) -> String {
        match read_moment(text, &berlin()) {
            Ok(epoch) => strftime(epoch, &berlin(), "%F %T %z").unwrap(),
            Err(problem) => problem,
        }
    }

    #[test]
    fn people_write_times_in_their_zone() {
        assert_eq!(read_moment("2026-12-03 09:30", &TimeZone::UTC), Ok(1_796_290_200));
        assert_eq!(read_moment("2026-12-03 09:30", &berlin()), Ok(1_796_286_600));
        assert_eq!(read_moment("1796290200", &berlin()), Ok(1_796_290_200));
        assert_eq!(written("2026-07-03T09:30:05"), "2026-07-03 09:30:05 +0200");
        assert_eq!(written("2026-07-03"), "2026-07-03 00:00:00 +0200");
        for wrong in
            ["", "tomorrow", "2026-12-03 9", "2026-12", "3.12.2026 09:30", "2026-12-03 09:30:00:00", "2026-12--3"]
        {
            assert!(written(wrong).starts_with("a time is written as"), "{wrong}: {}", written(wrong));
        }
        assert_eq!(written("2026-02-30 09:30"), "`day` is 30, but February 2026 has 28 days");
        assert_eq!(written("2026-13-01 09:30"), "`month` must be 1 to 12, not 13");
        assert_eq!(written("2026-12-01 24:00"), "`hour` must be 0 to 23, not 24");
        assert_eq!(written("2026-12-01 12:00:60"), "`second` must be 0 to 59, not 60");
    }

    #[test]
    fn a_skipped_time_is_later_and_of_a_repeated_one_the_first_counts() {
        assert_eq!(written("2026-03-29 02:30"), "2026-03-29 03:30:00 +0200");
        assert_eq!(written("2026-10-25 02:30"), "2026-10-25 02:30:00 +0200");
    }

    #[test]
    fn the_next_weekday_is_never_now() {
        let next = |after: &str, day, hour| {
            let after = read_moment(after, &berlin()).unwrap();
            strftime(next_weekday(after, day, hour, 0, &berlin()).unwrap(), &berlin(), "%a %F %R").unwrap()
        };
        assert_eq!(next("2026-12-03 08:59", 4, 9), "Thu 2026-12-03 09:00");
        assert_eq!(next("2026-12-03 09:00", 4, 9), "Thu 2026-12-10 09:00");
        assert_eq!(next("2026-12-03 09:00", 1, 9), "Mon 2026-12-07 09:00");
        assert_eq!(next("2026-12-03 09:00", 3, 9), "Wed 2026-12-09 09:00");
        // The nights in which the clocks change.
        assert_eq!(next("2026-10-24 12:00", 7, 9), "Sun 2026-10-25 09:00");
        assert_eq!(next("2026-03-28 12:00", 7, 9), "Sun 2026-03-29 09:00");
    }

    #[test]
    fn zones_are_those_that_asterisk_knows() {
        assert_eq!(TimeZone::named("europe/berlin"), None);
        assert_eq!(TimeZone::as_asterisk_reads("Europe/Berlin").offset(1_796_286_600), 3600);
        assert_eq!(TimeZone::as_asterisk_reads("CET-1CEST,M3.5.0,M10.5.0/3").offset(1_783_000_000), 7200);
        assert_eq!(TimeZone::as_asterisk_reads("CET-1CEST").offset(1_783_000_000), 7200);
        assert_eq!(TimeZone::as_asterisk_reads("No/Where").offset(0), 0);
        for (name, is_known) in [("Europe/Berlin", true), ("CET-1CEST", true), ("No/Where", false), ("berlin", false)] {
            assert_eq!(TimeZone::is_known(name), is_known, "{name}");
        }
        assert!(TimeZone::names().contains(&"Asia/Tokyo".to_owned()));
        for epoch in [i64::MIN, i64::MAX] {
            let _ = berlin().offset(epoch);
        }
    }

    #[test]
    fn a_moment_has_a_weekday() {
        let time = civil(1_210_498_014, &TimeZone::UTC).unwrap();
        assert_eq!((time.year, time.month, time.day, time.weekday), (2008, 5, 11, 7));
        assert_eq!((time.hour, time.minute, time.second), (9, 26, 54));
        assert_eq!(civil(i64::MAX, &TimeZone::UTC), None);
    }
}
