//! The log of a call: what it prints, and warnings from the host. Faults are left out.

use agi_rhai::script::PRINT_TARGET;
use std::fmt::{self, Write as _};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// A line of the log.
#[derive(Debug, Default)]
pub struct LogLine {
    pub is_warning: bool,
    pub text: String,
    /// Where the script printed it; empty and 0 if the host did.
    pub script: String,
    pub line: u64,
    /// The further fields of a warning.
    others: String,
}

/// Passes each line of the log to a function.
pub struct Log(pub Box<dyn Fn(LogLine) + Send + Sync>);

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "script" => value.clone_into(&mut self.script),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "line" => self.line = value,
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.text = format!("{value:?}"),
            name => {
                let _ = write!(self.others, " {name}={value:?}");
            }
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The call has its faults itself.
        let is_fault = *metadata.level() == Level::ERROR && metadata.fields().field("report").is_some();
        metadata.target() == PRINT_TARGET || (*metadata.level() <= Level::WARN && metadata.is_event() && !is_fault)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = LogLine { is_warning: event.metadata().target() != PRINT_TARGET, ..LogLine::default() };
        event.record(&mut line);
        if line.is_warning {
            line.text.push_str(&line.others);
        }
        (self.0)(line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
