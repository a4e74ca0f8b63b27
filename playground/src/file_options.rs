//! The options of the program in the operator's file, which are none of a page.

use agi_rhai::internals::config::OptionRules;

/// Any option may be there.
pub const RULES: OptionRules = OptionRules::NONE;
