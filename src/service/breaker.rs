//! A circuit breaker: after several failures in a row, requests fail at once for a while.

use crate::clock::Time;
use std::time::Duration;

/// After this many failures in a row, further requests fail at once.
pub(super) const FAILURES_TO_OPEN: u32 = 5;
/// How long they do so before one tries again.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(5);

/// Whether requests may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    /// They are sent. So many have failed in a row.
    Closed(u32),
    /// They fail at once. At this time, one may try.
    Open(Time),
    /// One tries, the others fail at once.
    Trying,
}

/// What a request tells about its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answered.
    Answers,
    /// It didn't.
    Fails,
    /// Nothing: the request wasn't sent, or given up by the caller.
    Nothing,
}

/// A change worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// From now on, requests fail at once.
    Opened,
    /// The service answers again.
    Closed,
}

impl Breaker {
    /// Returns when a request may try; `None` if it may now. This changes nothing.
    pub fn opens_at(self, now: Time) -> Option<Time> {
        match self {
            Self::Open(until) if now < until => Some(until),
            // The one that tries may have an answer at any moment.
            Self::Trying => Some(now),
            _ => None,
        }
    }

    /// Begins a request that may try, and returns whether it is the one that tries.
    pub fn begin(&mut self) -> bool {
        let tries = matches!(self, Self::Open(_));
        if tries {
            *self = Self::Trying;
        }
        tries
    }

    /// Learns from a request.
    pub fn learn(&mut self, verdict: Verdict, tried: bool, now: Time) -> Option<Turn> {
        match (verdict, *self) {
            (Verdict::Answers, before) => {
                *self = Self::Closed(0);
                (!matches!(before, Self::Closed(_))).then_some(Turn::Closed)
            }
            (Verdict::Fails, Self::Closed(failures)) if failures + 1 >= FAILURES_TO_OPEN => {
                *self = Self::Open(now + OPEN_FOR);
                Some(Turn::Opened)
            }
            (Verdict::Fails, Self::Closed(failures)) => {
                *self = Self::Closed(failures + 1);
                None
            }
            (Verdict::Fails, Self::Trying) if tried => {
                *self = Self::Open(now + OPEN_FOR);
                None
            }
            (Verdict::Nothing, Self::Trying) if tried => {
                // The next one tries in its stead.
                *self = Self::Open(now);
                None
            }
            // From before it opened.
            (Verdict::Fails | Verdict::Nothing, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_000);

    fn opened() -> Breaker {
        let mut breaker = Breaker::Closed(0);
        for _ in 1..FAILURES_TO_OPEN {
            assert_eq!(breaker.learn(Verdict::Fails, false, NOW), None);
            assert_eq!(breaker.opens_at(NOW), None);
        }
        assert_eq!(breaker.learn(Verdict::Fails, false, NOW), Some(Turn::Opened));
        breaker
    }

    #[test]
    fn failures_open_it_only_in_a_row() {
        let mut breaker = Breaker::Closed(0);
        for _ in 0..100 {
            for _ in 1..FAILURES_TO_OPEN {
                breaker.learn(Verdict::Fails, false, NOW);
            }
            assert_eq!(breaker.learn(Verdict::Answers, false, NOW), None);
        }
        // What was given up is no answer.
        breaker = Breaker::Closed(FAILURES_TO_OPEN - 1);
        assert_eq!(breaker.learn(Verdict::Nothing, false, NOW), None);
        assert_eq!(breaker.learn(Verdict::Fails, false, NOW), Some(Turn::Opened));
    }

    #[test]
    fn one_tries_when_the_time_has_come() {
        let mut breaker = opened();
        assert_eq!(breaker.opens_at(NOW), Some(NOW + OPEN_FOR));
        let later = NOW + OPEN_FOR;
        assert_eq!(breaker.opens_at(later), None);
        assert!(breaker.begin());
        assert_eq!(breaker.opens_at(later), Some(later), "a second one may not");
        assert_eq!(breaker.learn(Verdict::Answers, true, later), Some(Turn::Closed));
        assert_eq!(breaker.opens_at(later), None);
        assert!(!breaker.begin());
    }

    #[test]
    fn a_failed_try_keeps_it_open_without_a_line_in_the_log() {
        let mut breaker = opened();
        let later = NOW + OPEN_FOR;
        breaker.begin();
        assert_eq!(breaker.learn(Verdict::Fails, true, later), None);
        assert_eq!(breaker.opens_at(later), Some(later + OPEN_FOR));
    }

    #[test]
    fn a_try_that_was_given_up_is_followed_by_another() {
        let mut breaker = opened();
        let later = NOW + OPEN_FOR;
        breaker.begin();
        assert_eq!(breaker.learn(Verdict::Nothing, true, later), None);
        assert_eq!(breaker.opens_at(later), None, "it isn't stuck");
        assert!(breaker.begin());
    }

    #[test]
    fn requests_from_before_it_opened_neither_prolong_nor_end_a_try() {
        let mut breaker = opened();
        breaker.learn(Verdict::Fails, false, NOW + Duration::from_secs(4));
        assert_eq!(breaker.opens_at(NOW), Some(NOW + OPEN_FOR));
        breaker.begin();
        breaker.learn(Verdict::Fails, false, NOW + OPEN_FOR);
        breaker.learn(Verdict::Nothing, false, NOW + OPEN_FOR);
        assert_eq!(breaker, Breaker::Trying);
        assert_eq!(breaker.learn(Verdict::Answers, false, NOW + OPEN_FOR), Some(Turn::Closed), "it does answer");
    }
}
