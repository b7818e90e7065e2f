//! What we know of Google's API: its paths, its errors, its models. Each rule taken from it names its source.

pub mod error;
pub mod path;
pub mod scan;
