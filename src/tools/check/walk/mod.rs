//! The walk over a script, which knows what each name means at its place.

mod arguments;
mod calls;
mod closures;
mod conclude;
mod dead_code;
mod expressions;
mod known;
mod loops;
mod methods;
mod names;
mod scope;
mod services;
mod statements;
mod unused;
mod walker;

pub(super) use walker::walk;

use expressions::{literal, start};
use known::{Known, Later};
use walker::Walk;
