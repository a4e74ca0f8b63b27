//! What only a system with processes, files and sockets has.

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
