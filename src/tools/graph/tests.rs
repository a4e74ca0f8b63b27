//! Graphs of small scripts, as text.

use super::*;
use crate::script::Language;
use std::fmt::Write;

/// Writes a graph as text: a node with its kind, title and lines, and below it its edges.
pub(super) fn shown(graph: &Graph) -> String {
    let mut text = String::new();
    let group = |node: &Node| node.group.map_or_else(String::new, |group| format!("{} / ", graph.groups[group].id));
    for (at, node) in graph.nodes.iter().enumerate() {
        let lines: Vec<String> = node.spans.iter().map(|span| span.first.to_string()).collect();
        writeln!(text, "{}{} [{}] {}", group(node), node.kind.name(), node.title, lines.join(",")).unwrap();
        for edge in graph.edges.iter().filter(|edge| edge.from == at) {
            let arrow = if edge.back { "<-" } else { "->" };
            let to = &graph.nodes[edge.to];
            let label = if edge.label.is_empty() { String::new() } else { format!("{}: ", edge.label) };
            writeln!(text, "  {arrow} {label}{} [{}]", to.kind.name(), to.title).unwrap();
        }
    }
    text
}

pub(super) fn graph_of(path: &str, text: &str, unfold: Unfold<'_>) -> Graph {
    let checker = Checker::new(&Language::new());
    Graph::new(&checker, Path::new(path), text, unfold).unwrap()
}

/// Compares the graph of a script with what is expected: a line for each edge, titles shortened.
#[track_caller]
fn check(text: &str, unfold: Unfold<'_>, expected: &str) {
    let graph = graph_of("a.rhai", text, unfold);
    let name = |at: usize| {
        let node = &graph.nodes[at];
        let kind = match node.kind {
            NodeKind::Prompt | NodeKind::Start => String::new(),
            kind => format!("{} ", kind.name()),
        };
        let group = node.group.map_or_else(String::new, |group| format!("{}: ", graph.groups[group].id));
        format!("{group}{kind}{}", node.title)
    };
    let mut lines: Vec<String> = graph
        .edges
        .iter()
        .map(|edge| {
            let label = if edge.label.is_empty() { String::new() } else { format!("[{}] ", edge.label) };
            let back = if edge.back { "back " } else { "" };
            format!("{} -> {back}{label}{}", name(edge.from), name(edge.to))
        })
        .collect();
    let mut expected: Vec<&str> = expected.lines().map(str::trim).collect();
    lines.sort();
    expected.sort_unstable();
    assert_eq!(lines.join("\n"), expected.join("\n"), "{text}");
}

const FOLDED: Unfold<'static> = Unfold::Some(&[]);

#[test]
fn prompts_in_a_row_are_one_node() {
    check(
        r#"answer(); say("a"); let x = 1 + 2; verbose("x"); say(["b", 3, x]); stream_file("c"); say_number(4);"#,
        FOLDED,
        "a -> a b 3 {x} c 4
         a b 3 {x} c 4 -> end The script ends",
    );
    let graph = graph_of("a.rhai", "say(\"a\");\n\nsay([\n  \"b\",\n]);", FOLDED);
    let lines: Vec<_> = graph.nodes[1].spans.iter().map(|span| (span.first, span.last)).collect();
    assert_eq!(lines, [(1, 1), (3, 5)]);
}

#[test]
fn what_only_computes_is_left_out() {
    check(
        r#"let n = 0; for i in 0..9 { if i > 3 { n += i; } } while n > 3 { n -= 1; } switch n { 1 => 2, _ => 3 }
           let s = if n == 1 { "x" } else { "y" }; fn f(a) { if a { return 1; } 2 } say(f(n)); set_variable("A", n);"#,
        FOLDED,
        "a -> {f(n)}
         {f(n)} -> end The script ends",
    );
}

#[test]
fn decisions_have_a_way_for_yes_and_no() {
    check(
        r#"if a() > 3 { say("x"); } else if b { say("y"); } say("z"); fn a() { 1 }"#.replace("if b", "if args.len() > 1").as_str(),
        FOLDED,
        "a -> decision a() > 3
         decision a() > 3 -> [yes] x
         decision a() > 3 -> [no] decision args.len() > 1
         decision args.len() > 1 -> [yes] y
         x -> z
         y -> z
         decision args.len() > 1 -> [no] z
         z -> end The script ends",
    );
}

#[test]
fn a_decision_by_an_answer_is_at_the_question() {
    check(
        r#"let x = ask("q"); if x == () { say("none"); exit(); }
           if confirm("sure") == true { say("yes"); } say("bye");"#,
        FOLDED,
        "a -> question q
         question q -> [no answer] none
         none -> end The script ends
         question q -> question sure
         question sure -> [yes] yes
         yes -> bye
         question sure -> [no, no answer] bye
         bye -> end The script ends",
    );
    check(
        r#"if dial("PJSIP/1") == "ANSWER" { exit(); } say("nobody");"#,
        FOLDED,
        "a -> call PJSIP/1
         call PJSIP/1 -> [ANSWER] end The script ends
         call PJSIP/1 -> [otherwise] nobody
         nobody -> end The script ends",
    );
    check(
        r#"let r = http_get("w", "x"); if r.status == 404 { say("no"); } else if !r.is_known { say("un"); }"#,
        FOLDED,
        "a -> service http_get w
         service http_get w -> [404] no
         service http_get w -> [otherwise] decision !r.is_known
         decision !r.is_known -> [yes] un
         no -> end The script ends
         un -> end The script ends
         decision !r.is_known -> [no] end The script ends",
    );
}

#[test]
fn the_choices_of_a_menu_lead_where_the_script_goes() {
    let text = r##"let choice = "again";
        while choice == "again" {
            record_file("f", "wav", "#", 9000);
            choice = menu("m", #{ "1": "keep", "2": "again", "3": "drop", "_[4-6]": "keep" }) ?? "keep";
        }
        if choice == "keep" { say("kept"); } else { say("dropped"); }"##;
    check(
        text,
        FOLDED,
        "a -> record f
         record f -> menu-of-keys m
         menu-of-keys m -> back [2] record f
         menu-of-keys m -> [1, 4-6, no choice] kept
         menu-of-keys m -> [3] dropped
         kept -> end The script ends
         dropped -> end The script ends",
    );
    check(
        r#"let again = true; let n = 5;
           while again { again = menu("m", #{ "1": || { say("one"); true }, "2": || leave(n), "3": |k| false }) ?? false; }
           say("bye"); fn leave(n) { say("left"); n > 1 }"#,
        FOLDED,
        "a -> menu-of-keys m
         menu-of-keys m -> [1] one
         menu-of-keys m -> [2] function leave
         one -> back menu-of-keys m
         function leave -> back [yes] menu-of-keys m
         function leave -> [no] bye
         menu-of-keys m -> [3, no choice] bye
         bye -> end The script ends",
    );
}

#[test]
fn loops_lead_back_and_are_left() {
    check(
        r#"loop { let k = wait_for_digit(9); if k == "1" { break; } if k == "2" { continue; } say("x"); }
           do { say("y"); } while elapsed() < 9; for i in 0..3 { say(i); } say("z");"#,
        FOLDED,
        "a -> question Waits for keys
         question Waits for keys -> [otherwise] x
         question Waits for keys -> back [2] question Waits for keys
         x -> back question Waits for keys
         question Waits for keys -> [1] y
         y -> loop elapsed() < 9
         loop elapsed() < 9 -> back [yes] y
         loop elapsed() < 9 -> [no] loop i in 0..3
         loop i in 0..3 -> [each] {i}
         {i} -> back loop i in 0..3
         loop i in 0..3 -> [then] z
         z -> end The script ends",
    );
}

#[test]
fn a_switch_has_a_way_for_each_case() {
    check(
        r#"switch dial("P") { "BUSY" | "NOANSWER" => say("later"), "ANSWER" => exit(), _ => say("broken") }
           switch args.len() { 1 => say("one"), 2..=3 => say("few"), _ => () } say("end");"#,
        FOLDED,
        "a -> call P
         call P -> [ANSWER] end The script ends
         call P -> [BUSY, NOANSWER] later
         call P -> [otherwise] broken
         later -> decision args.len()
         broken -> decision args.len()
         decision args.len() -> [1] one
         decision args.len() -> [2..=3] few
         one -> end
         few -> end
         decision args.len() -> [otherwise] end
         end -> end The script ends",
    );
}

#[test]
fn a_try_fails_at_what_asks_others() {
    check(
        r#"try { say("a"); mail("office", #{ to: "x", subject: "s", text: "t" }); say("sent"); } catch (e) { say("failed"); }
           try { if args.len() > 0 { throw "no"; } say("b"); } catch { say("thrown"); } if args.len() > 2 { throw "bad"; }"#,
        FOLDED,
        "a -> a
         a -> service mail office
         service mail office -> sent
         service mail office -> [fails] failed
         sent -> decision args.len() > 0
         failed -> decision args.len() > 0
         decision args.len() > 0 -> [no] b
         decision args.len() > 0 -> [yes] thrown
         b -> decision args.len() > 2
         thrown -> decision args.len() > 2
         decision args.len() > 2 -> [yes] fault \"bad\"
         decision args.len() > 2 -> [no] end The script ends",
    );
}

#[test]
fn functions_are_folded_until_they_are_unfolded() {
    let text = r#"outer(1); say("bye");
        // Says it. Twice.
        fn outer(n) { say("in"); if inner(n) { return; } outer(n - 1); }
        fn inner(n) { let x = confirm("sure"); x == true }"#;
    check(text, FOLDED, "a -> function outer\nfunction outer -> bye\nbye -> end The script ends");
    let graph = graph_of("a.rhai", text, FOLDED);
    assert_eq!((graph.nodes[1].detail.as_str(), graph.nodes[1].folded), ("Says it", true));
    let covers: Vec<_> = graph.nodes[1].covers.iter().map(|span| span.first).collect();
    assert_eq!(covers, [3, 4]);
    check(
        text,
        Unfold::Some(&["outer".to_owned()]),
        "a -> outer: in
         outer: in -> outer: function inner
         outer: function inner -> [no] outer: function outer
         outer: function inner -> [yes] bye
         outer: function outer -> bye
         bye -> end The script ends",
    );
    check(
        text,
        Unfold::All,
        "a -> outer: in
         outer: in -> outer/inner: question sure
         outer/inner: question sure -> [no, no answer] outer: function outer
         outer/inner: question sure -> [yes] bye
         outer: function outer -> bye
         bye -> end The script ends",
    );
}

#[test]
fn a_function_that_never_returns_has_no_way_on() {
    check(
        r#"if args.len() > 1 { done(); } say("on"); fn done() { say("done"); hangup(); }"#,
        FOLDED,
        "a -> decision args.len() > 1
         decision args.len() > 1 -> [yes] function done
         decision args.len() > 1 -> [no] on
         on -> end The script ends",
    );
}

#[test]
fn what_judges_an_answer_leads_back_to_the_question() {
    check(
        r#"let p = ask("pin", #{ valid: |p| judge(p) }); if p != () { say("in"); }
           fn judge(p) { if p == "1" { return true; } database_put("wrong", "n", 1); "again" }"#,
        FOLDED,
        "a -> question pin
         question pin -> function judge
         function judge -> back [wrong] question pin
         function judge -> [right] in
         in -> end The script ends
         question pin -> [no answer] end The script ends",
    );
}

#[test]
fn functions_in_values_are_followed() {
    check(
        r#"let f = || say("f"); f.call(); [1, 2].for_each(|x| say(x)); run(|| say("g")); fn run(g) { g.call(); }"#,
        FOLDED,
        "a -> f
         f -> loop for_each
         loop for_each -> [each] {x}
         {x} -> back loop for_each
         loop for_each -> [then] g
         g -> end The script ends",
    );
}

#[test]
fn after_the_hangup_is_a_way_of_its_own() {
    check(
        r#"say("a"); fn on_hangup() { if args.len() > 0 { database_put("a", "b", 1); } }"#,
        FOLDED,
        "a -> a
         a -> end The script ends
         after-hangup The caller has hung up -> decision args.len() > 0
         decision args.len() > 0 -> [yes] data database_put a/b
         data database_put a/b -> end The script ends
         decision args.len() > 0 -> [no] end The script ends",
    );
}

#[test]
fn imports_are_followed_and_tables_are_read() {
    let folder = std::env::temp_dir().join(format!("agi-rhai-graph-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let at = |name: &str| folder.join(name);
    std::fs::write(at("lib.rhai"), "fn greet(x) { say(\"hi\"); exit(); }").unwrap();
    std::fs::write(at("lib.prompts"), "hi: Hello there.").unwrap();
    std::fs::write(at("main.prompts"), "ask: What?\n[de]\nask: Was?").unwrap();
    std::fs::write(at("main.phrases"), "[en]\nleft one: one-left\nleft other: {n} ask").unwrap();
    let text = "import \"lib\" as lib;\nsay(#{ phrase: \"left\", n: 3 });\nask(\"ask\");\nlib::greet(1);";
    let name = at("main.rhai").to_string_lossy().into_owned();
    let graph = graph_of(&name, text, Unfold::All);
    let titles: Vec<&str> = graph.nodes.iter().map(|node| node.title.as_str()).collect();
    assert_eq!(titles, ["main", "{n} What?", "What?", "Hello there.", "The script ends"]);
    assert!(graph.nodes[3].spans[0].file.ends_with("lib.rhai"), "{:?}", graph.nodes[3].spans);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_text_that_is_no_script_has_a_fault() {
    let checker = Checker::new(&Language::new());
    let fault = Graph::new(&checker, Path::new("a.rhai"), "say(\"a\");\nif {", FOLDED).unwrap_err();
    assert_eq!(fault.line, 2);
}

/// The shipped scripts, and one of more than 400 lines: every node is reached, its lines are there, ids are unique,
/// the same text has the same graph, and unfolding shows every function.
#[test]
fn whole_scripts_are_drawn() {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("scripts").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.push(PathBuf::from("tests/graph/bank.rhai"));
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "rhai"));
    paths.sort();
    for path in paths {
        let name = path.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        for unfold in [FOLDED, Unfold::All] {
            let graph = graph_of(&name, &text, unfold);
            assert_eq!(graph, graph_of(&name, &text, unfold));
            let ids: std::collections::BTreeSet<&str> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
            assert_eq!(ids.len(), graph.nodes.len(), "{name}: {}", shown(&graph));
            for (at, node) in graph.nodes.iter().enumerate() {
                let is_root = matches!(node.kind, NodeKind::Start | NodeKind::AfterHangup);
                assert!(is_root || graph.edges.iter().any(|edge| edge.to == at), "{name}: {node:?}");
                assert!(node.kind != NodeKind::Junction && !node.title.is_empty(), "{name}: {node:?}");
                let fits =
                    node.spans.iter().all(|span| 0 < span.first && span.first <= span.last && span.last <= lines);
                assert!(fits && !node.spans.is_empty(), "{name}: {node:?}");
                assert!(!node.title.contains("{}"), "{name}: {node:?}");
            }
            if matches!(unfold, Unfold::All) {
                let is_shown = |node: &Node| graph.groups.iter().any(|group| group.title == node.title);
                assert!(graph.nodes.iter().all(|node| !node.folded || is_shown(node)), "{name}: {}", shown(&graph));
            }
        }
    }
}
