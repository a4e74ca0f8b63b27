//! What is to be done about an error of the system.

use rustix::io::Errno;
use std::io;

/// The error, and what is to be done about it where that is known.
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
            "the system gives no more threads: raise the number of processes of this user (`ulimit -u`), or TasksMax= and \
             LimitNPROC= in the unit",
        ),
        Errno::MFILE => Some("this program may open no more files: raise `ulimit -n`, or LimitNOFILE= in the unit"),
        Errno::NFILE => Some("the system opens no more files for anybody: raise fs.file-max (sysctl)"),
        Errno::ADDRINUSE => {
            Some("another program listens there, `ss -lnp` tells which: end it, or name another address")
        }
        Errno::ADDRNOTAVAIL => Some("this machine has no such address, `ip address` lists those it has"),
        _ => None,
    }
}

/// Why it cannot be listened on an address.
pub fn deaf(address: &str, error: io::Error) -> anyhow::Error {
    let what = if error.kind() == io::ErrorKind::PermissionDenied {
        format!(
            "cannot listen on {address}; ports below 1024 are for root: take a higher one, or give the unit \
             AmbientCapabilities=CAP_NET_BIND_SERVICE"
        )
    } else {
        format!("cannot listen on {address}")
    };
    anyhow::Error::new(error).context(what)
}
