//! Scripts: compiling them, running them in a call, and keeping a folder of them up to date.

mod bindings;
mod bounded;
pub(crate) mod builtin;
mod call;
mod compile;
mod convert;
mod coverage;
mod extensions;
mod fault;
mod import;
mod language;
mod library;
mod limits;
mod names;
mod phrases;
pub(crate) mod shown;
mod state;
mod usage;

pub use call::Call;
pub use compile::{LoadError, Script};
pub use coverage::Coverage;
pub use extensions::Extensions;
pub use fault::Fault;
pub use language::Language;
pub use library::{Change, Found, Library, ListedScript};
pub use limits::{Limits, Memory};
pub use rhai;
pub use state::PRINTED;

pub(crate) use bindings::add;
pub(crate) use builtin::{BUILTINS, add_core, add_shared_with_tests, is_shared_with_tests};
pub(crate) use convert::{dynamic, value};
pub(crate) use fault::{MAX_MESSAGE, Source, render};
pub(crate) use import::{DEEPEST, Disk, Files, Loader, Places, plain};
pub(crate) use language::WordsPackage;
pub(crate) use limits::{lock, processor_time};
pub(crate) use names::{VALUES, distance, nearest};
pub(crate) use phrases::{Item, MOST_PARTS, NoNumber, Phrase, Phrases, Way, Wording, best};
pub(crate) use shown::{SHOWN, literal, quoted, short, shown};
pub(crate) use state::{CallState, Finished};
pub(crate) use usage::look_soon;
