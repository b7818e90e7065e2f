//! Local reverse proxy for the Gemini API, run by the VS Code extension as a sidecar, or by hand with `serve`.
//!
//! Read [`proxy`] first: one request, top to bottom (`listen → proxy → attempt → deliver`). Then [`policy`], where every
//! decision is made: pure functions of a snapshot, a time and an outcome. [`editor`] holds the two ends of the wire to the
//! extension, [`shared`] what tasks share and who writes it, [`failure`] every end without an upstream answer, [`gemini`]
//! what we know of Google's API.

pub mod answer;
pub mod aside;
pub mod attempt;
pub mod chance;
pub mod deliver;
pub mod diagnose;
pub mod dial;
pub mod editor;
pub mod failure;
pub mod front;
pub mod gemini;
pub mod headers;
pub mod health;
pub mod hold;
pub mod lease;
pub mod listen;
pub mod live;
pub mod log;
pub mod notes;
pub mod parent;
pub mod policy;
pub mod proxy;
pub mod record;
pub mod redact;
pub mod retest;
pub mod serve;
pub mod shared;
pub mod sse;
pub mod store;
pub mod tour;
pub mod trial;
pub mod upload;
pub mod windows;

/// Version of the sidecar, as `--version`, the status and `x-gemini-aggregator` tell it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
