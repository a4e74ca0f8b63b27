//! Programs of this machine. There is no shell: what a script adds is an argument, whatever is in it.

use super::process::run;
use super::settings::ProgramSettings;
use super::settings::values::Size;
use crate::transport::{Answer, Failure, Request};
use serde_json::{Value, json};

/// How much a program may write unless the operator says otherwise, to each of standard output and standard error.
const MAX_OUTPUT: usize = 64 * 1024;
/// Runs a program.
#[derive(Debug)]
pub(super) struct ProgramClient {
    program: String,
    arguments: Vec<String>,
    options: bool,
    max_output: usize,
}

/// Checks a request as far as that doesn't depend on the operator's settings.
///
/// # Errors
/// No program would be run.
pub(super) fn check(request: &Request) -> Result<(), Failure> {
    let client = ProgramClient { program: String::new(), arguments: Vec::new(), options: true, max_output: MAX_OUTPUT };
    client.given(request.argument("arguments")).map(drop)
}

impl ProgramClient {
    /// Creates a client with these settings.
    pub fn new(settings: &ProgramSettings) -> Result<Self, Failure> {
        let Some((program, arguments)) = settings.command.split_first().filter(|(program, _)| !program.is_empty())
        else {
            return Err(Failure::argument("its `command` in agi-rhai.toml names no program"));
        };
        Ok(Self {
            program: program.clone(),
            arguments: arguments.to_vec(),
            // What comes behind `--` is no option to the program.
            options: settings.options || arguments.last().is_some_and(|last| last == "--"),
            max_output: settings.max_output.map_or(MAX_OUTPUT, |Size(size)| size),
        })
    }

    /// Answers a request. If it is dropped meanwhile, the program is killed.
    pub async fn answer(&self, request: &Request) -> Answer {
        let given = self.given(request.argument("arguments"))?;
        let arguments = self.arguments.iter().map(String::as_str).chain(given);
        let input = request.argument("input").as_str().map(str::as_bytes);
        let ended = run(&self.program, arguments, input, self.max_output).await?;
        Ok(json!({
            "status": ended.status,
            "output": String::from_utf8_lossy(&ended.output),
            "error": String::from_utf8_lossy(&ended.error),
        }))
    }

    /// Returns the arguments of the script.
    fn given<'a>(&self, arguments: &'a Value) -> Result<Vec<&'a str>, Failure> {
        let arguments = match arguments {
            Value::Array(arguments) => arguments.as_slice(),
            Value::Null => &[],
            one => std::slice::from_ref(one),
        };
        let mut given = Vec::new();
        for (at, argument) in arguments.iter().enumerate() {
            let wrong = |problem: &str| Err(Failure::argument(format!("argument {} {problem}", at + 1)));
            match argument.as_str() {
                None => return wrong("is not a text"),
                Some(text) if text.contains('\0') => return wrong("holds a NUL character"),
                Some(text) if text.starts_with('-') && !self.options => {
                    return wrong(
                        "begins with `-` and could be an option, which agi-rhai.toml doesn't allow: there, `command` \
                         may end with \"--\" if the program knows that, or `options = true` allows them",
                    );
                }
                Some(text) => given.push(text),
            }
        }
        Ok(given)
    }
}
