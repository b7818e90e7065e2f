//! What a built program says of itself: for which machines it is, and which C library it wants. Pure.

use super::target::{Libc, Target};

/// The newest glibc that a published program may need: the editor's own, so that it runs wherever the editor does.
const NEWEST_GLIBC: Version = (2, 28);
/// Before each version of glibc that a program names.
const GLIBC: &[u8] = b"GLIBC_";
/// A segment that names the program's loader.
const INTERPRETER: u64 = 3;

type Version = (u32, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    Windows,
    Linux,
    Mac,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    X64,
    Arm64,
}

/// The head of a program that one of the targets may have.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    pub system: System,
    pub processor: Processor,
    pub wants: Wants,
}

/// What it wants at its start.
#[derive(Debug, PartialEq, Eq)]
pub enum Wants {
    /// Nothing that could be missing.
    Nothing,
    /// A glibc of this version, or a newer one.
    Glibc(Version),
    /// The loader of another C library.
    Loader,
}

impl Program {
    /// Reads a whole file; `None` if it is no program for any target.
    pub fn read(file: &[u8]) -> Option<Self> {
        if file.starts_with(b"\x7fELF\x02\x01") {
            let processor = processor(number(file, 18, 2)?, [0x3e, 0xb7])?;
            return Some(Self { system: System::Linux, processor, wants: wants(file)? });
        }
        let (system, processor) = if file.starts_with(b"\xcf\xfa\xed\xfe") {
            (System::Mac, processor(number(file, 4, 4)?, [0x0100_0007, 0x0100_000c])?)
        } else if file.starts_with(b"MZ") {
            let head = usize::try_from(number(file, 0x3c, 4)?).ok()?;
            let rest = file.get(head..)?.strip_prefix(b"PE\0\0")?;
            (System::Windows, processor(number(rest, 0, 2)?, [0x8664, 0xaa64])?)
        } else {
            return None;
        };
        Some(Self { system, processor, wants: Wants::Nothing })
    }

    /// Why this target's machines cannot start it, if so. `published`: all of them, and not only machines like this one.
    pub fn complaint(&self, target: &Target, published: bool) -> Option<String> {
        if (self.system, self.processor) != (target.system, target.processor) {
            return Some(format!("is a program for {:?} on {:?}", self.system, self.processor));
        }
        match (&self.wants, target.libc) {
            (Wants::Loader, _) | (Wants::Glibc(_), Libc::None) => {
                Some("is linked to a C library of the system it was built on".to_owned())
            }
            (Wants::Glibc(version), Libc::Glibc) if published && *version > NEWEST_GLIBC => Some(format!(
                "needs {}, and the editor runs with {} already",
                glibc(*version),
                glibc(NEWEST_GLIBC)
            )),
            _ => None,
        }
    }
}

impl std::fmt::Display for Wants {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => to.write_str("no particular C library"),
            Self::Glibc(version) => write!(to, "{} or newer", glibc(*version)),
            Self::Loader => to.write_str("another C library"),
        }
    }
}

fn glibc((major, minor): Version) -> String {
    format!("glibc {major}.{minor}")
}

/// By the number a format has for it.
fn processor(number: u64, [x64, arm64]: [u64; 2]) -> Option<Processor> {
    match number {
        _ if number == x64 => Some(Processor::X64),
        _ if number == arm64 => Some(Processor::Arm64),
        _ => None,
    }
}

/// A little-endian number of so many bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Of a program for Linux. One without a loader is static.
fn wants(file: &[u8]) -> Option<Wants> {
    let start = usize::try_from(number(file, 32, 8)?).ok()?;
    let (size, count) = (number(file, 54, 2)?, number(file, 56, 2)?);
    let has_loader = (0..count).any(|index| {
        let at = usize::try_from(index * size).ok().and_then(|offset| start.checked_add(offset));
        at.and_then(|at| number(file, at, 4)) == Some(INTERPRETER)
    });
    Some(match (has_loader, newest_glibc(file)) {
        (false, _) => Wants::Nothing,
        (true, Some(version)) => Wants::Glibc(version),
        (true, None) => Wants::Loader,
    })
}

/// The newest one it names.
fn newest_glibc(file: &[u8]) -> Option<Version> {
    let starts = file.windows(GLIBC.len()).enumerate().filter(|(_, found)| *found == GLIBC);
    starts.filter_map(|(at, _)| version(&file[at + GLIBC.len()..])).max()
}

/// Major and minor at the start of this.
fn version(bytes: &[u8]) -> Option<Version> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(bytes.len());
    let mut parts = std::str::from_utf8(&bytes[..end]).ok()?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::target::named;

    /// A program for Linux with segments of these kinds, and this text behind them.
    fn elf(machine: u8, segments: &[u8], text: &str) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (file[18], file[32], file[54]) = (machine, 64, 56);
        file[56] = u8::try_from(segments.len()).unwrap();
        for kind in segments {
            file.push(*kind);
            file.extend([0; 55]);
        }
        file.extend(text.as_bytes());
        file
    }

    fn complaint(file: &[u8], target: &str, published: bool) -> Option<String> {
        Program::read(file).unwrap().complaint(named(target).unwrap(), published)
    }

    #[test]
    fn a_program_is_for_the_target_whose_machines_start_it() {
        let mut windows = vec![0; 0x100];
        windows[..2].copy_from_slice(b"MZ");
        windows[0x3c] = 0x80;
        windows[0x80..0x86].copy_from_slice(b"PE\0\0\x64\xaa");
        let programs: [(&[u8], &[&str]); 5] = [
            (&elf(0x3e, &[6, 1], ""), &["linux-x64", "alpine-x64"]),
            (&elf(0xb7, &[6, 3, 1], "GLIBC_2.17\0"), &["linux-arm64"]),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", &["darwin-x64"]),
            (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", &["darwin-arm64"]),
            (&windows, &["win32-arm64"]),
        ];
        for (file, fitting) in programs {
            for target in &crate::package::target::TARGETS {
                let fits = complaint(file, target.name, true).is_none();
                assert_eq!(fits, fitting.contains(&target.name), "{fitting:?} for {}", target.name);
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_is_no_program_is_for_nobody() {
        let whole = elf(0x3e, &[3], "");
        for file in
            [b"" as &[u8], b"#!/bin/sh\n", b"MZ", b"\xcf\xfa\xed\xfe", b"\x7fELF\x02\x01", &whole[..57]]
        {
            assert_eq!(Program::read(file), None, "{file:?}");
        }
        assert_eq!(Program::read(&elf(0x28, &[], "")), None, "another processor");
    }

    #[test]
    fn a_published_program_needs_no_newer_glibc_than_the_editor() {
        let with = |text: &str| elf(0x3e, &[3], text);
        let old = with("x GLIBC_2.2.5\0GLIBC_2.28\0GLIBC_PRIVATE\0GLIBC_2.9\0");
        assert_eq!(Program::read(&old).unwrap().wants, Wants::Glibc((2, 28)));
        assert_eq!(complaint(&old, "linux-x64", true), None);
        let new = with("GLIBC_2.17\0GLIBC_2.34");
        assert_eq!(
            complaint(&new, "linux-x64", true).as_deref(),
            Some("needs glibc 2.34, and the editor runs with glibc 2.28 already")
        );
        assert_eq!(complaint(&new, "linux-x64", false), None);
        assert!(complaint(&with("ld-musl"), "alpine-x64", false).is_some(), "not static");
    }
}
