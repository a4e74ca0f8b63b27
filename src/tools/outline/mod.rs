//! The outline of a script, as an editor needs it: its names, where they can be used, and what is at the cursor.
//!
//! Editors show scripts in every state they pass through while they are typed. So nothing here needs a complete
//! script: it is read word by word, and what makes no sense is skipped. Whether a script is right is for the checker
//! to decide.

mod builder;
mod cursor;
mod doc;
mod frame;
mod imports;
mod keywords;
mod lexer;
mod lookup;
mod rename;
mod resolve;
mod signs;
mod statements;
mod symbol;
pub(crate) mod words;

pub use cursor::{Calling, CursorContext};
pub use imports::imported;
pub use keywords::KEYWORDS;
pub use lexer::{Token, TokenKind};
pub use lookup::Outline;
pub use rename::may_be_named;
pub use symbol::{Key, Symbol, SymbolKind, Use};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Language;

    /// Removes the `^`, which marks the cursor, from the text.
    fn cursor(text: &str) -> (Outline, usize) {
        let offset = text.find('^').unwrap();
        (Outline::new(&text.replacen('^', "", 1)), offset)
    }

    /// Compares where the name at the `^` occurs: there, at each `~`, and nowhere else.
    #[track_caller]
    fn check_spans(marked: &str) {
        let mut expected: Vec<usize> = Vec::new();
        let mut text = String::new();
        for c in marked.chars() {
            if matches!(c, '^' | '~') { expected.push(text.len()) } else { text.push(c) }
        }
        let cursor = marked[..marked.find('^').unwrap()].replace('~', "").len();
        let outline = Outline::new(&text);
        let symbol = outline.symbol_at(cursor).unwrap_or_else(|| panic!("no symbol: {marked}"));
        let mut starts: Vec<usize> = outline.spans_of(symbol).into_iter().map(|span| span.start).collect();
        starts.sort_unstable();
        assert_eq!(starts, expected, "{marked}");
    }

    #[test]
    fn scopes_are_those_of_rhai() {
        check_spans("let ^a = 1;\nlet b = ~a + 1;\n{ let a = ~a; a }\n~a");
        check_spans("let a = 1;\nlet b = a + 1;\n{ let ^a = a; ~a }\na");
        check_spans("let ^a = 1;\nfn f(a) { a }\nf(~a)");
        check_spans("let a = 1;\nfn f(a) { ^a }\nf(a)".replace("f(a) {", "f(~a) {").as_str());
        check_spans("let ^a = 1;\nfn f() { a }\nlet g = || ~a; ~a");
        check_spans("for ^x in [x, 2] { ~x }\nx");
        check_spans("for (x, ^i) in a { ~i; { x } }");
        check_spans("try { e } catch (^e) { ~e }\ne");
        check_spans("let a = [1].map(|^a| ~a + 1); a");
        check_spans("let ^a = 2; [1].map(|x| x + ~a); ~a | ~a");
        check_spans("let f = |x| { let ^y = x; ~y }; y");
        check_spans("const ^K = 1;\nfn f() { ~K + global::~K }");
        check_spans("let ^n = 1; `a ${~n + `${~n}`} n`");
        check_spans("let ^a = 1; #{ a: ~a, b: b.a }; x.a");
        check_spans("let x = 1; let ^x = x + 1; ~x");
        check_spans("switch 1 { 1 => { let ^q = 1; ~q } 2 => q }");
        check_spans("import \"a\" as ^m;\nfn f() { ~m::f(); m }".replace("; m }", "; }").as_str());
    }

    #[test]
    fn functions_are_told_apart_by_their_parameters() {
        check_spans("~f(1); f(1, 2);\nfn ^f(a) { }\nfn f(a, b) { ~f(a) }\n5.f(); x.~f(1); Fn(\"~f\"); [1].map(~f)");
        check_spans("~f(1, 2,); ~f([1, 2], #{a: 1, b: 2});\nfn ^f(a, b) { }");
    }

    #[test]
    fn a_forgotten_bracket_does_not_affect_later_code() {
        check_spans("fn f(a) { if a { stream_file(\nfn g(^b) { ~b }");
        check_spans("let ^x = 1;\nsay_number(~x\nlet y = ~x;");
        check_spans("foo(x; let ^y = 1; ~y");
        for (at, _) in NASTY.char_indices() {
            // Nothing panics, wherever the text ends or begins.
            let outline = Outline::new(&NASTY[..at]);
            let _ = (outline.cursor_context(at), outline.calling(at), outline.visible(at));
            let rest = Outline::new(&NASTY[at..]);
            let _ = (rest.cursor_context(0), rest.calling(0), rest.symbol_at(0));
        }
    }

    const NASTY: &str = "private fn a.b(c, d) { for (x, y) in `${|| { #{ \"k\": 'x' } }}` { switch x { 1 => |a, b| a, } } } } ) ]\
        import \"m\" as m; m::f(1)!; export let q = 1 as r; catch (e) { try /* ü */ { Fn(\"a\") as || |x } let const fn";

    #[track_caller]
    fn check_calling(text: &str, expected: &str) {
        let (outline, offset) = cursor(text);
        let found = outline.calling(offset).map_or("none".to_owned(), |calling| {
            let key = calling.key.map_or(String::new(), |key| format!(" {key}"));
            let space = calling.space.map_or(String::new(), |space| format!("{space}::"));
            let dot = if calling.method { "." } else { "" };
            format!("{dot}{space}{} {}{key}", calling.name, calling.argument)
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_call_around_the_cursor_is_found_while_it_is_typed() {
        check_calling("stream_file(^", "stream_file 0");
        check_calling("x(); get_data(\"a\", ^", "get_data 1");
        check_calling("get_data(\"a, (b\", f(1, 2), ^)", "get_data 2");
        check_calling("f(g(1, ^", "g 1");
        check_calling("f(1, [2, ^3])", "f 1");
        check_calling("record_file(a, b, c, 1, #{ beep: true, silence: ^", "record_file 4 silence");
        check_calling("menu::play(a, (1 + ^", "menu::play 1");
        check_calling("x.sub_string(1, ^", ".sub_string 1");
        check_calling("f([1, 2].map(|a, b| a, ^", ".map 1");
        check_calling("if (^", "none");
        check_calling("fn f(^", "none");
        check_calling("f(1); ^", "none");
        check_calling("f(|| { ^", "none");
        check_calling("f(\"^", "f 0");
        check_calling("f(`a ${^", "none");
    }

    #[test]
    fn the_context_of_the_cursor_is_found() {
        let check = |text: &str, expected: CursorContext| {
            let (outline, offset) = cursor(text);
            assert_eq!(outline.cursor_context(offset), expected, "{text}");
        };
        check("str^", CursorContext::Code(0));
        check("a = ^", CursorContext::Code(4));
        check("env.agi^", CursorContext::Member(4, Some("env".to_owned())));
        check("a.b.^", CursorContext::Member(4, None));
        check("menu::^", CursorContext::Space(6, "menu".to_owned()));
        check("f(\"abc^\")", CursorContext::Text(3..6));
        check("f(\"^", CursorContext::Text(3..3));
        check("f(\"a\"^)", CursorContext::Code(5));
        check("import \"li^", CursorContext::ImportPath(8..10));
        check("let ^", CursorContext::Elsewhere);
        check("// a^", CursorContext::Elsewhere);
        check("/* a */^", CursorContext::Code(7));
        check("`a ^${b}`", CursorContext::Elsewhere);
        check("`a ${b^}`", CursorContext::Code(5));
        check("12^", CursorContext::Elsewhere);
    }

    #[test]
    fn comments_above_and_after_are_the_documentation() {
        let text =
            "#!/usr/bin/env x\n\n// One.\n// Two.\nfn f() {}\n\n// Far away.\n\nfn g() {}\nlet a = 1;   // after\n";
        let outline = Outline::new(text);
        let docs: Vec<&str> = outline.symbols().iter().map(|symbol| symbol.doc.as_str()).collect();
        assert_eq!(docs, ["One.\nTwo.", "", "after"]);
    }

    #[test]
    fn a_new_name_must_be_valid_and_free() {
        let language = Language::new();
        let check = |name: &str, kind: SymbolKind, expected: &str| {
            let found = may_be_named(name, kind, &language).err().unwrap_or_default();
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{name}: {found}");
        };
        check("score", SymbolKind::Variable, "");
        check("len", SymbolKind::Variable, "");
        check("1a", SymbolKind::Variable, "is not a name");
        check("a b", SymbolKind::Variable, "is not a name");
        check("größe", SymbolKind::Variable, "is not a name");
        check("", SymbolKind::Variable, "is not a name");
        check("goto", SymbolKind::Variable, "is a reserved word of the language");
        check("while", SymbolKind::Function, "is a reserved word of the language");
        check("_", SymbolKind::Variable, "is a reserved word of the language");
        check("state", SymbolKind::Variable, "every script");
        check("answer", SymbolKind::Function, "every script");
    }

    /// Renaming any name in the project's own scripts changes nothing that the checker finds.
    #[test]
    fn renaming_does_not_break_scripts() {
        let checker = crate::tools::check::Checker::new(&Language::new());
        let mut renamed = 0;
        for entry in std::fs::read_dir("scripts").unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.extension().is_none_or(|ending| ending != "rhai") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let found = |text: &str| {
                let rules = checker.check(&path, text).into_iter().map(|finding| (finding.rule, finding.line));
                rules.collect::<Vec<_>>()
            };
            let before = found(&text);
            let outline = Outline::new(&text);
            for (id, symbol) in outline.symbols().iter().enumerate() {
                if symbol.name == "on_hangup" || symbol.name.starts_with("test_") {
                    continue;
                }
                let mut changed = text.clone();
                let mut spans = outline.spans_of(id);
                spans.sort_by_key(|span| std::cmp::Reverse(span.start));
                for span in spans {
                    changed.replace_range(span, "renamed_by_a_test");
                }
                assert_eq!(found(&changed), before, "{name}: {} at {}", symbol.name, symbol.span.start);
                renamed += 1;
            }
        }
        assert!(renamed > 30, "{renamed} names");
    }

    #[test]
    fn conflicts_with_other_names_are_found() {
        let (outline, offset) = cursor("let ^a = 1; let b = 2; a + b; { let c = a; } fn f(d) { d }");
        let symbol = outline.symbol_at(offset).unwrap();
        assert_eq!(outline.conflict(symbol, "b").unwrap(), "`b` already means something else here");
        assert_eq!(outline.conflict(symbol, "d"), None);
        assert_eq!(outline.conflict(symbol, "e"), None);
        let (outline, offset) = cursor("let a = 1; { let ^x = 2; a + x }");
        assert!(outline.conflict(outline.symbol_at(offset).unwrap(), "a").is_some());
        let (outline, offset) = cursor("let ^a = 1; { let x = 2; a + x }");
        assert!(outline.conflict(outline.symbol_at(offset).unwrap(), "x").is_some());
    }

    /// The work grows with the text, not with its square: for the outline itself, and for all texts and names in it.
    #[test]
    fn twice_as_much_takes_twice_as_long() {
        type Part = fn(usize) -> String;
        let kinds: [(&str, Part); 4] = [
            ("functions", |n| format!("/// Says {n}.\nfn f_{n}(x) {{ say(x); }}\nf_{n}(\"a\");\n")),
            ("variables", |n| format!("let v_{n} = {n}; say(v_{n}, \"a\");\n")),
            ("names in one line", |n| format!("/* a */ let v_{n} = {n}; say(v_{n}, \"a\"); ")),
            ("uses", |n| format!("{}say(v, \"a\");\n", if n == 0 { "let v = 1;\n" } else { "" })),
        ];
        for (kind, part) in kinds {
            let fastest = |parts: usize| {
                let text: String = (0..parts).map(part).collect();
                let time = || {
                    let began = crate::clock::Stopwatch::start();
                    let outline = Outline::new(&text);
                    assert_eq!(outline.conflict(0, "free"), None);
                    assert!(outline.visible(text.len()).len() <= parts);
                    for span in outline.texts() {
                        assert!(outline.symbol_at(span.start).is_none() && outline.calling(span.start - 1).is_some());
                    }
                    began.elapsed().as_secs_f64()
                };
                (0..3).map(|_| time()).fold(f64::INFINITY, f64::min)
            };
            // Under load a time may be off by chance; the square would show again.
            let mut ratios = (0..4).map(|_| fastest(2000) / fastest(500));
            assert!(ratios.any(|ratio| ratio < 9.0), "four times as many {kind} took more than nine times as long");
        }
    }
}
