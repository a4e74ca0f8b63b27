//! The picture of the phone in the README: drawn from the screen of a real call.
//!
//! `AGI_RHAI_BLESS=1 cargo test picture` redraws it. Otherwise the test compares the picture with the screen, except
//! for times and the lengths of bars, which differ in each call.

use super::{Terminal, agi_rhai};
use std::fmt::Write as _;
use std::path::Path;

const PICTURE: &str = "docs/phone.svg";

const COLUMNS: u16 = 96;
const ROWS: u16 = 31;

/// A cell of the terminal, in the units of the picture.
const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 18.0;
/// The distance from the edge of the window to its text.
const PADDING: f32 = 14.0;
const TITLE_BAR: f32 = 34.0;

/// The window has its own background, so that it looks the same on light and dark pages.
const STYLE: &str = "\
    .w{fill:#14181f;stroke:#4b5563}.b{fill:#1f2530}.t{fill:#9aa4b2;font-size:13px}\n\
    text{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace;\
    font-size:14px;fill:#dbe2ea}\n\
    path{stroke:#dbe2ea;stroke-width:1.2;fill:none}\n\
    .bold{font-weight:700}.heavy{stroke-width:3.5}\n\
    .faint{fill:#8590a0}path.faint{fill:none;stroke:#5b6675}\n\
    .red{fill:#ff7b72}.green{fill:#56d364}.yellow{fill:#e8b94a}.cyan{fill:#58c7e8}\n\
    path.red{fill:none;stroke:#ff7b72}path.green{fill:none;stroke:#56d364}\n\
    path.yellow{fill:none;stroke:#e8b94a}path.cyan{fill:none;stroke:#58c7e8}\n\
    rect.red,rect.green,rect.yellow,rect.cyan,rect.faint{stroke:none}\n\
    .on{fill:#14181f}\n";

/// Returns the classes of a cell in the picture, and whether foreground and background are swapped.
fn look(cell: &vt100::Cell) -> (String, bool) {
    let colour = match cell.fgcolor() {
        vt100::Color::Default => "",
        vt100::Color::Idx(1 | 9) => "red",
        vt100::Color::Idx(2 | 10) => "green",
        vt100::Color::Idx(3 | 11) => "yellow",
        vt100::Color::Idx(6 | 14) => "cyan",
        vt100::Color::Idx(8) => "faint",
        other => panic!("the picture has no colour {other:?}"),
    };
    let bold = if cell.bold() { " bold" } else { "" };
    (format!("{colour}{bold}").trim().to_owned(), cell.inverse())
}

/// Returns the strokes of a line-drawing cell, from its centre. Drawn as text, they would not join.
fn strokes(letter: &str) -> Option<&'static [(f32, f32)]> {
    const LEFT: (f32, f32) = (-0.5, 0.0);
    const RIGHT: (f32, f32) = (0.5, 0.0);
    const UP: (f32, f32) = (0.0, -0.5);
    const DOWN: (f32, f32) = (0.0, 0.5);
    Some(match letter {
        "─" | "━" => &[LEFT, RIGHT],
        "│" => &[UP, DOWN],
        "┬" => &[LEFT, RIGHT, DOWN],
        "┴" => &[LEFT, RIGHT, UP],
        "├" => &[UP, DOWN, RIGHT],
        "┤" => &[UP, DOWN, LEFT],
        "┼" => &[UP, DOWN, LEFT, RIGHT],
        _ => return None,
    })
}

/// Adjacent cells that look the same.
struct Run {
    column: u16,
    cells: u16,
    text: String,
    class: String,
    swapped: bool,
    /// The cells that are drawn as lines.
    lines: bool,
}

fn runs(screen: &vt100::Screen, row: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..COLUMNS {
        let cell = screen.cell(row, column).unwrap();
        assert!(!cell.is_wide(), "the picture has no wide letters");
        let letter = if cell.has_contents() { cell.contents() } else { " " };
        let (class, swapped) = look(cell);
        let lines = strokes(letter).is_some();
        // Heavy and light lines are separate strokes.
        match runs.last_mut() {
            Some(run)
                if (&run.class, run.swapped, run.lines) == (&class, swapped, lines)
                    && run.text.ends_with('━') == (letter == "━") =>
            {
                run.cells += 1;
                run.text.push_str(letter);
            }
            _ => runs.push(Run { column, cells: 1, text: letter.to_owned(), class, swapped, lines }),
        }
    }
    runs
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn with_class(class: &str) -> String {
    if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") }
}

/// Returns the screen as a window, in SVG.
fn drawn(screen: &vt100::Screen, title: &str) -> String {
    let (wide, high) =
        (f32::from(COLUMNS) * WIDTH + 2.0 * PADDING, f32::from(ROWS) * HEIGHT + TITLE_BAR + 2.0 * PADDING);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high:.0}\" width=\"{wide:.0}\" \
         height=\"{high:.0}\" role=\"img\" aria-label=\"{title}, in a terminal\">\n<style>\n{STYLE}</style>\n"
    );
    let (wide, high, centre) = (wide - 1.0, high - 1.0, wide / 2.0);
    let bar = TITLE_BAR + 0.5;
    let _ = write!(
        svg,
        "<rect class=\"w\" x=\".5\" y=\".5\" width=\"{wide:.0}\" height=\"{high:.0}\" rx=\"10\"/>\n\
         <path class=\"b\" style=\"stroke:none;fill:#1f2530\" d=\"M1 {bar}V11A10 10 0 0 1 11 1H{:.0}a10 10 0 0 1 10 10V{bar}z\"/>\n\
         <circle cx=\"20\" cy=\"17.5\" r=\"5.5\" fill=\"#ff6b60\"/><circle cx=\"39\" cy=\"17.5\" r=\"5.5\" fill=\"#e8b94a\"/>\
         <circle cx=\"58\" cy=\"17.5\" r=\"5.5\" fill=\"#56d364\"/>\n\
         <text class=\"t\" x=\"{centre:.0}\" y=\"22\" text-anchor=\"middle\">{title}</text>\n",
        wide - 10.0,
    );
    for row in 0..ROWS {
        for run in runs(screen, row) {
            draw(&mut svg, row, &run);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, row: u16, run: &Run) {
    let x = PADDING + f32::from(run.column) * WIDTH;
    let y = PADDING + TITLE_BAR + f32::from(row) * HEIGHT;
    let wide = f32::from(run.cells) * WIDTH;
    if run.swapped {
        let _ = writeln!(
            svg,
            "<rect{} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{HEIGHT}\" rx=\"3\"/>",
            with_class(&run.class)
        );
    }
    if run.lines {
        let mut path = String::new();
        if run.text.chars().all(|c| c == '─' || c == '━') {
            let _ = write!(path, "M{x:.1} {:.1}h{wide:.1}", y + HEIGHT / 2.0);
        } else {
            for (at, letter) in run.text.chars().enumerate() {
                let centre = (x + (at as f32 + 0.5) * WIDTH, y + HEIGHT / 2.0);
                for (right, down) in strokes(letter.encode_utf8(&mut [0; 4])).unwrap() {
                    let (right, down) = (right * WIDTH, down * HEIGHT);
                    let _ = write!(path, "M{:.1} {:.1}l{right:.1} {down:.1}", centre.0, centre.1);
                }
            }
        }
        let heavy = if run.text.contains('━') { " heavy" } else { "" };
        let _ = writeln!(svg, "<path{} d=\"{path}\"/>", with_class(format!("{}{heavy}", run.class).trim()));
        return;
    }
    let class = if run.swapped { "on bold" } else { &run.class };
    // Some viewers collapse several blanks, so each piece between them is placed separately.
    let mut column = 0;
    for piece in run.text.split("  ") {
        let shown = piece.trim_start();
        let indent = piece.chars().count() - shown.chars().count();
        let cells = shown.trim_end().chars().count();
        if cells > 0 {
            let _ = writeln!(
                svg,
                "<text{} x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\">{}</text>",
                with_class(class),
                x + (column + indent) as f32 * WIDTH,
                y + HEIGHT * 0.76,
                cells as f32 * WIDTH,
                escaped(shown.trim_end()),
            );
        }
        column += piece.chars().count() + 2;
    }
}

/// Returns a picture without what differs from call to call: times, and numbers within tags, which are positions.
fn steady(svg: &str) -> String {
    let mut steady = String::new();
    for (at, part) in svg.split('<').enumerate() {
        if at > 0 {
            steady.push('<');
        }
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        steady.extend(tag.chars().filter(|c| !c.is_ascii_digit() && *c != '.' && *c != '-'));
        steady.push('>');
        let words = text.split(' ').map(|word| {
            let time = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == ':' || c == '.');
            if time && word.contains([':', '.']) { "TIME" } else { word }
        });
        steady.push_str(&words.collect::<Vec<_>>().join(" "));
    }
    steady
}

fn line(screen: &vt100::Screen, row: u16) -> String {
    screen.rows(0, COLUMNS).nth(row.into()).unwrap_or_default()
}

/// Plays a call up to a moment that shows a lot: a key has interrupted one question, and the next one is half said.
#[test]
fn the_picture_in_the_readme_shows_the_phone() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let command = ["phone", "--seed", "5", "scripts/guess.rhai", "--db", "guess/201=7"];
    let mut terminal = Terminal::start_on(COLUMNS, ROWS, agi_rhai(command).current_dir(project));
    // The dialogue with Asterisk in place of the log.
    terminal.press("t").sees("guess-welcome").press("#");
    terminal.wait_until("the first question", |screen| line(screen, 2).contains("▸ guess-enter")).press("50#");
    terminal.sees("guess-lower");
    terminal.wait_until("the second question, half said", |screen| {
        line(screen, 2).contains("▸ guess-enter") && line(screen, 5).matches('━').count() >= 24
    });
    let screen = terminal.screen.lock().unwrap().screen().clone();
    let svg = drawn(&screen, "agi-rhai phone scripts/guess.rhai");
    terminal.press("q").ends();
    let path = project.join(PICTURE);
    if std::env::var_os("AGI_RHAI_BLESS").is_some() {
        std::fs::write(&path, &svg).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if let Err(difference) = snapbox::Assert::new().try_eq(None, steady(&svg).into(), steady(&kept).into()) {
        panic!("{PICTURE} is out of date: AGI_RHAI_BLESS=1 cargo test picture redraws it\n{difference}");
    }
}
