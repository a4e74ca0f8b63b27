//! Advice on system errors.

use rustix::io::Errno;
use std::io;

/// Returns the error as text, with advice if there is any.
pub fn explained(error: &anyhow::Error) -> String {
    let system = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    match system.and_then(advice) {
        Some(advice) => format!("{error:#}: {advice}"),
        None => format!("{error:#}"),
    }
}

fn advice(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error)? {
        Errno::AGAIN => Some(
            "the limit of threads is reached: raise the number of processes of this user (`ulimit -u`), or TasksMax= and \
             LimitNPROC= in the unit",
        ),
        Errno::MFILE => Some("this program may not open more files: raise `ulimit -n`, or LimitNOFILE= in the unit"),
        Errno::NFILE => Some("the system has reached its limit of open files: raise fs.file-max (sysctl)"),
        Errno::ADDRINUSE => {
            Some("another program listens there, `ss -lnp` shows which: stop it, or choose another address")
        }
        Errno::ADDRNOTAVAIL => Some("this machine doesn't have that address, `ip address` lists its addresses"),
        _ => None,
    }
}

/// Returns the error of a failed attempt to listen on an address, with advice.
pub fn cannot_listen(address: &str, error: io::Error) -> anyhow::Error {
    let message = if error.kind() == io::ErrorKind::PermissionDenied {
        format!(
            "cannot listen on {address}; ports below 1024 are for root: use a higher one, or give the unit \
             AmbientCapabilities=CAP_NET_BIND_SERVICE"
        )
    } else {
        format!("cannot listen on {address}")
    };
    anyhow::Error::new(error).context(message)
}
