//! `cargo xtask package`: the extension for one platform, with the program for it inside, as the stores take it.

mod program;
mod target;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::{cargo, node, root, say, usage};
use program::Program;
use target::{Libc, Target};

const USAGE: &str = "\
usage: cargo xtask package [--target T] [--binary FILE] [--out FILE] [--pre-release]
       --target        builds the program as it is published, for
                       win32-x64, win32-arm64, linux-x64, linux-arm64, alpine-x64, alpine-arm64, darwin-x64 or darwin-arm64;
                       without it for this machine, and it may need what only machines like this one have
       --binary        packs this program and builds none
       --out           the file to write; one in vscode-client/out by default
       --pre-release   for the stores' pre-releases
";
const EXTENSION: &str = "vscode-client";
const PROGRAM: &str = "gemini-aggregator";
/// Older than what the editor needs, so that a program runs wherever it does.
const GLIBC: &str = "2.17";
const ZIGBUILD: &str = "programs for linux-* and alpine-* are built by cargo-zigbuild, which is not installed: \
    pip install cargo-zigbuild ziglang (in a virtual environment that is on the PATH), then rustup target add";

/// What a command line asks for.
#[derive(Debug, PartialEq)]
enum Asked<'a> {
    Help,
    Package(Options<'a>),
}

#[derive(Debug, Default, PartialEq)]
struct Options<'a> {
    target: Option<&'static Target>,
    binary: Option<&'a str>,
    out: Option<&'a str>,
    pre_release: bool,
}

/// Runs it with the arguments behind `package`.
pub fn run(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let options = match read(arguments) {
        Ok(Asked::Package(options)) => options,
        Ok(Asked::Help) => return Ok(say(&mut std::io::stdout(), USAGE, ExitCode::SUCCESS)),
        Err(why) => return Ok(usage(&format!("cargo xtask package: {why}\n{USAGE}"))),
    };
    let published = options.target.is_some();
    let target = options.target.map_or_else(this_machine, Ok)?;
    let program = match options.binary {
        Some(file) => std::path::absolute(file)?,
        None => build(target, published)?,
    };
    let wants = look_at(&program, target, published)?;
    node::require()?;
    node::install(EXTENSION)?;
    let out = match options.out {
        Some(file) => std::path::absolute(file)?,
        None => root().join(EXTENSION).join("out").join(file_name(target, published)),
    };
    pack(&program, target, &out, options.pre_release)?;
    Ok(say(&mut std::io::stdout(), &format!("its program needs {wants}\n"), ExitCode::SUCCESS))
}

fn read<'a>(arguments: &[&'a str]) -> Result<Asked<'a>, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().copied().ok_or(format!("{option} wants a value"));
        match *option {
            "--help" | "-h" => return Ok(Asked::Help),
            "--target" => {
                let name = value()?;
                options.target = Some(target::named(name).ok_or(format!("there is no target {name}"))?);
            }
            "--binary" => options.binary = Some(value()?),
            "--out" => options.out = Some(value()?),
            "--pre-release" => options.pre_release = true,
            _ => return Err(format!("{option} is no option")),
        }
    }
    Ok(Asked::Package(options))
}

/// The program for release: for this machine, or as it is published.
fn build(target: &Target, published: bool) -> anyhow::Result<PathBuf> {
    let (subcommand, triple) = match (published, target.libc) {
        (false, _) => ("build", None),
        (true, Libc::Any) => ("build", Some(target.triple.to_owned())),
        (true, Libc::None) => ("zigbuild", Some(target.triple.to_owned())),
        (true, Libc::Glibc) => ("zigbuild", Some(format!("{}.{GLIBC}", target.triple))),
    };
    if subcommand == "zigbuild" {
        ensure!(cargo::has(subcommand), "{ZIGBUILD} {}", target.triple);
    }
    cargo::release(subcommand, PROGRAM, triple.as_deref())
}

/// Whether the program fits the target, and is ours where it can be started. Answers what it wants of the machines it runs on.
fn look_at(program: &Path, target: &Target, published: bool) -> anyhow::Result<program::Wants> {
    let shown = program.display();
    let file = std::fs::read(program).with_context(|| format!("cannot read {shown}"))?;
    let read = Program::read(&file)
        .with_context(|| format!("{shown} is no program that one of the targets could start"))?;
    if let Some(complaint) = read.complaint(target, published) {
        anyhow::bail!("{shown} is not for {}: it {complaint}", target.name);
    }
    if target.runs_here() {
        let told = Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let told = told.with_context(|| format!("{shown} does not start"))?;
        let ours = format!("{PROGRAM} {}\n", env!("CARGO_PKG_VERSION"));
        ensure!(told.stdout == ours.as_bytes(), "{shown} is not {}", ours.trim());
    }
    Ok(read.wants)
}

/// One that is not as it is published has another name, so that it is never taken for one that is.
fn file_name(target: &Target, published: bool) -> String {
    let local = if published { "" } else { "-local" };
    format!("{PROGRAM}-{}-{}{local}.vsix", target.name, env!("CARGO_PKG_VERSION"))
}

/// What packages for this machine are called.
pub fn this_machine() -> anyhow::Result<&'static Target> {
    target::host().context("there is no package for machines like this one: name another with --target")
}

/// The .vsix for this target, with this program in it.
pub fn pack(program: &Path, target: &Target, out: &Path, pre_release: bool) -> anyhow::Result<()> {
    let (program, out) = (program.to_string_lossy(), out.to_string_lossy());
    let mut arguments = vec!["run", "--silent", "package", "--", "--target", target.name];
    arguments.extend(["--binary", &program, "--out", &out]);
    if pre_release {
        arguments.push("--pre-release");
    }
    node::npm(&root().join(EXTENSION), &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::target::TARGETS;

    #[test]
    fn a_command_line_is_read_whole_or_refused() {
        let asked = Options {
            target: target::named("alpine-arm64"),
            binary: Some("a"),
            out: Some("b"),
            pre_release: true,
        };
        let line = ["--out", "b", "--pre-release", "--target", "alpine-arm64", "--binary", "a"];
        assert_eq!(read(&line), Ok(Asked::Package(asked)));
        assert_eq!(read(&[]), Ok(Asked::Package(Options::default())));
        assert_eq!(read(&["--pre-release", "-h"]), Ok(Asked::Help));
        for wrong in [&["linux-x64"][..], &["--target"], &["--target", "linux-armhf"], &["--out"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_target_is_named_wherever_people_and_machines_read_of_them() {
        let names = TARGETS.map(|target| target.name);
        assert!(names.iter().all(|name| USAGE.contains(name)));
        let text = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
        let workflow = text(".github/workflows/release.yml");
        let built: Vec<_> =
            workflow.lines().filter_map(|line| line.trim().strip_prefix("- target: ")).collect();
        assert_eq!(built, names);
        for target in &TARGETS {
            let row = format!("          - target: {}\n            triple: {}\n", target.name, target.triple);
            assert!(workflow.contains(&row), "{row}");
        }
        for file in ["CONTRIBUTING.md", "docs/guide.md", "docs/zh-CN/guide.md"] {
            let told = text(file);
            let missing: Vec<_> =
                names.into_iter().filter(|name| !told.contains(&format!("`{name}`"))).collect();
            assert_eq!(missing, [""; 0], "{file}");
        }
    }

    #[test]
    fn a_package_that_is_not_as_it_is_published_is_not_called_like_one() {
        let name = |published| file_name(&TARGETS[0], published);
        assert_eq!(name(true), format!("gemini-aggregator-win32-x64-{}.vsix", env!("CARGO_PKG_VERSION")));
        assert_ne!(name(true), name(false));
    }

    #[test]
    fn extension_and_program_have_one_version() {
        let manifest = std::fs::read_to_string(root().join(EXTENSION).join("package.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    fn this_machine_can_start_what_is_for_its_system_and_processor() {
        let running = TARGETS.iter().filter(|target| target.runs_here()).map(|target| target.name);
        assert_eq!(running.collect::<Vec<_>>(), ["linux-x64", "alpine-x64"]);
        assert_eq!(target::host(), target::named("linux-x64"));
    }
}
