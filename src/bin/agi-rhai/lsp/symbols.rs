//! The symbols of a script.

use super::answer::{Answer, value};
use super::workspace::{Document, Workspace};
use agi_rhai::internals::{Symbol, SymbolKind};
use lsp_types::{DocumentSymbol, Location, SymbolInformation};
/// Returns the functions and imports of a script, and the variables outside of functions.
pub fn symbols(workspace: &Workspace, document: &Document) -> Answer {
    let outline = &document.outline;
    let shown = |symbol: &&Symbol| match symbol.kind {
        SymbolKind::Function | SymbolKind::Import => true,
        SymbolKind::Variable | SymbolKind::Constant => symbol.function.is_none(),
        SymbolKind::Parameter => false,
    };
    let kind = |symbol: &Symbol| match symbol.kind {
        SymbolKind::Function => lsp_types::SymbolKind::FUNCTION,
        SymbolKind::Constant => lsp_types::SymbolKind::CONSTANT,
        SymbolKind::Import => lsp_types::SymbolKind::MODULE,
        SymbolKind::Variable | SymbolKind::Parameter => lsp_types::SymbolKind::VARIABLE,
    };
    let range = |span: &std::ops::Range<usize>| outline.range(span);
    let symbols = outline.symbols().iter().filter(shown);
    if workspace.nested_symbols {
        #[expect(deprecated, reason = "the protocol's type has a field that is no longer used")]
        let one = |symbol: &Symbol| DocumentSymbol {
            name: symbol.name.clone(),
            detail: Some(symbol.signature()),
            kind: kind(symbol),
            tags: None,
            deprecated: None,
            range: range(&symbol.whole),
            selection_range: range(&symbol.span),
            children: None,
        };
        return value(symbols.map(one).collect::<Vec<_>>());
    }
    #[expect(deprecated, reason = "the protocol's type has a field that is no longer used")]
    let one = |symbol: &Symbol| SymbolInformation {
        name: symbol.name.clone(),
        kind: kind(symbol),
        tags: None,
        deprecated: None,
        location: Location { uri: document.uri.clone(), range: range(&symbol.whole) },
        container_name: None,
    };
    value(symbols.map(one).collect::<Vec<_>>())
}
