//! The thread on which the clients of services run.

#[cfg(feature = "store")]
use crate::transport::Failure;
use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle};

/// Returns the runtime, which the first use starts: what isn't used costs no time at the start. It ends with the
/// process.
///
/// # Errors
/// The system has no thread or descriptor left.
pub(crate) fn runtime() -> std::io::Result<&'static Handle> {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    if let Some(handle) = RUNTIME.get() {
        return Ok(handle);
    }
    let runtime = Builder::new_current_thread().enable_all().thread_name("services").build()?;
    let handle = runtime.handle().clone();
    // Two threads may come here at once; the runtime of the second one ends at once.
    if RUNTIME.set(handle).is_ok() {
        std::thread::Builder::new()
            .name("services".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    }
    RUNTIME.get().ok_or_else(|| std::io::Error::other("no runtime"))
}

/// Waits for what a client does, on a thread that has nothing else to do.
#[cfg(feature = "store")]
pub(crate) fn wait_for<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match runtime() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => Err(Failure::unavailable(format!("no thread for services: {error}"))),
    }
}
