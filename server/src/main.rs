//! The process edge: arguments, logging, stdio or `serve`, the end. The only place that knows `anyhow`, and the only one that ends
//! the process: returning is not enough while a read of stdin is pending.

use std::io::Write;
use std::process::ExitCode;

use gemini_aggregator::{VERSION, editor, log, serve};

const USAGE: &str = "\
usage: gemini-aggregator                                     speak JSON-RPC on stdin and stdout (for the extension)
       gemini-aggregator serve --state FILE [--port N] [--storage DIR]
       GEMINI_API_KEYS=key,key gemini-aggregator serve [--port N] [--storage DIR]
       gemini-aggregator --version | --help
";

const HELP: &str = "
  --state FILE    the state as JSON; nobody else may be able to read it (chmod 600)
  --port N        instead of the state's port (3145); 0 takes any free port
  --storage DIR   where the ledger is kept (default: the platform's state folder)

  SIGTERM, Ctrl-C end after the requests in flight, 10 s at most; a second one ends at once. SIGHUP reads FILE again
  (after --state).
  GEMINI_AGGREGATOR_LOG=error|warn|info|debug|trace sets what is logged to stderr.
";

enum Command {
    Edit,
    Serve(serve::Arguments),
    Say(String),
    Usage,
}

fn main() -> ExitCode {
    // What is no text is no argument of ours.
    let arguments: Option<Vec<String>> =
        std::env::args_os().skip(1).map(|argument| argument.into_string().ok()).collect();
    let command = arguments.map_or(Command::Usage, |arguments| {
        command(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let code = match command {
        Command::Say(text) => write(&mut std::io::stdout(), &text, 0),
        Command::Usage => write(&mut std::io::stderr(), USAGE, 2),
        Command::Edit => {
            log::start(log::Reader::Editor);
            run(async { Ok(editor::run().await) })
        }
        Command::Serve(arguments) => {
            log::start(log::Reader::Person);
            run(async { Ok(serve::run(arguments).await?) })
        }
    };
    leave(code)
}

fn command(arguments: &[&str]) -> Command {
    match arguments {
        [] => Command::Edit,
        ["--version" | "-V"] => Command::Say(format!("gemini-aggregator {VERSION}\n")),
        ["--help" | "-h"] | ["serve", "--help" | "-h"] => Command::Say(format!("{USAGE}{HELP}")),
        ["serve", rest @ ..] => serve::Arguments::parse(rest).map_or(Command::Usage, Command::Serve),
        _ => Command::Usage,
    }
}

fn run(work: impl Future<Output = anyhow::Result<u8>>) -> u8 {
    raise_descriptor_limit();
    let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let ended = runtime.block_on(work);
        runtime.shutdown_background();
        log::finish();
        ended
    }) {
        Ok(code) => code,
        Err(error) => write(&mut std::io::stderr(), &format!("gemini-aggregator: {error:#}\n"), 1),
    }
}

/// Thousands of connections need more descriptors than the usual soft limit (S9).
#[cfg(unix)]
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Fewer connections, then; accepting says so when it comes to that.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(not(unix))]
fn raise_descriptor_limit() {}

fn write(out: &mut impl Write, text: &str, code: u8) -> u8 {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(_) => 1,
    }
}

#[expect(clippy::exit, reason = "a pending read of stdin would keep the process from ending")]
fn leave(code: u8) -> ! {
    std::process::exit(i32::from(code))
}
