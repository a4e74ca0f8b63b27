//! The AGI commands, each declared once.
//!
//! A [`Command`] states all there is to know about one AGI command: what a script passes to it and gets from it, what
//! goes over the wire, what a -1 means, what part of it is private, and how the simulator answers. Everything else
//! loops over the [`Table`]: the functions of scripts, the simulator, recordings, the checker, the reference page,
//! the tests of the examples.
//!
//! [`COMMANDS`] lists Asterisk's own commands, each of which is a static of this module, such as [`GET_DATA`]. An
//! embedder adds others with [`Language::add_command`](crate::script::Language::add_command).
//!
//! Source: `res/res_agi.c` and `apps/app_stack.c` of Asterisk 22.10.

mod database;
mod declaration;
mod dialplan;
mod digits;
pub(crate) mod encode;
pub(crate) mod hears;
mod line_state;
mod log;
mod param;
pub(crate) mod permissions;
mod playback;
mod record;
pub(crate) mod reference;
mod refusal;
mod returns;
mod say;
mod speech;
mod table;
mod text;
mod value;
mod variable;

pub use database::{DATABASE_DEL, DATABASE_DELTREE, DATABASE_GET, DATABASE_PUT};
pub use declaration::{
    Access, After, Command, Example, Function, MAX_ARGUMENTS, MissingSound, OnMinusOne, Plays, Since, Waits,
};
pub use dialplan::{EXEC, GOSUB, SET_CONTEXT, SET_EXTENSION, SET_PRIORITY};
pub use digits::{GET_DATA, GET_OPTION, WAIT_FOR_DIGIT};
pub use hears::Hears;
pub use line_state::{
    ANSWER, ASYNCAGI_BREAK, CHANNEL_STATUS, HANGUP, SET_AUTOHANGUP, SET_CALLERID, SET_MUSIC, TDD_MODE,
};
pub use log::{NOOP, VERBOSE};
pub use param::{Kind, Need, Param, Privacy};
pub use permissions::Permissions;
pub use playback::{CONTROL_STREAM_FILE, STREAM_FILE};
pub use record::RECORD_FILE;
pub use refusal::{Refusal, RefusalKind};
pub use returns::{ReadError, Returns};
pub use say::{SAY_ALPHA, SAY_DATE, SAY_DATETIME, SAY_DIGITS, SAY_NUMBER, SAY_PHONETIC, SAY_TIME};
pub use speech::{
    SPEECH_ACTIVATE_GRAMMAR, SPEECH_CREATE, SPEECH_DEACTIVATE_GRAMMAR, SPEECH_DESTROY, SPEECH_LOAD_GRAMMAR,
    SPEECH_RECOGNIZE, SPEECH_SET, SPEECH_UNLOAD_GRAMMAR,
};
pub use table::{COMMANDS, Table};
pub use text::{RECEIVE_CHAR, RECEIVE_TEXT, SEND_IMAGE, SEND_TEXT};
pub use value::{Type, Value};
pub use variable::{GET_FULL_VARIABLE, GET_VARIABLE, SET_VARIABLE};

pub(crate) use declaration::declarations;
#[cfg(feature = "speech")]
pub(crate) use dialplan::AUDIO_SOCKET;
pub(crate) use encode::{Encoded, Rules};
pub(crate) use hears::{Entry, value as value_entry};
pub(crate) use returns::{HUNG_UP, Texts};
