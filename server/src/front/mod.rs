//! The dialects offered downstream.

pub mod gemini;
