//! The AGI commands, each declared once.
//!
//! A [`Command`] states all there is to know of one AGI command: what a script passes and gets, what goes over the
//! wire, what a -1 means, what of it is private, how the simulator answers. Everything else is a loop over the
//! [`Table`]: the functions of a script, the simulator, recordings, the checker, the reference page, the tests of the
//! examples. Source: `res/res_agi.c` and `apps/app_stack.c` of Asterisk 22.10.

mod database;
mod declaration;
mod dialplan;
mod digits;
mod encode;
mod hears;
mod line_state;
mod log;
mod param;
pub mod permissions;
mod playback;
mod record;
pub mod reference;
mod refusal;
mod returns;
mod say;
mod speech;
mod table;
mod text;
mod value;
mod variable;

pub use database::{DATABASE_DEL, DATABASE_DELTREE, DATABASE_GET, DATABASE_PUT};
pub(crate) use declaration::plural;
pub use declaration::{
    Access, After, Command, Example, Function, MAX_ARGUMENTS, MissingSound, OnMinusOne, Plays, Since, Waits,
};
pub use dialplan::{EXEC, SET_CONTEXT, SET_EXTENSION, SET_PRIORITY};
pub use digits::{GET_DATA, WAIT_FOR_DIGIT};
pub use encode::{Encoded, Rules};
pub use hears::{Entry, Hears, value as value_entry};
pub use line_state::{ANSWER, CHANNEL_STATUS};
pub use log::{NOOP, VERBOSE};
pub use param::{Kind, Need, Param, Privacy};
pub use permissions::Permissions;
pub use playback::STREAM_FILE;
pub use refusal::{Refusal, RefusalKind};
pub use returns::{ReadError, Returns};
pub use say::{SAY_ALPHA, SAY_DATETIME, SAY_DIGITS, SAY_NUMBER, SAY_PHONETIC};
pub use table::{COMMANDS, Table};
pub use value::{Type, Value};
pub use variable::{GET_FULL_VARIABLE, GET_VARIABLE, SET_VARIABLE};
