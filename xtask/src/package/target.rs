//! The platforms there are packages for, by the names that the stores have for them.

use super::program::{Processor, System};

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// As in the stores.
    pub name: &'static str,
    /// As the compiler calls it.
    pub triple: &'static str,
    pub system: System,
    pub processor: Processor,
    pub libc: Libc,
}

/// What a program may expect of the system's C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    /// That of every version of the system that the compiler knows.
    Any,
    /// An old glibc.
    Glibc,
    /// Nothing: Alpine has another one.
    None,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    target("win32-x64", "x86_64-pc-windows-msvc", System::Windows, Processor::X64, Libc::Any),
    target("win32-arm64", "aarch64-pc-windows-msvc", System::Windows, Processor::Arm64, Libc::Any),
    target("linux-x64", "x86_64-unknown-linux-gnu", System::Linux, Processor::X64, Libc::Glibc),
    target("linux-arm64", "aarch64-unknown-linux-gnu", System::Linux, Processor::Arm64, Libc::Glibc),
    target("alpine-x64", "x86_64-unknown-linux-musl", System::Linux, Processor::X64, Libc::None),
    target("alpine-arm64", "aarch64-unknown-linux-musl", System::Linux, Processor::Arm64, Libc::None),
    target("darwin-x64", "x86_64-apple-darwin", System::Mac, Processor::X64, Libc::Any),
    target("darwin-arm64", "aarch64-apple-darwin", System::Mac, Processor::Arm64, Libc::Any),
];

const fn target(
    name: &'static str,
    triple: &'static str,
    system: System,
    processor: Processor,
    libc: Libc,
) -> Target {
    Target { name, triple, system, processor, libc }
}

/// The one of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// This machine's.
pub fn host() -> Option<&'static Target> {
    let system = match std::env::consts::OS {
        "linux" if cfg!(target_env = "musl") => "alpine",
        "linux" => "linux",
        "macos" => "darwin",
        "windows" => "win32",
        _ => return None,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        _ => return None,
    };
    named(&format!("{system}-{processor}"))
}

impl Target {
    /// Whether this machine can start its programs.
    pub fn runs_here(&self) -> bool {
        host().is_some_and(|host| (host.system, host.processor) == (self.system, self.processor))
    }
}
