//! The states of a channel.

/// The state of a channel, with the numbers of CHANNEL STATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChannelState {
    /// Down and available.
    Down = 0,
    /// Down, but reserved.
    Reserved = 1,
    /// Off hook.
    OffHook = 2,
    /// Digits have been dialled.
    Dialed = 3,
    /// The line is ringing here: not yet answered.
    Ring = 4,
    /// The remote end is ringing.
    Ringing = 5,
    /// Up: answered.
    Up = 6,
    /// Busy.
    Busy = 7,
    /// Digits have been dialled while off hook.
    DialingOffHook = 8,
    /// Before ringing.
    PreRing = 9,
}

impl ChannelState {
    /// Returns the number of CHANNEL STATUS.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Returns the word of `CHANNEL(state)`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Reserved => "Rsrvd",
            Self::OffHook => "OffHook",
            Self::Dialed => "Dialing",
            Self::Ring => "Ring",
            Self::Ringing => "Ringing",
            Self::Up => "Up",
            Self::Busy => "Busy",
            Self::DialingOffHook => "Dialing Offhook",
            Self::PreRing => "Pre-ring",
        }
    }
}
