//! English as Asterisk speaks it: the sound files of numbers, texts and dates. All languages use it.

/// The letters that SAY ALPHA announces as `uppercase` or `lowercase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SayCase {
    /// None.
    #[default]
    None,
    /// Lower-case ones.
    Lower,
    /// Upper-case ones.
    Upper,
    /// Both.
    All,
}

impl SayCase {
    /// Parses the word of SAY ALPHA, of which only the first letter counts: `a`, `l`, `n` or `u`. An empty word means
    /// `n`; anything else is a usage error.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word.bytes().next().map(|byte| byte.to_ascii_lowercase()) {
            None | Some(b'n') => Some(Self::None),
            Some(b'a') => Some(Self::All),
            Some(b'l') => Some(Self::Lower),
            Some(b'u') => Some(Self::Upper),
            Some(_) => None,
        }
    }
}

/// Whether a sound file of this name exists. Spelling leaves out characters without one.
pub(super) type Exists<'a> = &'a dyn Fn(&str) -> bool;

/// Returns the sound files of a spoken text, as far as its kind and text determine them.
pub(super) fn files(kind: &str, text: &str) -> Vec<String> {
    let exists: Exists<'_> = &|_| true;
    let epoch = || text.parse::<i64>();
    match kind {
        "number" => text.parse().map(number).unwrap_or_default(),
        "digits" => digits(text, exists),
        "alpha" => alpha(text, SayCase::None, exists),
        "phonetic" => phonetic(text, exists),
        "date" => epoch().map(|epoch| date(epoch, 0)).unwrap_or_default(),
        "time" => epoch().map(|epoch| time(epoch, 0)).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// A cardinal number. `i32::MAX` is too large for Asterisk, which then says nothing.
pub(super) fn number(number: i32) -> Vec<String> {
    let mut names = Vec::new();
    cardinal(number, &mut names);
    names
}

fn cardinal(mut number: i32, names: &mut Vec<String>) {
    if number == 0 {
        return names.push("digits/0".into());
    }
    if number < 0 {
        names.push("digits/minus".into());
        match number.checked_neg() {
            Some(positive) => number = positive,
            None => return,
        }
    }
    if number == i32::MAX {
        return;
    }
    for (unit, name) in [(1_000_000_000, "digits/billion"), (1_000_000, "digits/million"), (1000, "digits/thousand")] {
        if number >= unit {
            cardinal(number / unit, names);
            names.push(name.into());
            number %= unit;
        }
    }
    if number >= 100 {
        names.push(format!("digits/{}", number / 100));
        names.push("digits/hundred".into());
        number %= 100;
    }
    if number >= 20 {
        names.push(format!("digits/{}", number / 10 * 10));
        number %= 10;
    }
    if number > 0 {
        names.push(format!("digits/{number}"));
    }
}

/// An ordinal number below a hundred: days and months.
fn ordinal(number: i32, names: &mut Vec<String>) {
    if number >= 20 && number % 10 != 0 {
        names.push(format!("digits/{}", number / 10 * 10));
        names.push(format!("digits/h-{}", number % 10));
    } else if number > 0 {
        names.push(format!("digits/h-{number}"));
    }
}

/// SAY DIGITS.
pub(super) fn digits(text: &str, exists: Exists<'_>) -> Vec<String> {
    let name = |letter| match letter {
        '*' => Some("digits/star".to_owned()),
        '#' => Some("digits/pound".to_owned()),
        '-' => Some("digits/minus".to_owned()),
        '0'..='9' => Some(format!("digits/{letter}")),
        _ => None,
    };
    text.chars().filter_map(name).filter(|name| exists(name)).collect()
}

/// Returns the sound file of a sign, which SAY ALPHA and SAY PHONETIC say alike.
fn sign(letter: char) -> Option<&'static str> {
    Some(match letter {
        '*' => "digits/star",
        '#' => "digits/pound",
        '!' => "letters/exclaimation-point",
        '@' => "letters/at",
        '$' => "letters/dollar",
        '-' => "letters/dash",
        '.' => "letters/dot",
        '=' => "letters/equals",
        '+' => "letters/plus",
        '/' => "letters/slash",
        ' ' => "letters/space",
        _ => return None,
    })
}

/// SAY ALPHA.
pub(super) fn alpha(text: &str, case: SayCase, exists: Exists<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for letter in text.chars() {
        let mut say = |name: String| {
            let code = format!("letters/ascii{}", u32::from(letter));
            if exists(&name) {
                names.push(name);
            } else if exists(&code) {
                names.push(code);
            }
        };
        if letter.is_ascii_uppercase() && matches!(case, SayCase::Upper | SayCase::All) {
            say("uppercase".into());
        } else if letter.is_ascii_lowercase() && matches!(case, SayCase::Lower | SayCase::All) {
            say("lowercase".into());
        }
        say(match sign(letter) {
            Some(name) => name.into(),
            None if letter.is_ascii_digit() => format!("digits/{letter}"),
            None => format!("letters/{}", letter.to_ascii_lowercase()),
        });
    }
    names
}

/// SAY PHONETIC. Asterisk has a recording of its own for nine.
pub(super) fn phonetic(text: &str, exists: Exists<'_>) -> Vec<String> {
    let name = |letter: char| match sign(letter) {
        Some(name) => name.to_owned(),
        None if matches!(letter, '0'..='8') => format!("digits/{letter}"),
        None => format!("phonetic/{}_p", letter.to_ascii_lowercase()),
    };
    text.chars().map(name).filter(|name| exists(name)).collect()
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
}

/// Converts a number of the calendar; all of them are small except the year.
fn small(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// SAY DATE, in a time zone this many seconds east of Greenwich.
pub(super) fn date(epoch: i64, offset: i32) -> Vec<String> {
    let when = Calendar::new(epoch, offset);
    let mut names = vec![format!("digits/day-{}", when.weekday), format!("digits/mon-{}", when.month)];
    cardinal(when.day, &mut names);
    cardinal(small(when.year), &mut names);
    names
}

/// SAY TIME.
pub(super) fn time(epoch: i64, offset: i32) -> Vec<String> {
    let when = Calendar::new(epoch, offset);
    let mut names = Vec::new();
    cardinal(twelve_hour(when.hour), &mut names);
    match when.minute {
        0 => names.push("digits/oclock".into()),
        minute => {
            if minute < 10 {
                names.push("digits/oh".into());
            }
            cardinal(minute, &mut names);
        }
    }
    names.push(am_or_pm(when.hour).into());
    names
}

fn twelve_hour(hour: i32) -> i32 {
    match hour % 12 {
        0 => 12,
        hour => hour,
    }
}

fn am_or_pm(hour: i32) -> &'static str {
    if hour > 11 { "digits/p-m" } else { "digits/a-m" }
}

/// SAY DATETIME. `Q` and `q` compare with `now`. As in Asterisk, unknown letters are ignored.
pub(super) fn datetime(epoch: i64, offset: i32, format: &str, now: i64) -> Vec<String> {
    let mut names = Vec::new();
    formatted(epoch, offset, format, now, &mut names);
    names
}

fn formatted(epoch: i64, offset: i32, format: &str, now: i64, names: &mut Vec<String>) {
    let when = Calendar::new(epoch, offset);
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
            'P' | 'p' => names.push(am_or_pm(when.hour).into()),
            'Q' | 'q' => match relative(epoch, offset, now) {
                Ok(name) => names.push(name.into()),
                Err(format) => formatted(epoch, offset, format, now, names),
            },
            'R' => formatted(epoch, offset, "HM", now, names),
            'T' => formatted(epoch, offset, "HMS", now, names),
            _ => {}
        }
    }
}

fn two_digits(number: i32, names: &mut Vec<String>) {
    if number < 10 {
        names.push("digits/oh".into());
    }
    cardinal(number, names);
}

/// Returns the sound of a day close to today, or else the format in which to say it.
fn relative(epoch: i64, offset: i32, now: i64) -> Result<&'static str, &'static str> {
    const DAY: i64 = 86_400;
    const MONTH: i64 = 2_628_000;
    let today = now.saturating_sub(now.saturating_add(offset.into()).rem_euclid(DAY));
    match epoch.saturating_sub(today) {
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

#[cfg(test)]
mod tests {
    use super::super::sounds::Sounds;
    use super::*;

    /// Compares the names, without `digits/`, and their total length in milliseconds with the stock sounds.
    fn check(names: &[String], expected: &str, milliseconds: u64) {
        let sounds = Sounds::stock();
        let text: Vec<_> = names.iter().map(|name| name.strip_prefix("digits/").unwrap_or(name)).collect();
        assert_eq!(text.join(" "), expected);
        let samples: u64 = names.iter().map(|name| sounds.find(name, "en").unwrap().samples).sum();
        assert_eq!(samples / 8, milliseconds, "{expected}");
    }

    fn names(names: &[String]) -> String {
        names.join(" ").replace("digits/", "")
    }

    /// A real Asterisk took 1726, 1743, 5086, 3744 and 9346 ms for these, of which some 5 ms per file were its own
    /// work.
    #[test]
    fn lengths_equal_those_of_a_real_asterisk() {
        check(&number(42), "40 2", 1720);
        check(&number(-5), "minus 5", 1740);
        check(&date(1_210_498_014, 0), "day-0 mon-4 11 2 thousand 8", 5080);
        check(&time(1_210_498_014, 0), "9 20 6 a-m", 3740);
        let format = "ABdY 'digits/at' IMp";
        check(&datetime(1_210_498_014, 0, format, 0), "day-0 mon-4 h-11 2 thousand 8 at 9 20 6 a-m", 9340);
        let stock = Sounds::stock();
        let exists = |name: &str| stock.find(name, "en").is_some();
        check(&digits("123", &exists), "1 2 3", 2520);
        check(&alpha("abc", SayCase::None, &exists), "letters/a letters/b letters/c", 2260);
        check(&phonetic("ab", &exists), "phonetic/a_p phonetic/b_p", 1800);
    }

    #[test]
    fn numbers_are_spoken_as_cardinals() {
        let say = |n| names(&number(n));
        assert_eq!(say(0), "0");
        assert_eq!(say(19), "19");
        assert_eq!(say(100), "1 hundred");
        assert_eq!(say(-1_234_567), "minus 1 million 2 hundred 30 4 thousand 5 hundred 60 7");
        assert_eq!(say(2_000_000_000), "2 billion");
        assert_eq!(say(i32::MAX), "");
        assert_eq!(say(i32::MIN), "minus");
    }

    #[test]
    fn spelling_leaves_out_what_has_no_sound() {
        let stock = Sounds::stock();
        let exists = |name: &str| stock.find(name, "en").is_some();
        assert_eq!(names(&digits("-1x*#", &exists)), "minus 1 star pound");
        assert_eq!(names(&phonetic("9Z8é", &exists)), "phonetic/9_p phonetic/z_p 8");
        let any = |_: &str| true;
        assert_eq!(names(&alpha("aB1", SayCase::All, &any)), "lowercase letters/a uppercase letters/b 1");
        assert_eq!(names(&alpha("aB", SayCase::Upper, &any)), "letters/a uppercase letters/b");
    }

    #[test]
    fn dates_follow_their_format() {
        let say = |epoch, format| names(&datetime(epoch, 0, format, 1_700_000_000));
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
        assert_eq!(names(&time(1_700_000_000, 3600)), "11 13 p-m");
        for extreme in [i64::MIN, i64::MAX] {
            let _ = datetime(extreme, i32::MAX, "AdBYQIMpkNTRm", extreme);
        }
    }
}
