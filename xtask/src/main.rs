//! `cargo xtask demo | editor | test | bench | package`: every chore of the repository, in Rust, so that it runs anywhere cargo does.

mod bench;
mod cargo;
mod debian;
mod demo;
mod editor;
mod node;
mod package;
mod test;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask demo     the real program in front of a failing pool of keys, and what it makes of it (--help tells more)
       cargo xtask editor   a real VS Code in the browser, with the packaged extension, a fake Gemini and two relays
       cargo xtask test     formatting, lints and every test, as CI runs them
       cargo xtask bench    forwarding beside nginx, as ratios
       cargo xtask package  the extension for one platform, with the program inside (--help tells more)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match *arguments.as_slice() {
        ["demo", ref rest @ ..] => demo::run(rest),
        ["editor", "test"] => editor::stories().map(|()| ExitCode::SUCCESS),
        ["editor", "pictures"] => editor::pictures().map(|()| ExitCode::SUCCESS),
        ["editor", ref rest @ ..] => editor::run(rest),
        ["test"] => test::run().map(|()| ExitCode::SUCCESS),
        ["bench", ref rest @ ..] => bench::run(rest).map(|()| ExitCode::SUCCESS),
        ["package", ref rest @ ..] => package::run(rest),
        ["--help" | "-h" | "help"] => Ok(say(&mut std::io::stdout(), USAGE, ExitCode::SUCCESS)),
        _ => Ok(usage(USAGE)),
    };
    ended.unwrap_or_else(|error| {
        say(&mut std::io::stderr(), &format!("xtask: {error:#}\n"), ExitCode::FAILURE)
    })
}

/// Of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// For a command line that makes no sense.
fn usage(text: &str) -> ExitCode {
    say(&mut std::io::stderr(), text, ExitCode::from(2))
}

fn say(out: &mut impl Write, text: &str, code: ExitCode) -> ExitCode {
    match out.write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
