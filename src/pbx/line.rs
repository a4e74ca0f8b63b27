//! The commands about the line itself: answering, hanging up, its status, texts.

use super::channel::{Channel, WaitEvent};
use super::channel_state::ChannelState;
use std::time::Duration;

/// The commands about the line itself.
impl Channel {
    /// ANSWER. Returns false for -1.
    pub fn answer(&mut self) -> bool {
        if self.state == ChannelState::Up {
            return true;
        }
        if self.dead {
            return false;
        }
        self.state = ChannelState::Up;
        self.answered = Some(self.now());
        self.answer_delay.is_zero() || self.idle(self.now() + self.answer_delay)
    }

    /// CHANNEL STATUS of this or another channel; `None` for an unknown one.
    #[must_use]
    pub fn channel_status(&self, channel: Option<&str>) -> Option<ChannelState> {
        match channel {
            None => Some(self.state),
            Some(name) if name.eq_ignore_ascii_case(self.name()) => Some(self.state),
            Some(name) => self.other(name).map(|(_, state)| *state),
        }
    }

    /// HANGUP of this or another channel. Returns false for an unknown one.
    pub fn hangup(&mut self, channel: Option<&str>) -> bool {
        match channel {
            Some(name) if !name.eq_ignore_ascii_case(self.name()) => {
                let Some((name, _)) = self.other(name) else { return false };
                let name = name.clone();
                self.channels.remove(&name);
            }
            _ => {
                self.die();
            }
        }
        true
    }

    fn other(&self, name: &str) -> Option<(&String, &ChannelState)> {
        self.channels.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// SET AUTOHANGUP, in seconds from now; 0 or less cancels it.
    pub fn set_autohangup(&mut self, seconds: f64) {
        let length = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        self.hangup_at = (!length.is_zero()).then(|| self.now() + length);
    }

    /// SET MUSIC.
    pub fn set_music(&mut self, on: bool, class: Option<&str>) {
        self.music = on.then(|| class.filter(|class| !class.is_empty()).unwrap_or(&self.music_class).to_owned());
    }

    /// RECEIVE CHAR: the first byte of a text; 0 if the text is empty; `None` if no text came in time.
    pub fn receive_char(&mut self, milliseconds: i64) -> Option<u8> {
        self.receive_text(milliseconds).map(|text| text.bytes().next().unwrap_or(0))
    }

    /// RECEIVE TEXT. A negative time waits forever; 0 gives up at once.
    pub fn receive_text(&mut self, milliseconds: i64) -> Option<String> {
        if milliseconds == 0 {
            return None;
        }
        let until = self.deadline(milliseconds);
        self.next_prompt();
        loop {
            match self.hear_silence(until, false) {
                WaitEvent::Text(text) => return Some(text),
                WaitEvent::HungUp | WaitEvent::TimeUp => return None,
                WaitEvent::Key(_) | WaitEvent::Speech(_) => {}
            }
        }
    }

    /// SEND TEXT. Returns false for -1, if the line carries no text.
    pub fn send_text(&mut self, text: &str) -> bool {
        if text.is_empty() {
            return true;
        }
        let sent = self.carries_text && !self.dead;
        if sent {
            self.sent_text.push(text.to_owned());
        }
        sent
    }

    /// SEND IMAGE. Returns false for -1. It succeeds on any live channel, even where no image can be shown.
    #[must_use]
    pub fn send_image(&self, _name: &str) -> bool {
        !self.dead
    }

    /// TDD MODE. Returns whether the line is capable of it.
    #[must_use]
    pub fn tdd_mode(&self, _mode: &str) -> bool {
        self.has_tdd
    }
}

#[cfg(test)]
mod tests {
    use super::super::channel::tests::check;
    use super::super::incoming_call::IncomingCall;
    use super::super::plan::Plan;
    use super::*;

    #[test]
    fn texts_are_received() {
        check("says \"hé\" after 1s", |c| format!("{:?}", c.receive_text(2000)), "Some(\"hé\") at 1000");
        check("presses 1 after 1s", |c| format!("{:?}", c.receive_text(2000)), "None at 2000");
        check("says \"h\" after 0s", |c| format!("{:?}", c.receive_text(0)), "None at 0");
        check("says \"\" after 1s", |c| format!("{:?}", c.receive_char(-1)), "Some(0) at 1000");
        check("hangs up after 1s", |c| format!("{:?}", c.receive_char(-1)), "None at 1000 dead");
    }

    #[test]
    fn channels_have_a_status() {
        let mut channel = Channel::new(IncomingCall::default(), Box::new(Plan::silent()))
            .with_channel("SIP/x", ChannelState::Ringing);
        assert_eq!(channel.channel_status(None).unwrap().number(), 4);
        assert!(channel.answer());
        assert_eq!(channel.channel_status(Some("PJSIP/100-00000001")).unwrap().number(), 6);
        assert_eq!(channel.channel_status(Some("SIP/x")), Some(ChannelState::Ringing));
        assert!(channel.hangup(Some("SIP/x")) && !channel.hangup(Some("SIP/x")) && !channel.is_dead());
        assert_eq!(channel.channel_status(Some("SIP/x")), None);
        assert!(channel.hangup(None) && channel.is_dead());
    }
}
