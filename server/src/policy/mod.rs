//! Every decision, and nothing else: no I/O, no clock, no lock, no task. Time is an argument.
//!
//! `config` turns what the client wants into something that cannot be wrong, `proxy` and `bypass` a network proxy; `route` says
//! which ways out a key may take; `pool` chooses and remembers; `verdict` judges an attempt by the facts in `outcome`; `cooldown`
//! says how long to rest; `health` reads what relays say of themselves; `ledger` counts.

pub mod base;
pub mod bypass;
pub mod config;
pub mod cooldown;
pub mod health;
pub mod ledger;
pub mod outcome;
pub mod pool;
pub mod problems;
pub mod proxy;
pub mod route;
pub mod verdict;

/// Milliseconds since the Unix epoch, or a length in milliseconds.
pub type Ms = u64;

/// One second.
pub const SECOND: Ms = 1_000;
/// One minute.
pub const MINUTE: Ms = 60 * SECOND;
/// One hour.
pub const HOUR: Ms = 60 * MINUTE;
