//! The fake as a program: `fake-gemini [--port N] [--keys a,b] [--script FILE] [--pace MS]`.
//!
//! Prints one line with its URL. `--script` is a JSON array of rules (see [`fake_gemini::Rule`]). While it runs, `GET /__fake/seen`
//! tells what it saw, `POST /__fake/rules` adds rules, `POST /__fake/reset` forgets both.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use fake_gemini::Fake;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut port, mut keys, mut script, mut pace) = (0, None, None, 0);
    while let Some(name) = arguments.next() {
        let Some(value) = arguments.next() else { return usage() };
        match name.as_str() {
            "--port" => port = value.parse().unwrap_or(0),
            "--keys" => keys = Some(value),
            "--script" => script = Some(value),
            "--pace" => pace = value.parse().unwrap_or(0),
            _ => return usage(),
        }
    }
    let fake = Fake::start_on(port).await;
    if let Some(keys) = keys {
        fake.knows(keys.split(',').map(str::trim));
    }
    if let Some(file) = script
        && let Err(error) = std::fs::read_to_string(&file)
            .map_err(|error| error.to_string())
            .and_then(|text| fake.rules_from_json(&text))
    {
        let _ = writeln!(std::io::stderr(), "{file}: {error}");
        return ExitCode::FAILURE;
    }
    fake.pace(Duration::from_millis(pace));
    if writeln!(std::io::stdout(), "{}", fake.url()).is_err() {
        return ExitCode::FAILURE;
    }
    let _ = tokio::signal::ctrl_c().await;
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let _ =
        writeln!(std::io::stderr(), "usage: fake-gemini [--port N] [--keys a,b] [--script FILE] [--pace MS]");
    ExitCode::FAILURE
}
