//! The state of a call, which the test shares with the call.

use super::expectation::FailedExpectation;
use super::prompt::{Prompt, matches, prompt_name};
use crate::clock::Time;
use crate::pbx::{Act, Channel, Hearing, Sound};
use crate::script::{Fault, short};
use crate::transport::{Answer, Request};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

/// Silence up to this length, in which the script listens, is a gap in a question and not yet the question itself. A
/// script that waits for one key after the other, for a short time each, asks once this has passed.
const MAX_GAP: Duration = Duration::from_millis(300);

/// After this many commands and requests in a row that take no time, the script counts as being in an endless loop.
const MAX_COMMANDS_AT_ONCE: u64 = 10_000;

/// The maximum length of what a report shows of a request and of its answer.
const MAX_REQUEST: usize = 120;

/// How far a call runs before it is the test's turn again.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// To its first wait, or until all planned actions are done.
    Actions,
    /// To this moment.
    Moment(Time),
    /// Until a prompt like this one begins, or any prompt, after the first `after` prompts.
    Prompt { after: usize, like: Option<String> },
    /// Until it asks: it listens for keys in silence, and not only for a moment.
    Question,
    /// To its end.
    End,
}

/// Something the caller did.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub act: Act,
    pub at: Time,
    pub order: usize,
    /// Why it had no effect, if it had none.
    pub lost: Option<String>,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct CallEnd {
    /// The word of `AGI_RHAI_STATUS`.
    pub status: &'static str,
    /// The fault of the script or of its `on_hangup`, if there was one.
    pub fault: Option<Box<Fault>>,
}

/// A line of the script's log.
#[derive(Clone, Debug)]
pub(super) struct LogLine {
    pub text: String,
    pub at: Time,
    pub order: usize,
}

/// The command that a script is in, or was in last.
#[derive(Clone, Debug, Default)]
pub(super) struct CurrentCommand {
    /// Its function, or `listen`.
    pub function: &'static str,
    pub script: String,
    pub line: usize,
    /// Whether it has yet to be answered.
    pub pending: bool,
    /// The keys to which it listens; `None` if it has no such list.
    pub keys: Option<String>,
}

/// The state of a call.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct LineState {
    /// Whether the test has given up the call.
    pub abandoned: bool,
    pub goal: Goal,
    /// When the test stops waiting for the goal.
    pub until: Time,
    /// The actions that the caller is going to do, and when.
    pub planned: VecDeque<(Time, Act)>,
    pub now: Time,
    pub began: Time,
    pub heard: Vec<Prompt>,
    pub actions: Vec<Action>,
    pub log: Vec<LogLine>,
    /// What was asked of services, with the answers.
    pub requests: Vec<LogLine>,
    pub command: CurrentCommand,
    /// Whether the script listens for keys or speech in silence, as after the last part of a question.
    pub is_listening: bool,
    /// Whether it listens to speech.
    pub hears_speech: bool,
    /// Since when it has listened in silence.
    listening_since: Option<Time>,
    /// Whether only the caller could end the script's wait.
    pub waits_forever: bool,
    /// Whether the script sends commands endlessly.
    pub is_runaway: bool,
    /// How many commands have been sent since time last passed.
    pub commands_at_once: u64,
    pub ended: Option<CallEnd>,
    pub ended_at: Time,
    /// The channel as it was when its last command had been done.
    pub channel: Option<Channel>,
    /// What failed in a function of the test that stood in for something.
    pub failed_in_stand_in: Option<FailedExpectation>,
    pub recordings: BTreeMap<String, u64>,
    /// The number of the last prompt, and whether it was music.
    prompt: (u64, bool),
    /// The action whose effect shows at the next wait.
    undecided: Option<Undecided>,
    events: usize,
}

/// An action that was ignored if the wait in which it came goes on.
#[derive(Debug)]
struct Undecided {
    /// Its index among the actions.
    action: usize,
    /// The prompt and the end of the wait in which it came.
    prompt: u64,
    until: Time,
    why_ignored: String,
}

impl LineState {
    pub fn new(now: Time) -> Self {
        Self {
            abandoned: false,
            goal: Goal::Actions,
            until: Time::NEVER,
            planned: VecDeque::new(),
            now,
            began: now,
            heard: Vec::new(),
            actions: Vec::new(),
            log: Vec::new(),
            requests: Vec::new(),
            command: CurrentCommand::default(),
            is_listening: false,
            hears_speech: false,
            listening_since: None,
            waits_forever: false,
            is_runaway: false,
            commands_at_once: 0,
            ended: None,
            ended_at: now,
            channel: None,
            failed_in_stand_in: None,
            recordings: BTreeMap::new(),
            prompt: (0, false),
            undecided: None,
            events: 0,
        }
    }

    /// Returns the number of the next event.
    fn event(&mut self) -> usize {
        self.events += 1;
        self.events
    }

    /// Lets time pass up to this moment.
    pub fn advance(&mut self, to: Time) {
        if to > self.now {
            self.now = to;
            self.commands_at_once = 0;
        }
    }

    /// Shows the channel to the test, as it is now.
    pub fn show(&mut self, channel: &Channel) {
        self.channel = Some(channel.snapshot(self.now));
        if self.recordings.len() != channel.recordings().len() {
            self.recordings.clone_from(channel.recordings());
        }
    }

    /// Records what the caller does.
    pub fn record_action(&mut self, act: Act, lost: Option<String>) {
        let (at, order) = (self.now, self.event());
        self.actions.push(Action { act, at, order, lost });
    }

    /// Records a line of the script's log.
    pub fn record_log(&mut self, text: String) {
        let (at, order) = (self.now, self.event());
        self.log.push(LogLine { text, at, order });
    }

    /// Counts a command or a request. Returns whether the script may go on.
    pub fn may_go_on(&mut self) -> bool {
        self.commands_at_once += 1;
        self.is_runaway |= self.commands_at_once > MAX_COMMANDS_AT_ONCE;
        !self.is_runaway
    }

    /// Records what the script asks of a service, and the answer.
    pub fn record_request(&mut self, request: &Request, answer: &Answer) {
        let answer = match answer {
            Ok(value) => short(value, MAX_REQUEST),
            Err(failure) => format!("{}: {failure}", failure.kind.word()),
        };
        let (at, order) = (self.now, self.event());
        self.requests.push(LogLine { text: format!("{}  ->  {answer}", short(request, MAX_REQUEST)), at, order });
    }

    /// Records what the caller hears now.
    pub fn hear(&mut self, until: Time, hearing: &Hearing<'_>) {
        // A key that ended nothing was ignored: the same wait goes on.
        if let Some(undecided) = self.undecided.take()
            && undecided.prompt == hearing.prompt
            && undecided.until == until
            && let Some(action) = self.actions.get_mut(undecided.action)
        {
            action.lost = Some(undecided.why_ignored);
        }
        self.notice_question(until, hearing);
        if hearing.prompt == self.prompt.0 {
            return;
        }
        let was_music = self.prompt.1;
        let is_music = matches!(hearing.sound, Sound::Music(_));
        self.prompt = (hearing.prompt, is_music);
        // Music continues through many waits.
        if is_music && was_music {
            return;
        }
        if let Some(text) = prompt_name(&hearing.sound) {
            let order = self.event();
            let spoken = if let Sound::Spoken(spoken) = hearing.sound { Some(spoken.clone()) } else { None };
            let language = hearing.language.to_owned();
            self.heard.push(Prompt { text, spoken, language, at: hearing.began, order });
        }
    }

    /// Notices whether the script asks. It listens in silence between the parts of a question, too, and while it drops
    /// what was typed ahead, but only for a moment.
    fn notice_question(&mut self, until: Time, hearing: &Hearing<'_>) {
        let silent = matches!(hearing.sound, Sound::Silence | Sound::Music(_));
        self.hears_speech = hearing.speech;
        if !((hearing.listening || hearing.speech) && silent) {
            self.is_listening = false;
            // A poll, which takes no time, interrupts nothing.
            if until > self.now {
                self.listening_since = None;
            }
            return;
        }
        let since = *self.listening_since.get_or_insert(self.now);
        self.is_listening = until - since > MAX_GAP;
    }

    pub fn has_reached_goal(&self) -> bool {
        match &self.goal {
            Goal::Actions => true,
            Goal::Moment(moment) => self.now >= *moment,
            Goal::Prompt { after, like } => {
                let mut new = self.heard.iter().skip(*after);
                new.any(|prompt| like.as_ref().is_none_or(|like| matches(prompt, like)))
            }
            Goal::Question => self.is_listening,
            Goal::End => false,
        }
    }

    /// Performs an action that is due now, in a wait that lasts until this moment.
    pub fn perform_now(&mut self, act: &Act, until: Time, hearing: &Hearing<'_>) {
        let why_ignored = match act {
            Act::Says(_) => "the script wasn't waiting for a text".to_owned(),
            Act::Speaks(_) => self.why_unheard(hearing),
            _ => self.why_ignored(hearing),
        };
        self.undecided = Some(Undecided { action: self.actions.len(), prompt: hearing.prompt, until, why_ignored });
        self.record_action(act.clone(), None);
    }

    /// Returns why something said now would be ignored.
    fn why_unheard(&self, hearing: &Hearing<'_>) -> String {
        let command = &self.command;
        match (&hearing.sound, prompt_name(&hearing.sound)) {
            (Sound::Silence, _) if !command.pending => "the script was sleeping, not listening".to_owned(),
            (Sound::Silence, _) if hearing.listening => format!("`{}` listened to keys only", command.function),
            (Sound::Silence, _) => format!("`{}` didn't listen", command.function),
            (Sound::Recording(_), _) => "the script was recording, not listening".to_owned(),
            (_, Some(name)) => format!("{name} was playing, and the script didn't listen to speech"),
            (_, None) => "the script wasn't listening".to_owned(),
        }
    }

    /// Returns why a key pressed now would be ignored.
    fn why_ignored(&self, hearing: &Hearing<'_>) -> String {
        let command = &self.command;
        let listens = match (&command.keys, command.pending && hearing.listening) {
            (Some(keys), true) if !keys.is_empty() => format!("listened only to {}", listed(keys)),
            _ => "listened to no keys".to_owned(),
        };
        match (&hearing.sound, prompt_name(&hearing.sound)) {
            (Sound::Recording(_), _) => format!("the script was recording, and {listens}"),
            (Sound::Silence, _) if !command.pending => "the script was sleeping, not listening".to_owned(),
            (Sound::Silence, _) => format!("`{}` {listens}", command.function),
            (_, Some(name)) => format!("{name} was playing, and the script {listens}"),
            (_, None) => "the script wasn't listening".to_owned(),
        }
    }
}

/// Lists keys: `1, 2 and #`.
fn listed(keys: &str) -> String {
    let mut text = String::new();
    let count = keys.chars().count();
    for (number, key) in keys.chars().enumerate() {
        let _ = match (number, count - number) {
            (0, _) => write!(text, "{key}"),
            (_, 1) => write!(text, " and {key}"),
            _ => write!(text, ", {key}"),
        };
    }
    text
}
