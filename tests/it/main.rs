//! The real binary, real sockets, a scripted upstream. One file a group of acceptance rows; `support` starts the world.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod answers;
mod diagnose;
mod editor;
mod failures;
mod guard;
mod hostile;
mod keys;
mod limits;
mod openai;
mod process;
mod proxies;
mod relayed;
mod relays;
mod rpc;
mod second;
mod secrets;
mod streams;
mod support;
mod tidy;
mod tls;
mod trial;
mod uploads;
mod windows;
mod wire;
mod worker;
