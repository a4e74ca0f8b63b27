//! A caller who follows a plan, such as `presses 2 after 1s, hangs up after 3.5s`, on virtual time.

use super::caller::{Act, Caller, Digit, Hearing};
use super::utterance::Utterance;
use crate::clock::Time;
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The default interval between the keys of one step.
const KEY_INTERVAL: Duration = Duration::from_millis(100);

/// A caller who follows a list of steps. Time is virtual: it passes only in [`Caller::wait`], and costs nothing.
///
/// After the last step the caller stays silently on the line, and hangs up only in a wait without end.
///
/// Commas or `then` separate the steps:
///
/// | step | meaning |
/// |---|---|
/// | `presses 12 after 1s` | two keys 100 ms apart, the first 1 s after the previous step or the start |
/// | `presses 12 every 50ms after 1s` | the same, 50 ms apart |
/// | `presses 2 when menu after 500ms` | 500 ms from the moment the prompt `menu` begins |
/// | `presses 2 when "number 42"` | as soon as the number is spoken; `when` may be followed by `hears` |
/// | `hangs up after 1.5s`, `hangs up when recording after 2s` | |
/// | `says "yes" after 1s` | says it, if the script listens to speech; otherwise it is a text, for RECEIVE TEXT |
/// | `says "yes" heard as "guess" after 1s` | says it, and an engine understands something else |
/// | `says "yes" unsure after 1s` | says it so that an engine is only 30 % sure; this may follow `heard as` |
/// | `says nothing`, or an empty plan | stays silent |
///
/// A step that is due exactly at the end of a wait still happens in that wait.
///
/// ```
/// use agi_rhai::pbx::{Plan, When};
/// use std::time::Duration;
///
/// let plan: Plan = "presses 12# after 1s, then hangs up when vm-goodbye".parse().unwrap();
/// let goodbye = When::Prompt("vm-goodbye".to_owned(), Duration::ZERO);
/// let same = Plan::silent().presses("12#", Duration::from_secs(1)).hangs_up(goodbye);
/// assert_eq!(format!("{plan:?}"), format!("{same:?}"));
///
/// let error = "presses 2 in 1s".parse::<Plan>().unwrap_err();
/// assert_eq!((error.step, error.column), (1, 11));
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    now: Time,
    /// The time of the last act, from which the next `after` counts.
    last: Time,
    steps: VecDeque<Step>,
    /// The last prompt that a `when` has matched, so that each prompt triggers one step only.
    used: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    acts: VecDeque<Act>,
    every: Duration,
    when: When,
    /// Set once the awaited prompt has begun.
    due: Option<Time>,
}

/// When a step is due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// This long after the previous step, or the start.
    After(Duration),
    /// This long after the prompt begins.
    Prompt(String, Duration),
}

impl From<Duration> for When {
    fn from(length: Duration) -> Self {
        Self::After(length)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::silent()
    }
}

impl Plan {
    /// Creates a caller who stays silently on the line.
    #[must_use]
    pub fn silent() -> Self {
        // A round number makes dates in tests easy to read.
        let now = Time::from_unix(1_700_000_000);
        Self { now, last: now, steps: VecDeque::new(), used: 0 }
    }

    /// Parses a plan.
    ///
    /// # Errors
    /// The error names the step that cannot be parsed, and says what was expected.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        Parser::new(text)?.plan()
    }

    /// Sets the time at which the plan starts.
    #[must_use]
    pub fn starting_at(mut self, now: Time) -> Self {
        self.now = now;
        self.last = now;
        self
    }

    /// Adds a step that presses these keys. Letters that aren't keys are left out.
    #[must_use]
    pub fn presses(self, keys: &str, when: impl Into<When>) -> Self {
        self.step(keys.chars().filter_map(Digit::new).map(Act::Key).collect(), when.into())
    }

    /// Adds a step that hangs up.
    #[must_use]
    pub fn hangs_up(self, when: impl Into<When>) -> Self {
        self.step([Act::HangUp].into(), when.into())
    }

    /// Adds a step that says something clearly: to a script that listens, or else as a text for RECEIVE TEXT.
    #[must_use]
    pub fn says(self, text: &str, when: impl Into<When>) -> Self {
        self.step([Act::Says(text.to_owned())].into(), when.into())
    }

    /// Adds a step that says something aloud, which may be misheard.
    #[must_use]
    pub fn speaks(self, utterance: Utterance, when: impl Into<When>) -> Self {
        self.step([Act::Speaks(utterance)].into(), when.into())
    }

    /// Sets the interval between the keys of the last step.
    #[must_use]
    pub fn every(mut self, length: Duration) -> Self {
        if let Some(step) = self.steps.back_mut() {
            step.every = length;
        }
        self
    }

    fn step(mut self, acts: VecDeque<Act>, when: When) -> Self {
        if !acts.is_empty() {
            self.steps.push_back(Step { acts, every: KEY_INTERVAL, when, due: None });
        }
        self
    }

    /// Returns when the next act is due, if that is known while the caller hears this.
    fn due(&mut self, hearing: &Hearing<'_>) -> Option<Time> {
        let (last, used) = (self.last, self.used);
        let step = self.steps.front_mut()?;
        if step.due.is_none() {
            match &step.when {
                When::After(length) => step.due = Some(last + *length),
                When::Prompt(prompt, length) if hearing.prompt > used && hearing.sound.is(prompt) => {
                    self.used = hearing.prompt;
                    step.due = Some(hearing.began + *length);
                }
                When::Prompt(..) => {}
            }
        }
        step.due
    }

    /// Removes the next act from the plan.
    fn act(&mut self) -> Option<Act> {
        let step = self.steps.front_mut()?;
        let act = step.acts.pop_front();
        self.last = self.now;
        step.due = Some(self.now + step.every);
        if step.acts.is_empty() {
            self.steps.pop_front();
        }
        act
    }
}

impl Caller for Plan {
    fn now(&self) -> Time {
        self.now
    }

    fn wait(&mut self, until: Time, hearing: &Hearing<'_>) -> Option<Act> {
        match self.due(hearing) {
            Some(due) if due <= until => {
                self.now = self.now.max(due);
                self.act()
            }
            None if until == Time::NEVER => Some(Act::HangUp),
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        Self::parse(text)
    }
}

/// A plan that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanError {
    /// The step, counted from 1.
    pub step: usize,
    /// The column where the problem begins, in characters from the start of the plan, counted from 1.
    pub column: usize,
    /// The problem.
    pub problem: String,
    /// The syntax that was expected.
    pub expected: &'static str,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}, column {}: {}; expected {}", self.step, self.column, self.problem, self.expected)
    }
}

impl std::error::Error for PlanError {}

/// How sure an engine is of what an `unsure` caller says, in percent.
const UNSURE: u8 = 30;

const A_STEP: &str = "`presses KEYS`, `hangs up`, `says \"text\"` or `says nothing`";
const A_TIME: &str = "`after` and a time, such as `after 1s`";
const A_MOMENT: &str = "`after 1s` or `when PROMPT after 1s`";
const A_LENGTH: &str = "a time such as `500ms`, `1s` or `1.5s`";
const KEYS: &str = "keys from 0123456789*#ABCD";
const A_PROMPT: &str = "the name of a sound file, or what is spoken, such as `number 42`";
const AN_END: &str = "a comma or `then` before the next step";

/// A word of the plan and its column.
#[derive(Clone, Debug)]
struct Word {
    text: String,
    quoted: bool,
    column: usize,
}

struct Parser {
    words: VecDeque<Word>,
    step: usize,
    end: usize,
}

impl Parser {
    fn new(text: &str) -> Result<Self, PlanError> {
        let mut words: VecDeque<Word> = VecDeque::new();
        let mut letters = text.chars().zip(1..).peekable();
        while let Some((letter, column)) = letters.next() {
            if letter == ',' {
                words.push_back(Word { text: ",".into(), quoted: false, column });
            } else if letter == '"' {
                let mut word = String::new();
                loop {
                    match letters.next() {
                        Some(('"', _)) => break,
                        Some((inside, _)) => word.push(inside),
                        None => {
                            let step = 1 + words.iter().filter(|word| is_separator(word)).count();
                            let problem = "the quoted text has no end".into();
                            return Err(PlanError { step, column, problem, expected: "a closing `\"`" });
                        }
                    }
                }
                words.push_back(Word { text: word, quoted: true, column });
            } else if !letter.is_whitespace() {
                let mut word = String::from(letter);
                while let Some((inside, _)) = letters.next_if(|(next, _)| !next.is_whitespace() && *next != ',') {
                    word.push(inside);
                }
                words.push_back(Word { text: word, quoted: false, column });
            }
        }
        Ok(Self { words, step: 1, end: text.chars().count() + 1 })
    }

    fn plan(mut self) -> Result<Plan, PlanError> {
        let mut plan = Plan::silent();
        if self.words.is_empty() {
            return Ok(plan);
        }
        loop {
            plan = self.one_step(plan)?;
            match self.words.pop_front() {
                None => return Ok(plan),
                Some(word) if is_separator(&word) => {
                    // `, then` counts as one separator.
                    if word.text == "," {
                        self.take("then");
                    }
                    self.step += 1;
                }
                Some(word) => return Err(self.not_understood(&word, AN_END)),
            }
        }
    }

    fn one_step(&mut self, plan: Plan) -> Result<Plan, PlanError> {
        let verb = self.word(A_STEP)?;
        match verb.text.as_str() {
            _ if verb.quoted => Err(self.not_understood(&verb, A_STEP)),
            "presses" => {
                let keys = self.word(KEYS)?;
                if let Some(bad) = keys.text.chars().find(|letter| Digit::new(*letter).is_none()) {
                    return Err(self.error(&keys, format!("`{bad}` is not a key"), KEYS));
                }
                let mut every = if self.take("every") { Some(self.length()?) } else { None };
                let after = self.moment()?;
                if every.is_none() && self.take("every") {
                    every = Some(self.length()?);
                }
                Ok(plan.presses(&keys.text, after).every(every.unwrap_or(KEY_INTERVAL)))
            }
            "hangs" => {
                if !self.take("up") {
                    let word = self.word("`hangs up`")?;
                    return Err(self.not_understood(&word, "`hangs up`"));
                }
                Ok(plan.hangs_up(self.moment()?))
            }
            "says" => {
                let text = self.word("a text in quotes, or `nothing`")?;
                if !text.quoted {
                    if text.text == "nothing" {
                        return Ok(plan);
                    }
                    return Err(self.not_understood(&text, "a text in quotes, or `nothing`"));
                }
                let mut utterance = None;
                if self.take("heard") {
                    if !self.take("as") {
                        let word = self.word("`heard as \"text\"`")?;
                        return Err(self.not_understood(&word, "`heard as \"text\"`"));
                    }
                    let heard = self.word("the text that is heard, in quotes")?;
                    if !heard.quoted {
                        return Err(self.not_understood(&heard, "the text that is heard, in quotes"));
                    }
                    utterance = Some(Utterance::misheard(&text.text, &heard.text));
                }
                if self.take("unsure") {
                    let clear = || Utterance::clear(&text.text);
                    utterance = Some(utterance.unwrap_or_else(clear).with_confidence(UNSURE));
                }
                let when = self.moment()?;
                Ok(match utterance {
                    Some(utterance) => plan.speaks(utterance, when),
                    None => plan.says(&text.text, when),
                })
            }
            _ => Err(self.not_understood(&verb, A_STEP)),
        }
    }

    /// Parses `after 1s`, `when PROMPT` or `when PROMPT after 1s`.
    fn moment(&mut self) -> Result<When, PlanError> {
        if self.take("after") {
            return Ok(When::After(self.length()?));
        }
        if !self.take("when") {
            let word = self.word(A_MOMENT)?;
            return Err(self.not_understood(&word, A_MOMENT));
        }
        self.take("hears");
        let mut prompt = String::new();
        while let Some(word) = self.words.front() {
            if !word.quoted && (is_separator(word) || word.text == "after") {
                break;
            }
            if !prompt.is_empty() {
                prompt.push(' ');
            }
            prompt.push_str(&word.text);
            self.words.pop_front();
        }
        if prompt.is_empty() {
            let (column, problem) = self.words.front().map_or((self.end, "the prompt is missing".into()), |word| {
                (word.column, format!("the prompt is missing before `{}`", word.text))
            });
            return Err(PlanError { step: self.step, column, problem, expected: A_PROMPT });
        }
        let length = if self.take("after") { self.length()? } else { Duration::ZERO };
        Ok(When::Prompt(prompt, length))
    }

    fn length(&mut self) -> Result<Duration, PlanError> {
        let word = self.word(A_LENGTH)?;
        duration(&word.text).ok_or_else(|| self.not_understood(&word, A_LENGTH))
    }

    fn word(&mut self, expected: &'static str) -> Result<Word, PlanError> {
        let (step, column) = (self.step, self.end);
        self.words.pop_front().ok_or_else(|| PlanError { step, column, problem: "the plan ends here".into(), expected })
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.words.front().is_some_and(|word| !word.quoted && word.text == text);
        if found {
            self.words.pop_front();
        }
        found
    }

    fn not_understood(&self, word: &Word, expected: &'static str) -> PlanError {
        // A time without `after` is the most common mistake.
        let expected = if expected == A_MOMENT && duration(&word.text).is_some() { A_TIME } else { expected };
        self.error(word, format!("`{}` is not understood", word.text), expected)
    }

    fn error(&self, word: &Word, problem: String, expected: &'static str) -> PlanError {
        PlanError { step: self.step, column: word.column, problem, expected }
    }
}

fn is_separator(word: &Word) -> bool {
    !word.quoted && matches!(word.text.as_str(), "," | "then")
}

/// Parses `500ms`, `1s` or `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * unit;
    // Rounded to microseconds: 0.1 s wouldn't be 100 ms otherwise.
    Duration::try_from_secs_f64((seconds * 1e6).round() / 1e6).ok()
}

#[cfg(test)]
mod tests {
    use super::super::caller::Sound;
    use super::*;

    /// Compares what the caller does within 20 s while `prompts` (name, starting second) are played one after the
    /// other.
    fn check(plan: &str, prompts: &[(&str, u64)], expected: &str) {
        let mut plan = match Plan::parse(plan) {
            Ok(plan) => plan,
            Err(error) => return assert_eq!(error.to_string(), expected),
        };
        let start = plan.now();
        let mut acts = Vec::new();
        let mut scenes = vec![(Sound::Silence, start)];
        scenes.extend(prompts.iter().map(|(name, at)| (Sound::File(name), start + Duration::from_secs(*at))));
        for (number, (sound, began)) in scenes.iter().enumerate() {
            let until = scenes.get(number + 1).map_or(start + Duration::from_secs(20), |next| next.1);
            let hearing = Hearing {
                sound: *sound,
                prompt: number as u64,
                began: *began,
                listening: true,
                speech: false,
                language: "en",
            };
            while let Some(act) = plan.wait(until, &hearing) {
                let at = (plan.now() - start).as_millis();
                acts.push(match act {
                    Act::Key(digit) => format!("{digit} at {at}"),
                    Act::HangUp => format!("hangup at {at}"),
                    Act::Says(text) => format!("{text:?} at {at}"),
                    Act::Speaks(Utterance { heard, confidence, .. }) => format!("{heard:?} {confidence} % at {at}"),
                    Act::Wakeup => format!("woken at {at}"),
                });
            }
        }
        assert_eq!(acts.join(", "), expected);
    }

    #[test]
    fn steps_count_from_the_step_before() {
        check("presses 2 after 1s, hangs up after 3.5s", &[], "2 at 1000, hangup at 4500");
        check(
            "presses 12# every 50ms after 500ms then says \"hi, then\" after 1s",
            &[],
            "1 at 500, 2 at 550, # at 600, \"hi, then\" at 1600",
        );
        check("presses 12 after 0.1s", &[], "1 at 100, 2 at 200");
        check("", &[], "");
        check("says nothing", &[], "");
        check(
            "says \"yes\" heard as \"guess\" after 1s, says \"no\" unsure after 1s, says \"a\" heard as \"b\" unsure after 1s",
            &[],
            "\"guess\" 100 % at 1000, \"no\" 30 % at 2000, \"b\" 30 % at 3000",
        );
        check(
            "says \"yes\" heard \"guess\" after 1s",
            &[],
            "step 1, column 18: `guess` is not understood; expected `heard as \"text\"`",
        );
    }

    #[test]
    fn steps_may_wait_for_a_prompt() {
        check("presses 2 when menu after 500ms", &[("menu", 3)], "2 at 3500");
        check(
            "presses 1 when hears menu, presses 2 when menu",
            &[("menu", 3), ("x", 4), ("menu", 5)],
            "1 at 3000, 2 at 5000",
        );
        check(
            "presses 9 after 1s, then hangs up when menu after 9s",
            &[("menu", 3), ("x", 4)],
            "9 at 1000, hangup at 12000",
        );
        check("hangs up when other", &[("menu", 3)], "");
    }

    #[test]
    fn errors_say_what_was_expected() {
        check(
            "presses 2 after 1",
            &[],
            "step 1, column 17: `1` is not understood; expected a time such as `500ms`, `1s` or `1.5s`",
        );
        check(
            "presses 2 1s",
            &[],
            "step 1, column 11: `1s` is not understood; expected `after` and a time, such as `after 1s`",
        );
        check("presses 2x after 1s", &[], "step 1, column 9: `x` is not a key; expected keys from 0123456789*#ABCD");
        check(
            "hangs up after 1s,\nwaits",
            &[],
            "step 2, column 20: `waits` is not understood; expected `presses KEYS`, `hangs up`, `says \"text\"` or `says nothing`",
        );
        check("presses 2", &[], "step 1, column 10: the plan ends here; expected `after 1s` or `when PROMPT after 1s`");
        check(
            "hangs up when after 1s",
            &[],
            "step 1, column 15: the prompt is missing before `after`; expected the name of a sound file, or what is spoken, such as `number 42`",
        );
        check("says \"x", &[], "step 1, column 6: the quoted text has no end; expected a closing `\"`");
        check(
            "presses 1 after 1s presses 2 after 1s",
            &[],
            "step 1, column 20: `presses` is not understood; expected a comma or `then` before the next step",
        );
    }

    #[test]
    fn an_endless_wait_ends_in_a_hangup() {
        let mut plan = Plan::silent().presses("1", Duration::from_secs(1));
        let hearing = Hearing {
            sound: Sound::Silence,
            prompt: 0,
            began: plan.now(),
            listening: false,
            speech: false,
            language: "en",
        };
        assert_eq!(plan.wait(Time::NEVER, &hearing), Some(Act::Key(Digit::new('1').unwrap())));
        assert_eq!(plan.wait(Time::NEVER, &hearing), Some(Act::HangUp));
    }
}
