//! Answers requests on this machine, to compare with WebAssembly: a line of JSON each, `[function, request]`.

use std::io::{BufRead, Write, stdin, stdout};

fn main() -> std::io::Result<()> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let answer = match serde_json::from_str::<(String, serde_json::Value)>(&line?) {
            Ok((function, request)) => playground::answer(&function, &request.to_string()),
            Err(error) => serde_json::json!({ "error": error.to_string() }).to_string(),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
