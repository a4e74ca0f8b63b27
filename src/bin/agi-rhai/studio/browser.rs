//! Opens the browser, where there is one.

use crate::out;
use std::env;
use std::io::{IsTerminal, stdout};

/// Opens an address, if somebody is at a desktop to see it.
pub fn open(address: &str) {
    let has_desktop =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|v| !v.is_empty()));
    if !stdout().is_terminal() || !has_desktop {
        return;
    }
    if let Err(error) = open::that_detached(address) {
        out::stderr_line(format_args!("The browser doesn't open by itself ({error}): open the address in it."));
    }
}
