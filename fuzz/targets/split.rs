//! Command lines: quoted words are split back into the same words, and no line breaks the splitter.
#![no_main]

use agi_rhai::internals::{quote, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let words = split(bytes);
    assert!(words.iter().map(Vec::len).sum::<usize>() <= bytes.len());

    // The parts of the input, as words of a line.
    let texts: Vec<_> = bytes.split(|b| *b == b'\n').map(String::from_utf8_lossy).collect();
    let mut line = b"VERB".to_vec();
    for text in &texts {
        line.push(b' ');
        let before = line.len();
        if quote(text, &mut line).is_err() {
            assert!(text.contains(['\0', '\n']));
            return;
        }
        assert!(!line[before..].contains(&b'\n'));
    }
    let words = split(&line);
    assert_eq!(words[0], b"VERB");
    assert!(words[1..].iter().map(Vec::as_slice).eq(texts.iter().map(|text| text.as_bytes())));
});
