//! Scripts: compiling them, running them in a call, and keeping a folder of them up to date.
//!
//! A [`Script`] is compiled once, by a [`Host`](crate::Host) or in a [`Library`], and shared by all calls. What it
//! can call is its [`Language`], to which an embedder adds functions, and [`Limits`] bound what it may use. A
//! function of an embedder reaches the call it was called in through [`Call`], and keeps values there in
//! [`Extensions`]. Errors of scripts are [`Fault`]s.

mod bindings;
mod bounded;
pub(crate) mod builtin;
mod call;
mod compile;
mod convert;
mod coverage;
mod explain;
mod extensions;
mod fault;
mod function_values;
mod import;
mod inspect;
mod kept;
mod language;
#[cfg(unix)]
mod library;
mod limits;
mod missing;
mod names;
mod parse;
pub(crate) mod phrases;
mod rhai_words;
pub(crate) mod shown;
mod state;
mod text;
mod times;
mod usage;
pub(crate) mod variables;

pub use call::Call;
pub use compile::{LoadError, Script};
pub use coverage::Coverage;
pub use extensions::Extensions;
pub use fault::Fault;
pub use language::Language;
#[cfg(unix)]
pub use library::{Change, Library, LibraryScript, ListedScript};
pub use limits::{Limits, Memory};
pub use rhai;
pub use state::PRINT_TARGET;

pub(crate) use bindings::{add, add_commands, add_typed};
pub(crate) use builtin::{BUILTINS, add_shared_with_tests, add_to_calls, is_shared_with_tests, ways_of};
pub(crate) use convert::{dynamic, from_json, value};
pub(crate) use explain::{Explanation, Names, Wrong, WrongCall, values};
pub(crate) use fault::{Found, Source, render};
pub(crate) use import::{Disk, Files, ImportFolders, Loader, MAX_IMPORT_DEPTH, without_shebang};
pub(crate) use inspect::{InspectedFile, Inspection, Inspections, Inspector, errors_of_imports};
pub(crate) use kept::KeptFunction;
pub(crate) use language::words_of_rhai;
pub(crate) use names::{CALL_VARIABLES, FunctionNames, Named, distance, is_closure, is_keyword, nearest, written_name};
pub(crate) use parse::parse;
pub(crate) use phrases::{Item, MAX_PARTS, NoNumber, Phrase, Phrases, SayAs, Wording, best_variant};
pub(crate) use rhai_words::ways_of_rhai;
pub(crate) use shown::{MAX_MESSAGE, MAX_SHOWN, literal, quoted, short, shown};
pub(crate) use state::{CallState, Finished};
pub(crate) use text::{Place, ScriptText, Word, around, place, word_at};
pub(crate) use usage::{Limit, check_soon};
