//! Files: those of the system, or those that somebody has given where there is no disk.

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
mod given;
#[cfg(target_family = "wasm")]
mod lacking;
#[cfg(unix)]
mod system;

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
use given as files;
#[cfg(not(any(target_family = "wasm", feature = "sandbox")))]
use system as files;

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
pub use given::give;

pub use files::{absolute, bytes_of, entries, is_dir, is_file, listed, of_bytes, read, real};
pub(crate) use files::{is_link, open, size};

#[cfg(target_family = "wasm")]
pub(crate) use lacking::{Stamp, append_to_private, create_private_folder, is_executable, is_executable_within};
#[cfg(unix)]
pub(crate) use system::{
    Stamp, append_to_private, create_private_folder, is_executable, is_executable_within, open_without_waiting,
};
