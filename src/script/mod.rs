//! Scripts: compiling them, running them in a call, and keeping a folder of them up to date.

mod bindings;
mod bounded;
mod builtin;
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
mod shown;
mod state;
mod usage;

pub use builtin::BUILTINS;
pub use call::Call;
pub use compile::{LoadError, Script};
pub use coverage::Coverage;
pub use extensions::Extensions;
pub use fault::Fault;
pub use language::Language;
pub use library::{Change, Found, Library, Listed};
pub use limits::{Limits, Memory};
pub use phrases::Phrases;
pub use rhai;
pub use shown::literal;
pub use state::PRINTED;

pub(crate) use bindings::add;
pub(crate) use builtin::{add_core, add_shared_with_tests, is_shared_with_tests};
pub(crate) use convert::{dynamic, value};
pub(crate) use fault::{MAX_MESSAGE, Source, render};
pub(crate) use import::{DEEPEST, Disk, Files, Loader, Places, plain};
pub(crate) use language::WordsPackage;
pub(crate) use limits::{lock, processor_time};
pub(crate) use names::{VALUES, distance, nearest};
pub(crate) use phrases::{Item, MOST_PARTS, NoNumber, Phrase, Way, Wording, best};
pub(crate) use shown::{SHOWN, quoted, short, shown};
pub(crate) use state::{CallState, Finished};
pub(crate) use usage::look_soon;
