//! Questions and menus on the real Asterisk: the callers and scripts of `ivr.rs`, with the same results, and every line
//! of the dialogue the same.

use crate::ivr::CASES;
use crate::live_commands::{Case, differing};
use crate::support::typing::type_ahead;
use std::time::Duration;

#[test]
fn live_questions_are_as_simulated() {
    // What the scripts say on the simulator is held against the table there; here the dialogues are held against each
    // other, and what a script says is part of its dialogue.
    let cases: Vec<Case> = CASES
        .iter()
        .map(|case| Case {
            name: case.name,
            plan: case.plan,
            script: format!("answer(); {}", case.script).leak(),
            simulated: |channel| channel,
            live: |call| call,
        })
        .collect();
    let (problems, _) = differing(&cases);
    assert!(problems.is_empty(), "{} of {} cases differ:\n{}", problems.len(), cases.len(), problems.join("\n"));
}

#[test]
fn live_keys_typed_ahead_are_not_lost() {
    // A thousand tries are in benches/ivr.rs.
    let lost = type_ahead(4, 5, Duration::from_millis(80));
    assert!(lost.is_empty(), "typed and heard: {lost:#?}");
}
