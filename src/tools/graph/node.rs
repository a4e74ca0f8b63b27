//! What a graph is made of.

/// The graph of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Its nodes. Those without a predecessor are where a call begins, and what happens after a hangup.
    pub nodes: Vec<Node>,
    /// Its edges, each pair of nodes at most once.
    pub edges: Vec<Edge>,
    /// The functions that are unfolded.
    pub groups: Vec<Group>,
}

/// A step of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A name that stays while other parts of the script change.
    pub id: String,
    /// What it does.
    pub kind: NodeKind,
    /// What it says or asks, the condition it decides, or the function it calls.
    pub title: String,
    /// More of it: the comment above a function, for example.
    pub detail: String,
    /// Where it is written, its first command first.
    pub spans: Vec<Span>,
    /// The lines of the function that is folded in it, and of all functions that it calls.
    pub covers: Vec<Span>,
    /// Whether it is a function that can be unfolded.
    pub folded: bool,
    /// The unfolded function in which it is: an index of `groups`.
    pub group: Option<usize>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// The call begins.
    Start,
    /// The caller has hung up.
    AfterHangup,
    /// Something is said.
    Prompt,
    /// The caller is asked for keys or words.
    Question,
    /// The caller is asked to choose.
    Menu,
    /// Somebody is called.
    Dial,
    /// The caller's voice is recorded.
    Record,
    /// A service is asked.
    Service,
    /// Asterisk's database is changed.
    Data,
    /// An application or a subroutine of the dialplan runs.
    Dialplan,
    /// Time passes.
    Wait,
    /// A function of the script.
    Function,
    /// The script decides.
    Decision,
    /// It goes on as often as a condition says.
    Loop,
    /// The script ends.
    End,
    /// The call is hung up.
    HangUp,
    /// The script ends with a fault.
    Fault,
    /// A point where ways meet, while the graph is being made.
    Junction,
}

impl NodeKind {
    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::AfterHangup => "after-hangup",
            Self::Prompt => "prompt",
            Self::Question => "question",
            Self::Menu => "menu-of-keys",
            Self::Dial => "call",
            Self::Record => "record",
            Self::Service => "service",
            Self::Data => "data",
            Self::Dialplan => "dialplan",
            Self::Wait => "wait",
            Self::Function => "function",
            Self::Decision => "decision",
            Self::Loop => "loop",
            Self::End => "end",
            Self::HangUp => "hang-up",
            Self::Fault => "fault",
            Self::Junction => "junction",
        }
    }
}

/// Lines of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The file, as the events of a call name it.
    pub file: String,
    /// The first line, from 1.
    pub first: usize,
    /// The last line.
    pub last: usize,
}

/// A way from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The index of the node at which it begins.
    pub from: usize,
    /// The index of the node to which it leads.
    pub to: usize,
    /// When it is taken: keys, or what has been decided; empty if always.
    pub label: String,
    /// Whether it leads back.
    pub back: bool,
}

/// A function that is unfolded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The id of the node that it is when it is folded.
    pub id: String,
    /// Its name.
    pub title: String,
    /// The function in which it is called, if that is unfolded, too: an index of `groups`.
    pub parent: Option<usize>,
    /// Where it is written.
    pub span: Span,
}

/// The functions that are unfolded.
#[derive(Clone, Copy, Debug)]
pub enum Unfold<'a> {
    /// Those with these ids of nodes.
    Some(&'a [String]),
    /// All, each where it is called first.
    All,
}
