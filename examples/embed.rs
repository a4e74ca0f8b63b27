//! A program that embeds the host and gives its scripts two functions of its own.
//!
//! ```sh
//! cargo run --example embed          # the script on a simulated call, and the dialogue it had
//! cargo run --example embed -- agi   # the same over standard input and output, as Asterisk's AGI() starts it
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use agi_rhai::command::DATABASE_PUT;
use agi_rhai::pbx::{Channel, IncomingCall, Plan};
use agi_rhai::script::Call;
use agi_rhai::transport::{Simulator, Stream};
use agi_rhai::{Host, Outcome, Session};
use rhai::{Dynamic, EvalAltResult, Module, NativeCallContext};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};

/// The stock of a shop by order number. A real one may come from a database.
const STOCK: [(&str, i64); 2] = [("12", 40), ("15", 0)];

const SCRIPT: &str = r#"
answer();
let number = get_data("agent-newlocation", 5000, 2);
let pieces = stock(number);
if pieces == () {
    stream_file("invalid");
} else {
    say_number(pieces);
    remember("asked", number);
}
"#;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("agi") {
        over(std::io::stdin(), std::io::stdout())?;
        return Ok(());
    }
    let (outcome, dialogue) = simulated("presses 12 after 3s")?;
    for line in dialogue {
        println!("{line}");
    }
    println!("{} after {} s", outcome.status, outcome.length.as_secs());
    Ok(())
}

/// Makes a host whose scripts can call `stock(number)` and `remember(key, value)`. Made once, it runs any number of
/// calls.
pub(crate) fn host() -> Host {
    let stock = BTreeMap::from(STOCK);
    let mut module = Module::new();
    // A function of values, independent of the call.
    module.set_native_fn("stock", move |number: &str| -> Result<Dynamic, Box<EvalAltResult>> {
        Ok(stock.get(number).map_or(Dynamic::UNIT, |pieces| Dynamic::from(*pieces)))
    });
    // A function of the call it is called in. The channel comes from the session's environment. A hangup or a refusal
    // reaches the script as it does from any command.
    module.set_native_fn(
        "remember",
        |context: NativeCallContext, key: &str, value: &str| -> Result<(), Box<EvalAltResult>> {
            let call = Call::of(&context)?;
            let channel =
                call.with_session(|session| session.environment().get("agi_channel").unwrap_or_default().into_owned())?;
            call.invoke(&DATABASE_PUT, &[channel.as_str().into(), key.into(), value.into()])?;
            Ok(())
        },
    );
    let mut host = Host::new();
    host.language_mut().add(module);
    // Scripts in which the checker finds an error are refused.
    host.check_scripts();
    host
}

/// Plays one call over any reader and writer: pipes, a socket, a test.
pub(crate) fn over(
    reader: impl Read + Send + 'static,
    writer: impl Write + Send + 'static,
) -> Result<Outcome, Box<dyn Error>> {
    let host = host();
    let script = host.compile("stock.rhai", SCRIPT)?;
    let session = Session::begin(Box::new(Stream::new(reader, writer)))?;
    Ok(host.run(session, &script, vec![]))
}

/// Plays one call with a simulated caller who follows a plan, under a virtual clock.
pub(crate) fn simulated(caller: &str) -> Result<(Outcome, Vec<String>), Box<dyn Error>> {
    let host = host();
    let script = host.compile("stock.rhai", SCRIPT)?;
    let plan: Plan = caller.parse()?;
    let simulator = Simulator::new(Channel::new(IncomingCall::default(), Box::new(plan)));
    let transcript = simulator.transcript();
    let outcome = host.run(Session::begin(Box::new(simulator))?, &script, vec![]);
    let dialogue = transcript.lock().map(|lines| lines.clone()).unwrap_or_default();
    Ok((outcome, dialogue))
}
