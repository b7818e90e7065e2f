//! `cargo xtask package` as a person runs it, as far as it goes without a build for release: that takes minutes. What a package holds
//! is looked at beside the extension, in `package.test.ts`.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::process::{Command, Stdio};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

fn package(arguments: &[&str]) -> Command {
    let mut command = Command::new(XTASK);
    command.arg("package").args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
fn run(mut command: Command) -> (Option<i32>, String, String) {
    let ended = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

#[test]
fn a_wrong_command_line_is_told_and_help_is_given() {
    for wrong in [
        &["--target", "linux-armhf"][..],
        &["--target"],
        &["--binary"],
        &["--release"],
        &["linux-x64"],
        &["--pre-release=yes"],
    ] {
        let (code, out, errors) = run(package(wrong));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(errors.contains(wrong.last().unwrap()), "{errors}");
        assert!(errors.contains("usage: cargo xtask package [--target T]"), "{errors}");
    }
    let (code, out, errors) = run(package(&["--help"]));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(out.starts_with("usage: cargo xtask package"), "{out}");
}

#[test]
fn a_program_that_is_not_ours_or_not_for_the_platform_is_not_packed() {
    // A program for this machine is never one for both of these.
    for target in ["win32-arm64", "darwin-x64"] {
        let (code, out, errors) = run(package(&["--target", target, "--binary", XTASK]));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains(&format!("is not for {target}")), "{errors}");
    }
    for (file, why) in [
        (XTASK, "is not gemini-aggregator 2."),
        (file!(), "cannot read"),
        (concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "is no program"),
    ] {
        let (code, out, errors) = run(package(&["--binary", file]));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains(why), "{errors}");
    }
}

#[test]
fn what_a_build_lacks_is_told_before_it_begins() {
    for target in ["linux-arm64", "alpine-x64"] {
        let mut command = package(&["--target", target]);
        let empty = env!("CARGO_TARGET_TMPDIR");
        command.env("PATH", empty).env("CARGO_HOME", empty);
        let (code, out, errors) = run(command);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains("pip install cargo-zigbuild ziglang"), "{errors}");
        assert!(errors.contains("rustup target add"), "{errors}");
    }
}
