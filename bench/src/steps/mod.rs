//! What is measured, a file a figure. Those that compare take a `round` each; the others are done once.

pub mod choice;
pub mod fallback;
pub mod faults;
pub mod hop;
pub mod latency;
pub mod memory;
pub mod soak;
pub mod start;
pub mod streams;
pub mod throughput;
