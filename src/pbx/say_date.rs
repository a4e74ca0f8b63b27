//! Dates and times as Asterisk speaks them in English: their sound files, and their words.

use super::prompts::foreign;
use super::say::{cardinal, ordinal};
use super::spoken::Spoken;
use crate::calendar::TimeZone;
use std::fmt::Write as _;

/// A date to say: a moment, and how it is shown.
pub(super) struct SpokenDate<'a> {
    pub epoch: i64,
    pub zone: &'a TimeZone,
    /// When it is said, with which `Q` and `q` compare it.
    pub now: i64,
    /// The language of the channel. Sound files are those of English in every language.
    pub language: &'a str,
}

impl SpokenDate<'_> {
    /// SAY DATE.
    pub fn date(&self) -> Spoken {
        let when = self.calendar();
        let mut files = vec![format!("digits/day-{}", when.weekday), format!("digits/mon-{}", when.month)];
        cardinal(when.day, &mut files);
        cardinal(small(when.year), &mut files);
        let words = if self.is_english() {
            let (weekday, month) = (WEEKDAYS[index(when.weekday, 7)], MONTHS[index(when.month, 12)]);
            format!("{weekday}, {month} {} {}", when.day, when.year)
        } else {
            when.plain_date()
        };
        self.spoken("date", words, files)
    }

    /// SAY TIME.
    pub fn time(&self) -> Spoken {
        let when = self.calendar();
        let mut files = Vec::new();
        cardinal(twelve_hour(when.hour), &mut files);
        match when.minute {
            0 => files.push("digits/oclock".into()),
            minute => two_digits(minute, &mut files),
        }
        files.push(am_or_pm(when.hour).0.into());
        let words = if self.is_english() {
            format!("{}:{:02} {}", twelve_hour(when.hour), when.minute, am_or_pm(when.hour).1)
        } else {
            when.plain_time()
        };
        self.spoken("time", words, files)
    }

    /// SAY DATETIME. `sound_words` returns the words of a sound file that the format names.
    pub fn datetime(&self, format: &str, sound_words: &dyn Fn(&str) -> String) -> Spoken {
        let mut files = Vec::new();
        self.formatted(format, &mut files);
        let words = if self.is_english() {
            let mut words = Words { text: String::new(), last: Part::Nothing, of_sound: sound_words };
            self.add_words(format, &mut words);
            words.text
        } else {
            self.plain_words(format)
        };
        Spoken { format: Some(format.to_owned()), ..self.spoken("datetime", words, files) }
    }

    fn spoken(&self, kind: &'static str, words: String, files: Vec<String>) -> Spoken {
        Spoken { words, ..Spoken::plain(kind, &self.epoch.to_string(), files) }
    }

    fn is_english(&self) -> bool {
        foreign(self.language).is_none()
    }

    fn calendar(&self) -> Calendar {
        Calendar::new(self.epoch, self.zone.offset(self.epoch))
    }

    /// Adds the sound files of a format. As in Asterisk, unknown letters are ignored.
    fn formatted(&self, format: &str, names: &mut Vec<String>) {
        let when = self.calendar();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\'' => names.push(letters.by_ref().take_while(|&letter| letter != '\'').collect()),
                'A' | 'a' => names.push(format!("digits/day-{}", when.weekday)),
                'B' | 'b' | 'h' => names.push(format!("digits/mon-{}", when.month)),
                'm' => ordinal(when.month + 1, names),
                'd' | 'e' => ordinal(when.day, names),
                'Y' => match when.year {
                    2000.. => cardinal(small(when.year), names),
                    ..=1900 => {}
                    year => {
                        names.push("digits/19".into());
                        if year < 1910 {
                            names.push("digits/oh".into());
                        }
                        cardinal(small(year - 1900), names);
                    }
                },
                'I' | 'l' => names.push(format!("digits/{}", twelve_hour(when.hour))),
                'H' | 'k' => {
                    let oh = if letter == 'H' { when.hour < 10 } else { when.hour == 0 };
                    if oh {
                        names.push("digits/oh".into());
                    }
                    let mut hour = when.hour;
                    if hour > 20 {
                        names.push("digits/20".into());
                        hour -= 20;
                    }
                    if hour > 0 {
                        names.push(format!("digits/{hour}"));
                    }
                }
                'M' if when.minute == 0 => names.push("digits/oclock".into()),
                'N' if when.minute == 0 => names.push("digits/hundred".into()),
                'M' | 'N' => two_digits(when.minute, names),
                'S' if when.second == 0 => names.push("digits/0".into()),
                'S' => two_digits(when.second, names),
                'P' | 'p' => names.push(am_or_pm(when.hour).0.into()),
                'Q' | 'q' => match self.relative() {
                    Ok(name) => names.push(name.into()),
                    Err(format) => self.formatted(format, names),
                },
                'R' => self.formatted("HM", names),
                'T' => self.formatted("HMS", names),
                _ => {}
            }
        }
    }

    /// Adds the words of a format.
    fn add_words(&self, format: &str, words: &mut Words<'_>) {
        let when = self.calendar();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\'' => {
                    let sound: String = letters.by_ref().take_while(|&letter| letter != '\'').collect();
                    words.add(Part::Other, &(words.of_sound)(&sound));
                }
                'A' | 'a' => words.add(Part::Weekday, WEEKDAYS[index(when.weekday, 7)]),
                'B' | 'b' | 'h' => words.add(Part::Date, MONTHS[index(when.month, 12)]),
                'm' => words.add(Part::Date, &nth(when.month + 1)),
                'd' | 'e' => words.add(Part::Date, &nth(when.day)),
                'Y' if when.year > 1900 => words.add(Part::Date, &when.year.to_string()),
                'I' | 'l' => words.add(Part::Hour, &twelve_hour(when.hour).to_string()),
                'H' => words.add(Part::Hour, &format!("{:02}", when.hour)),
                'k' => words.add(Part::Hour, &when.hour.to_string()),
                'N' if when.minute == 0 => words.add(Part::Other, "hundred"),
                'M' if when.minute == 0 && words.last != Part::Hour => words.add(Part::Other, "o'clock"),
                'M' | 'N' => words.add(Part::Minute, &format!("{:02}", when.minute)),
                'S' => words.add(Part::Second, &format!("{:02}", when.second)),
                'P' | 'p' => words.add(Part::Other, am_or_pm(when.hour).1),
                'Q' | 'q' => match self.relative() {
                    Ok(name) => words.add(Part::Weekday, name.trim_start_matches("digits/")),
                    Err(format) => self.add_words(format, words),
                },
                'R' => self.add_words("HM", words),
                'T' => self.add_words("HMS", words),
                _ => {}
            }
        }
    }

    /// Returns the parts of a date that a format names in figures: this isn't the language of the channel, but it
    /// shows what is said.
    fn plain_words(&self, format: &str) -> String {
        let when = self.calendar();
        let outside_quotes: String = format.split('\'').step_by(2).collect();
        let has = |letters: &str| outside_quotes.contains(|letter| letters.contains(letter));
        let mut words = Vec::new();
        if has("AaBbhmdeYQq") {
            words.push(when.plain_date());
        }
        if has("ST") {
            words.push(format!("{}:{:02}", when.plain_time(), when.second));
        } else if has("IlHkMNPpR") {
            words.push(when.plain_time());
        }
        words.join(" ")
    }

    /// Returns the sound of a day close to today, or else the format in which to say it.
    fn relative(&self) -> Result<&'static str, &'static str> {
        const DAY: i64 = 86_400;
        const MONTH: i64 = 2_628_000;
        let midnight = self.now.saturating_add(self.zone.offset(self.now).into()).rem_euclid(DAY);
        let today = self.now.saturating_sub(midnight);
        match self.epoch.saturating_sub(today) {
            away if away > 6 * MONTH => Err("BdY"),
            away if away > MONTH => Err("Bd"),
            away if away > 6 * DAY => Err("ABd"),
            away if away > 2 * DAY => Err("A"),
            away if away > DAY => Ok("digits/tomorrow"),
            away if away > 0 => Ok("digits/today"),
            away if away > -DAY => Ok("digits/yesterday"),
            away if away > -6 * DAY => Err("A"),
            away if away > -MONTH => Err("ABd"),
            away if away > -6 * MONTH => Err("Bd"),
            _ => Err("BdY"),
        }
    }
}

/// The words of a date, as far as they are known.
struct Words<'a> {
    text: String,
    last: Part,
    of_sound: &'a dyn Fn(&str) -> String,
}

/// A part of a date, which decides how the next one is joined to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Weekday,
    Date,
    Hour,
    Minute,
    Second,
    Other,
}

impl Words<'_> {
    fn add(&mut self, part: Part, words: &str) {
        let between = match (self.last, part) {
            (Part::Nothing, _) => "",
            (Part::Weekday, Part::Date) => ", ",
            (Part::Hour, Part::Minute) | (Part::Minute, Part::Second) => ":",
            _ => " ",
        };
        let _ = write!(self.text, "{between}{words}");
        self.last = part;
    }
}

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn index(number: i32, length: usize) -> usize {
    usize::try_from(number).unwrap_or(0) % length
}

/// Returns a number as an ordinal: `3rd`.
fn nth(number: i32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A moment in the proleptic Gregorian calendar.
struct Calendar {
    year: i64,
    /// 0 is January.
    month: i32,
    day: i32,
    /// 0 is Sunday.
    weekday: i32,
    hour: i32,
    minute: i32,
    second: i32,
}

impl Calendar {
    fn new(epoch: i64, offset: i32) -> Self {
        let local = epoch.saturating_add(offset.into());
        let (days, seconds) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        // Days since 1 March of year 0, in eras of 400 years, so that the leap day comes last in every cycle.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = small((from_march + 2) % 12);
        Self {
            year: era * 400 + year_of_era + i64::from(month < 2),
            month,
            day: small(day_of_year - (153 * from_march + 2) / 5 + 1),
            weekday: small(days + 3).rem_euclid(7),
            hour: small(seconds / 3600),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
        }
    }

    /// Returns the date in figures: `2026-12-03`.
    fn plain_date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month + 1, self.day)
    }

    /// Returns the time in figures: `09:30`.
    fn plain_time(&self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }
}

/// Converts a number of the calendar; all of them are small except the year.
fn small(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn two_digits(number: i32, names: &mut Vec<String>) {
    if number < 10 {
        names.push("digits/oh".into());
    }
    cardinal(number, names);
}

fn twelve_hour(hour: i32) -> i32 {
    match hour % 12 {
        0 => 12,
        hour => hour,
    }
}

/// Returns the sound file of a half of the day, and its word.
fn am_or_pm(hour: i32) -> (&'static str, &'static str) {
    if hour > 11 { ("digits/p-m", "PM") } else { ("digits/a-m", "AM") }
}

#[cfg(test)]
mod tests {
    use super::super::sounds::Sounds;
    use super::*;

    const FORMAT: &str = "ABdY 'digits/at' IMp";

    fn zone(name: &str) -> TimeZone {
        TimeZone::named(name).unwrap()
    }

    fn datetime(epoch: i64, zone: &TimeZone, language: &str, format: &str) -> Spoken {
        let date = SpokenDate { epoch, zone, now: 1_700_000_000, language };
        date.datetime(format, &|sound| sound.trim_start_matches("digits/").to_owned())
    }

    fn names(spoken: &Spoken) -> String {
        spoken.files.join(" ").replace("digits/", "")
    }

    fn milliseconds(spoken: &Spoken) -> u64 {
        let sounds = Sounds::stock();
        spoken.files.iter().map(|name| sounds.find(name, "en").unwrap().samples).sum::<u64>() / 8
    }

    /// A real Asterisk took 5086, 3744 and 9346 ms for these, of which some 5 ms per file were its own work.
    #[test]
    fn lengths_equal_those_of_a_real_asterisk() {
        let date = SpokenDate { epoch: 1_210_498_014, zone: &TimeZone::UTC, now: 0, language: "en" };
        let check = |spoken: &Spoken, expected: &str, length: u64| {
            assert_eq!(names(spoken), expected);
            assert_eq!(milliseconds(spoken), length, "{expected}");
        };
        check(&date.date(), "day-0 mon-4 11 2 thousand 8", 5080);
        check(&date.time(), "9 20 6 a-m", 3740);
        check(&date.datetime(FORMAT, &|_| String::new()), "day-0 mon-4 h-11 2 thousand 8 at 9 20 6 a-m", 9340);
    }

    #[test]
    fn dates_follow_their_format() {
        let say = |epoch, format| names(&datetime(epoch, &TimeZone::UTC, "en", format));
        assert_eq!(say(0, "AdBY T"), "day-4 h-1 mon-0 19 70 oh oclock 0");
        assert_eq!(
            say(951_782_400 + 13 * 3600 + 65, "BdY HMS IMp kN"),
            "mon-1 20 h-9 2 thousand 13 oh 1 oh 5 1 oh 1 p-m 13 oh 1"
        );
        assert_eq!(say(-1, "Y m 'x/y' z"), "19 60 9 h-12 x/y");
        assert_eq!(say(1_700_000_000, "q"), "today");
        assert_eq!(say(1_700_000_000 - 86_400, "Q"), "yesterday");
        assert_eq!(say(1_700_000_000 + 86_400, "Q"), "tomorrow");
        assert_eq!(say(1_700_000_000, "'never closed"), "never closed");
    }

    #[test]
    fn dates_are_shown_as_callers_hear_them() {
        let say = |format| datetime(1_796_286_600, &zone("Europe/Berlin"), "en", format).words;
        assert_eq!(say(FORMAT), "Thursday, December 3rd 2026 at 9:30 AM");
        assert_eq!(say("AdBY"), "Thursday, 3rd December 2026");
        assert_eq!(say("IMp"), "9:30 AM");
        assert_eq!(say("Ip"), "9 AM");
        assert_eq!(say("R"), "09:30");
        assert_eq!(say("kM"), "9:30");
        assert_eq!(say("T"), "09:30:00");
        assert_eq!(say("Q 'digits/at' kM"), "December 3rd 2026 at 9:30");
        assert_eq!(say("M"), "30");
        assert_eq!(say("md"), "12th 3rd");
        assert_eq!(say(""), "");
        let say = |epoch, format| datetime(epoch, &TimeZone::UTC, "en", format).words;
        assert_eq!(say(1_700_000_000, "Q R"), "today 22:13");
        assert_eq!(say(1_700_000_000 + 86_400, "Q"), "tomorrow");
        assert_eq!(say(1_796_292_000, "IMp"), "10:00 AM");
        assert_eq!(say(1_796_292_000, "M"), "o'clock");
        assert_eq!(say(1_796_292_000, "HN"), "10 hundred");
    }

    #[test]
    fn the_zone_decides_which_day_and_hour_it_is() {
        let say = |name| datetime(1_796_340_600, &zone(name), "en", "A IMp").words;
        assert_eq!(say("Europe/Berlin"), "Friday 12:30 AM");
        assert_eq!(say("America/New_York"), "Thursday 6:30 PM");
        let date = SpokenDate { epoch: 1_796_340_600, zone: &zone("Europe/Berlin"), now: 0, language: "en" };
        assert_eq!((date.date().words.as_str(), date.time().words.as_str()), ("Friday, December 4 2026", "12:30 AM"));
    }

    #[test]
    fn in_other_languages_dates_are_shown_in_figures() {
        let say = |format| datetime(1_796_286_600, &zone("Europe/Berlin"), "de", format).words;
        assert_eq!(say("A dBY HMS"), "2026-12-03 09:30:00");
        assert_eq!(say("A 'digits/at' dB"), "2026-12-03");
        assert_eq!(say("'digits/at' kM"), "09:30");
    }

    #[test]
    fn extreme_dates_are_said_somehow() {
        for epoch in [i64::MIN, i64::MAX] {
            for language in ["en", "de"] {
                let _ = datetime(epoch, &zone("Europe/Berlin"), language, "AdBYQIMpkNTRm");
            }
        }
    }
}
