//! The invariants of ARCHITECTURE.md that a lint cannot say.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below, with its path and text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 1, "{folder} holds sources");
    found
}

/// Up to the tests at the end. What else is there for tests only, in the midst, is looked at like all the rest.
fn before_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap()
}

/// Without tests and comments.
fn code(text: &str) -> String {
    before_tests(text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("_tests.rs") || name.ends_with("/tests.rs")
}

#[test]
fn decisions_are_pure() {
    for (name, text) in sources("server/src/policy") {
        for word in [
            "tokio",
            "reqwest",
            "hyper",
            "Mutex",
            "Instant",
            "SystemTime",
            "async",
            "wall_clock",
            "std::fs",
            "std::net::Tcp",
        ] {
            assert!(is_test(&name) || !code(&text).contains(word), "{name} names {word}");
        }
    }
}

#[test]
fn each_of_these_is_known_in_one_room_only() {
    for (word, rooms) in [
        ("tower_lsp", &["server/src/editor/", "server/src/log/least.rs"][..]),
        ("send_notification", &["server/src/editor/publish.rs"]),
        ("anyhow", &["server/src/main.rs"]),
        ("process::exit", &["server/src/main.rs"]),
        ("SystemTime", &["server/src/shared.rs"]),
        ("reqwest", &["server/src/dial/", "server/src/aside.rs", "server/src/log/least.rs"]),
        ("stdout()", &["server/src/main.rs", "server/src/serve.rs", "server/src/editor/mod.rs"]),
    ] {
        for (name, text) in sources("server/src") {
            let allowed = rooms.iter().any(|room| name.starts_with(room)) || is_test(&name);
            assert!(allowed || !code(&text).contains(word), "{name} names {word}");
        }
    }
}

#[test]
fn no_lock_can_meet_an_await() {
    let mut texts: Vec<String> = sources("server/src/shared").into_iter().map(|(_, text)| text).collect();
    texts.push(std::fs::read_to_string(root().join("server/src/shared.rs")).unwrap());
    let locking: String = texts.iter().map(|text| code(text)).collect();
    for function in
        locking.split("\n    pub async fn ").skip(1).chain(locking.split("\npub async fn ").skip(1))
    {
        let body = function.split("\n    }").next().unwrap();
        assert!(!body.contains("lock("), "an async function locks: {body}");
    }
}

#[test]
fn no_file_is_longer_than_it_can_be_read() {
    for folder in ["server/src", "protocol/src", "tests/fake-gemini/src", "bench/src", "xtask/src"] {
        for (name, text) in sources_or_file(folder) {
            let lines = before_tests(&text).lines().count();
            assert!(is_test(&name) || lines <= 400, "{name} has {lines} lines before its tests");
        }
    }
}

fn sources_or_file(folder: &str) -> Vec<(String, String)> {
    let file = root().join(folder).join("main.rs");
    match std::fs::read_dir(root().join(folder)).unwrap().count() {
        1 => vec![(format!("{folder}/main.rs"), std::fs::read_to_string(file).unwrap())],
        _ => sources(folder),
    }
}
