//! What only a system with processes, files and sockets has.

/// Stands in for the thread of the clients.
pub(super) mod runtime {
    use crate::transport::Failure;
    use std::io;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tokio::runtime::Handle;

    pub(crate) fn runtime() -> io::Result<&'static Handle> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::service) async fn caught<T, E>(answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        answer.await
    }

    /// What isn't answered at once never is.
    pub(crate) fn wait_for<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => Err(Failure::unavailable("there is no thread for services here")),
        }
    }
}

/// Stands in for processes.
pub(super) mod process {
    use crate::transport::Failure;

    pub(in crate::service) struct Ended {
        pub status: i32,
        pub output: Vec<u8>,
        pub error: Vec<u8>,
    }

    #[expect(clippy::unused_async, reason = "as where there are processes")]
    pub(in crate::service) async fn run(
        _: &str,
        _: impl Iterator<Item = &str>,
        _: Option<&[u8]>,
        _: usize,
    ) -> Result<Ended, Failure> {
        Err(Failure::unavailable("there are no programs here"))
    }
}

/// Stands in for Asterisk's folder of call files.
pub(super) mod spool {
    use std::io;
    use std::path::Path;

    #[expect(dead_code, reason = "nobody reads it")]
    #[derive(Debug)]
    pub(in crate::service) struct CallFile {
        pub text: String,
        pub at: Option<i64>,
    }

    pub(in crate::service) fn spool_in(_: &Path, _: &str, _: &CallFile) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
