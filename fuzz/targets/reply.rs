//! Input from Asterisk: no bytes break the parser, in whatever pieces they arrive.
#![no_main]

use agi_rhai::agi::Environment;
use agi_rhai::internals::{Frame, Framer};
use libfuzzer_sys::fuzz_target;

/// Returns the frames of these pieces, parsed whenever one has arrived.
fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.take().unwrap() {
            frames.push(frame);
        }
    }
    frames
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(end) = Environment::end(bytes) {
        assert!(end <= bytes.len() && bytes[..end].ends_with(b"\n"));
        // More bytes don't move the end.
        assert_eq!(Environment::end(&bytes[..end]), Some(end));
    }
    if let Ok(environment) = Environment::parse(bytes) {
        for (name, value) in environment.iter() {
            assert!(name.starts_with("agi_"));
            assert_eq!(environment.get(&name), Some(value));
        }
        let _ = (environment.arguments(), environment.line_limit());
    }

    for frame in frames(&[bytes]) {
        let Frame::Reply(reply) = frame else { continue };
        let _ = (reply.result(), reply.value(), reply.word(), reply.number("endpos"), reply.field("text0"));
        // What is written is read back, unless a value hides where it ends.
        if reply.code >= 200 && !reply.text.contains(['\n', '\u{fffd}', '(']) {
            assert_eq!(frames(&[format!("{reply}\n").as_bytes()]), [Frame::Reply(reply)]);
        }
    }
    // Without multi-line values, the pieces don't matter.
    if !bytes.contains(&b'(') {
        let (one, other) = bytes.split_at(bytes.len() / 2);
        assert_eq!(frames(&[bytes]), frames(&[one, other]));
    }
});
