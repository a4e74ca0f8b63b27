//! The tz database: that of the machine, or what somebody has given where there is none.

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
mod given;
#[cfg(not(any(target_family = "wasm", feature = "sandbox")))]
mod system;

#[cfg(any(target_family = "wasm", feature = "sandbox"))]
use given as source;
#[cfg(not(any(target_family = "wasm", feature = "sandbox")))]
use system as source;

pub(crate) use source::{local, named, names};
