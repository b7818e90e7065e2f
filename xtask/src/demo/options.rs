//! What the demo was asked for: the command line and the keys of the environment.

use aggregator_protocol::{Secret, defaults};

pub const USAGE: &str = "\
usage: cargo xtask demo [--stay] [--model NAME] [--fake | --upstream URL]
";

pub const HELP: &str = "
Builds the sidecar, starts it as the VS Code extension does, sends a streaming and a unary request through it, and shows what
it decided and why. With Node 20 or newer on the PATH a second act follows: two relays, one of which is killed while requests go on.
Ends with 0 only if everything came out right.

Without keys in the environment it talks to a fake Gemini on this machine. Keys of your own make it talk to Google, in one act:

  GEMINI_API_KEY=AIza... cargo xtask demo
  GEMINI_API_KEYS=AIza...,AIza... cargo xtask demo

  --stay          leave the endpoint up afterwards, on port 3145 if it is free; Ctrl-C ends it
  --model NAME    the model to ask (default: gemini-flash-latest)
  --fake          the fake Gemini, whatever keys there are
  --upstream URL  your keys against this origin in place of Google's
";

/// Google's own name for its current fast model.
const MODEL: &str = "gemini-flash-latest";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub stay: bool,
    pub model: String,
    pub upstream: Upstream,
}

/// Who answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The fake, with keys of its own.
    Fake,
    /// The Gemini API at this origin, with the user's keys.
    Real { origin: String, secrets: Vec<Secret> },
}

/// What a command line comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Demo(Options),
    Help,
    /// It makes no sense: why.
    Wrong(String),
}

/// Reads the arguments behind `demo`; `variable` looks into the environment.
pub fn read(arguments: &[&str], variable: impl Fn(&str) -> Option<String>) -> Asked {
    let mut options = Options { stay: false, model: MODEL.into(), upstream: Upstream::Fake };
    let (mut fake, mut origin) = (false, None);
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| Asked::Wrong(format!("{name} wants a value")));
        match *name {
            "--help" | "-h" => return Asked::Help,
            "--stay" => options.stay = true,
            "--fake" => fake = true,
            "--model" => match value() {
                Ok(model) => options.model = model.trim_start_matches("models/").into(),
                Err(wrong) => return wrong,
            },
            "--upstream" => match value() {
                Ok(url) => origin = Some((*url).to_owned()),
                Err(wrong) => return wrong,
            },
            _ => return Asked::Wrong(format!("{name} is not known")),
        }
    }
    let secrets = if fake { Vec::new() } else { secrets(variable) };
    let in_a_path = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    if options.model.is_empty() || !options.model.chars().all(in_a_path) {
        return Asked::Wrong("--model wants the name of a model".into());
    }
    if origin.is_some() && secrets.is_empty() {
        return Asked::Wrong("--upstream wants keys in GEMINI_API_KEY or GEMINI_API_KEYS".into());
    }
    if !secrets.is_empty() {
        options.upstream = Upstream::Real { origin: origin.unwrap_or_else(defaults::upstream), secrets };
    }
    Asked::Demo(options)
}

/// Each key once, in their order.
fn secrets(variable: impl Fn(&str) -> Option<String>) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = Vec::new();
    for text in ["GEMINI_API_KEYS", "GEMINI_API_KEY"].into_iter().filter_map(variable) {
        for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            let secret = Secret::new(key);
            if !secrets.contains(&secret) {
                secrets.push(secret);
            }
        }
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &str, environment: &[(&str, &str)]) -> Asked {
        let variable = |name: &str| {
            environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        read(&arguments.split_whitespace().collect::<Vec<_>>(), variable)
    }

    fn real(origin: &str, secrets: &[&str]) -> Upstream {
        Upstream::Real { origin: origin.into(), secrets: secrets.iter().copied().map(Secret::new).collect() }
    }

    #[test]
    fn without_anything_it_is_the_fake_and_it_ends() {
        let options = Options { stay: false, model: "gemini-flash-latest".into(), upstream: Upstream::Fake };
        assert_eq!(asked("", &[]), Asked::Demo(options));
        assert_eq!(asked("", &[("GEMINI_API_KEYS", " , ")]), asked("", &[("GEMINI_API_KEY", "")]));
    }

    #[test]
    fn keys_of_the_environment_lead_to_google_unless_the_fake_is_asked_for() {
        let keys = [("GEMINI_API_KEY", "c"), ("GEMINI_API_KEYS", "a, b,,c")];
        for (arguments, upstream) in [
            ("", real("https://generativelanguage.googleapis.com", &["a", "b", "c"])),
            ("--upstream https://gateway.example", real("https://gateway.example", &["a", "b", "c"])),
            ("--fake", Upstream::Fake),
        ] {
            let Asked::Demo(options) = asked(arguments, &keys) else { panic!("{arguments} is a demo") };
            assert_eq!(options.upstream, upstream, "{arguments}");
        }
    }

    #[test]
    fn flags_come_in_any_order() {
        let options = Options { stay: true, model: "gemini-3-pro".into(), upstream: Upstream::Fake };
        assert_eq!(asked("--model models/gemini-3-pro --stay", &[]), Asked::Demo(options));
        assert_eq!(asked("--stay --help", &[]), Asked::Help);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (arguments, word) in [
            ("--sty", "--sty"),
            ("stay", "stay"),
            ("--model", "--model"),
            ("--model a/../b", "--model"),
            ("--model ?key=1", "--model"),
            ("--upstream https://gateway.example", "GEMINI_API_KEY"),
        ] {
            let Asked::Wrong(why) = asked(arguments, &[]) else { panic!("{arguments} is accepted") };
            assert!(why.contains(word), "{arguments}: {why}");
        }
    }
}
