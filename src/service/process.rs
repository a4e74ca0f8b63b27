//! Processes: a program, run to its end.

use crate::agi::printable;
use crate::plural::plural;
use crate::transport::Failure;
use rustix::process::{Pid, Signal, kill_process_group};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

/// Everything that a program sees of the environment: the secrets of this process are not its business.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];
/// How long to wait for the rest of the output of a program that has ended, in case that something which it has started
/// still holds the pipe.
const REST_TIMEOUT: Duration = Duration::from_millis(500);

/// A part of the talk with a program.
type Step<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// A process group, which is killed when this is dropped: the program, and what it has started.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a program has ended.
pub(super) struct Ended {
    /// As a shell shows it: 128 and the number of the signal that has ended the program.
    pub status: i32,
    pub output: Vec<u8>,
    pub error: Vec<u8>,
}

/// Runs a program to its end. If this is dropped meanwhile, the program is killed.
///
/// # Errors
/// It can't be started, or writes more than this to one of its outputs.
pub(super) async fn run(
    program: &str,
    arguments: impl Iterator<Item = &str>,
    input: Option<&[u8]>,
    max_output: usize,
) -> Result<Ended, Failure> {
    let mut child = start(program, arguments, input.is_some())?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let steps: Vec<Step> = vec![
        Box::pin(feed(child.stdin.take(), input.unwrap_or_default())),
        Box::pin(read(child.stdout.take(), &mut output, max_output, "output")),
        Box::pin(read(child.stderr.take(), &mut error, max_output, "error")),
    ];
    let status = number(follow(&mut child, &mut group, steps).await?);
    Ok(Ended { status, output, error })
}

fn start<'a>(program: &str, arguments: impl Iterator<Item = &'a str>, has_input: bool) -> Result<Child, Failure> {
    let started = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/")
        .process_group(0)
        .stdin(if has_input { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    started.map_err(|error| match error.kind() {
        ErrorKind::ArgumentListTooLong => Failure::argument("the arguments are too long for this system"),
        _ => Failure::unavailable(format!("`{}` can't be started: {error}", printable(program))),
    })
}

/// Writes the input of a program, and closes it.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) -> Result<(), Failure> {
    if let Some(mut stdin) = stdin {
        // The program may end before it has read everything.
        let _ = stdin.write_all(input).await;
    }
    Ok(())
}

/// Reads what a program writes, up to the limit.
async fn read(from: Option<impl AsyncRead + Unpin>, read: &mut Vec<u8>, max: usize, what: &str) -> Result<(), Failure> {
    let Some(from) = from else { return Ok(()) };
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    // A broken pipe is the end of what it says.
    let _ = from.take(limit).read_to_end(read).await;
    if read.len() > max {
        let most = plural(max, "byte");
        return Err(Failure::failed(format!("the program wrote more than {most} to its {what} (`max_output`)")));
    }
    Ok(())
}

/// Waits until a program has ended and everything it wrote has been read.
async fn follow(child: &mut Child, group: &mut Group, mut steps: Vec<Step<'_>>) -> Result<ExitStatus, Failure> {
    let ended = {
        let mut ended = pin!(child.wait());
        poll_fn(|context| {
            advance(&mut steps, context)?;
            ended.as_mut().poll(context).map(Ok::<_, Failure>)
        })
        .await?
    };
    // What the program has left behind would keep the pipes open.
    group.kill();
    let rest = poll_fn(|context| {
        advance(&mut steps, context)?;
        if steps.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    });
    tokio::time::timeout(REST_TIMEOUT, rest).await.unwrap_or(Ok(()))?;
    ended.map_err(|error| Failure::unavailable(format!("the program got lost: {error}")))
}

/// Polls all steps that aren't done.
fn advance(steps: &mut Vec<Step<'_>>, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut result = Ok(());
    steps.retain_mut(|step| match step.as_mut().poll(context) {
        Poll::Ready(done) => {
            result = std::mem::replace(&mut result, Ok(())).and(done);
            false
        }
        Poll::Pending => true,
    });
    result
}

/// Returns a status as a shell shows it: 128 and the number of the signal that has ended the program.
fn number(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
