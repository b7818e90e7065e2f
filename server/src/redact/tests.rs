use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

pub const KEY: &str = "AIzaSyA234567890123456789012345678901xyz";

fn knows(key: &str) -> Redactor {
    Redactor::new([Secret::new(key)])
}

/// A text spelled character by character, in forms that take turns; `in_json`: in a way that stands in a JSON text.
pub fn spell(text: &str, forms: &[u8], in_json: bool) -> String {
    let mut forms = forms.iter().cycle();
    let html = |character: char| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => format!("&#{};", other as u32),
    };
    let json = |character: char| match character {
        '"' | '\\' => format!("\\{character}"),
        other => other.to_string(),
    };
    text.chars()
        .map(|character| match forms.next().unwrap() % 9 {
            0 if !in_json => character.to_string(),
            0 | 1 => json(character),
            2 => format!("\\u{:04x}", character as u32),
            3 => format!("\\u{:04X}", character as u32),
            4 => format!("%{:02x}", character as u32),
            5 => format!("%{:02X}", character as u32),
            6 => html(character),
            7 => format!("&#x{:x};", character as u32),
            _ => format!("&#X{:04X};", character as u32),
        })
        .collect()
}

#[test]
fn googles_own_text_loses_the_key_it_quotes() {
    let body = format!("{{\"message\":\"Permission denied: Consumer 'api_key:{KEY}' has been suspended.\"}}");
    for redactor in [knows(KEY), Redactor::default()] {
        assert_eq!(
            redactor.text(&body),
            "{\"message\":\"Permission denied: Consumer 'api_key:AIza…1xyz' has been suspended.\"}"
        );
    }
    assert_eq!(Redactor::default().text("Consumer 'api_key:abcdef' is"), "Consumer 'api_key:…ef' is");
}

#[test]
fn credentials_nobody_configured_are_known_by_their_looks() {
    for (text, clean) in [
        (format!("got {KEY}!"), "got AIza…1xyz!"),
        (format!("got\\n{KEY}\\n"), "got\\nAIza…1xyz\\n"),
        (format!("key\\u003d{KEY} key%3D{KEY}"), "key\\u003dAIza…1xyz key%3DAIza…1xyz"),
        ("AQ.Ab8RN6JqvJ1234567890abcd failed".to_owned(), "AQ.A…abcd failed"),
        ("auth_tokens/0123456789abcdef0123".to_owned(), "auth…0123"),
        ("https://x/y?key=whatever&alt=sse".to_owned(), "https://x/y?key=…er&alt=sse"),
        ("<a href=\"/y?a&amp;key=whatever\">".to_owned(), "<a href=\"/y?a&amp;key=…er\">"),
        ("\"/y?a\\u0026key=whatever\"".to_owned(), "\"/y?a\\u0026key=…er\""),
        ("/y?a&access_token=whatever".to_owned(), "/y?a&access_token=…er"),
        ("api_key:abcdefg1, x".to_owned(), "api_key:…g1, x"),
        ("x-goog-api-key: abcdefg1".to_owned(), "x-goog-api-key: …g1"),
        ("Authorization: Bearer abcdefg1".to_owned(), "Authorization: Bearer …g1"),
        ("\"Bearer YWJjMTIzNDU2Nzg=\", \"b\"".to_owned(), "\"Bearer …g*\", \"b\""),
        ("bearer abcdefghijklmnopqrstuvwxyz".to_owned(), "bearer abcd…wxyz"),
    ] {
        assert_eq!(Redactor::default().text(&text), clean);
    }
}

#[test]
fn what_only_speaks_of_credentials_stays_as_it_is() {
    for text in [
        "The monkey=banana",
        "AIza is a prefix",
        "limit: 0, model: gemini",
        "AQ. no",
        "",
        "bearer of news",
        "a Bearer authentication header",
        "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\", scope=\"x\"",
        "Bearer error_description=\"The access token expired\"",
        "Bearer realm2024=\"x\", resource_metadata_2=\"https://x\"",
        "Bearer resource1=abcdef",
        "\"Bearer realm2024=\\\"x\\\"\"",
        "Expected OAuth 2 access token, login cookie or other valid authentication credential.",
        "set api_key:string or x-goog-api-key: required",
        "forbearer abcdefgh12",
    ] {
        let clean = Redactor::default().bytes(text.as_bytes()).into_owned();
        assert_eq!(String::from_utf8(clean).unwrap(), text);
        let value = HeaderValue::from_str(text).unwrap();
        assert_eq!(Redactor::default().header(&value, Scope::Any), value);
    }
}

#[test]
fn every_spelling_of_a_key_is_known() {
    let key = "a+b/c=d\"e\\f&gh";
    let mixed = "a%2Bb%2fc=d\\\"e\\\\f\\u0026gh";
    let twice = serde_json::to_string(&serde_json::to_string(key).unwrap()).unwrap();
    let spellings = (0..9).map(|form| spell(key, &[form], false));
    for spelling in spellings.chain([mixed.to_owned(), twice.trim_matches(['"', '\\']).to_owned()]) {
        assert_eq!(knows(key).text(&format!("<{spelling}>")), "<…gh>", "{spelling}");
    }
}

#[test]
fn a_key_with_odd_characters_behind_a_label_is_hidden_whole() {
    let key = "a+b/c=\"d\\e&<f>";
    for label in ["?key=", "'api_key:", "Bearer ", "x-goog-api-key: "] {
        for form in 0..9 {
            let text = format!("{label}{}' z", spell(key, &[form], false));
            assert_eq!(knows(key).text(&text), format!("{label}…f*' z"));
        }
    }
}

#[test]
fn of_secrets_that_overlap_nothing_is_shown() {
    let redactor = Redactor::new(["abcdefgh", "ghijklmn", "klmn", "ababab"].map(Secret::new));
    for (text, clean) in [
        ("-abcdefghijklmn-", "-…-"),
        ("-abcdefgh-ghijklmn-", "-…gh-…mn-"),
        ("-ababababab-", "-…-"),
        ("?key=xx-klmn-abcdefgh-xxxxxxxxxxx", "?key=…"),
    ] {
        assert_eq!(redactor.text(text), clean);
    }
}

#[test]
fn a_short_secret_is_hidden_as_a_word_of_its_own_and_only_if_no_text_is_mangled() {
    let redactor = Redactor::new(["k9x!", "abcd5", "true", "8080", "abc"].map(Secret::new));
    for (text, clean) in [
        ("{\"key\":\"k9x!\"} \\nabcd5", "{\"key\":\"…\"} \\n…d5"),
        ("xk9x! k9x!x abcd55 0abcd5", "xk9x! k9x!x abcd55 0abcd5"),
        ("{\"retry\":true,\"port\":8080,\"x\":\"abc\"}", "{\"retry\":true,\"port\":8080,\"x\":\"abc\"}"),
    ] {
        assert_eq!(redactor.text(text), clean);
    }
}

#[test]
fn a_mask_leaves_json_and_html_whole() {
    for key in ["\"abcdef", "abcdef\\", "\\\\abcdef\"", "<abcdef>"] {
        let json = serde_json::json!({ "a": format!("\\{key}\\n"), "b": [key, "c"] }).to_string();
        let clean = knows(key).text(&json);
        assert!(serde_json::from_str::<serde_json::Value>(&clean).is_ok(), "{clean}");
        assert!(!clean.contains("abcdef"), "{clean}");
    }
}

#[test]
fn a_header_is_clean_and_ascii_in_any_spelling() {
    for form in 0..9 {
        for key in [KEY, "a+b/c=\"d\\e&<f>"] {
            for scope in [Scope::Any, Scope::Configured] {
                let value = HeaderValue::from_str(&format!("a; {}; z", spell(key, &[form], false))).unwrap();
                let clean = knows(key).header(&value, scope);
                let wanted = if key == KEY { "a; AIza***1xyz; z" } else { "a; ***f*; z" };
                assert_eq!(clean.to_str().unwrap(), wanted, "{value:?}");
            }
        }
    }
    let other = HeaderValue::from_str(&format!("/y?key={KEY}")).unwrap();
    assert_eq!(Redactor::default().header(&other, Scope::Configured), other, "an answer's own");
    assert_eq!(Redactor::default().header(&other, Scope::Any), "/y?key=AIza***1xyz");
    let foreign = HeaderValue::from_bytes("é 密".as_bytes()).unwrap();
    assert_eq!(knows(KEY).header(&foreign, Scope::Any), foreign, "nothing to hide");
}

#[test]
fn the_time_it_takes_is_that_of_the_text() {
    let keys = |begin: &str| (0..1_000).map(|at| Secret::new(format!("{begin}{at:035}"))).collect::<Vec<_>>();
    let pool = || keys("AIza");
    let cases = [
        ("prose", pool(), "An ordinary refusal, sentence by sentence. ".to_owned()),
        ("beginnings of keys", pool(), "AIza000000000000000000000000000000000".to_owned()),
        ("one beginning", pool(), "AIza".to_owned()),
        ("backslashes", vec![Secret::new("\\".repeat(30))], "\\".to_owned()),
        (
            "escaped backslashes",
            vec![Secret::new("\\".repeat(80)), Secret::new("%5c".repeat(30))],
            "\\%5c".to_owned(),
        ),
        ("nearly backslashes", vec![Secret::new(format!("{}b", "\\".repeat(30)))], "\\".to_owned()),
        ("nearly", vec![Secret::new(format!("{}b", "a".repeat(80)))], "a".to_owned()),
        ("key after key", pool(), format!("{} ", pool()[7].expose())),
    ];
    for (what, secrets, text) in cases {
        let redactor = Redactor::new(secrets);
        let body = text.repeat(64 * 1024 / text.len() + 1);
        let started = Instant::now();
        let clean = redactor.bytes(body.as_bytes());
        // Unoptimized and on a busy machine; what grows with the keys or exponentially takes minutes.
        assert!(started.elapsed() < Duration::from_secs(10), "{what} took {:?}", started.elapsed());
        assert!(clean.len() <= body.len(), "{what}");
    }
}

proptest! {
    #[test]
    fn no_key_of_any_shape_survives(
        key in r"[!-~]{6,80}|AIza[0-9A-Za-z_-]{35}|AQ\.[0-9A-Za-z_-]{20,60}|[\\'&<>%+]{6,20}|[!-~][ -~]{4,20}[!-~]",
        forms in proptest::collection::vec(0_u8..9, 1..8),
        before in "[ -~]{0,20}",
        label in "|Consumer 'api_key:|\\?key=|&key=|Bearer |x-goog-api-key: |\\\\n|\\\\|\"",
        behind in r#"|['"&<>\\][ -~]{0,20}|[ -~]{0,20}"#,
    ) {
        let spelling = spell(&key, &forms, false);
        let redactor = knows(&key);
        let text = format!("{before}{label}{spelling}{behind}");
        let clean = redactor.text(&text);
        prop_assert!(!clean.contains(&key) && !clean.contains(&spelling), "{clean}");
        prop_assert!(redactor.hidden(clean.as_bytes(), Scope::Configured).is_empty(), "{clean}");
        let header = redactor.header(&HeaderValue::from_str(&text).unwrap(), Scope::Configured);
        let header = header.to_str().unwrap();
        prop_assert!(!header.contains(&key) && !header.contains(&spelling), "{header}");
    }

    #[test]
    fn keys_that_lie_in_each_other_do_not_survive_either(
        keys in proptest::collection::vec(r#"[ab\\"]{6,10}"#, 1..4),
        parts in proptest::collection::vec((r#"[ab\\"]{0,8}"#, 0_usize..4, 0_usize..8), 0..5),
    ) {
        let redactor = Redactor::new(keys.iter().map(|key| Secret::new(key.as_str())));
        let mut text = String::new();
        for (between, at, cut) in &parts {
            let key = &keys[at % keys.len()];
            text.push_str(between);
            text.push_str(&key[..key.len().saturating_sub(*cut)]);
            text.push_str(key);
        }
        let clean = redactor.text(&text);
        for key in &keys {
            prop_assert!(!clean.contains(key.as_str()), "{key} in {clean}");
        }
    }

    #[test]
    fn text_without_secrets_is_not_even_copied(text in r#"[ -~\r\né]{0,200}"#) {
        let redactor = knows("not-in-the-text-at-all-1234567890");
        // No label and no shape does without these.
        let text = text.replace(['a', 'A', 'k', 'K', 'B', 'b'], "-");
        prop_assert!(matches!(redactor.bytes(text.as_bytes()), Cow::Borrowed(same) if same == text.as_bytes()));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), tail in 0_usize..400) {
        let redactor = Redactor::new(["\\\\\\\\\\\\", "密钥密钥", "a&b<c>"].map(Secret::new));
        let (_, read) = redactor.prefix(&bytes, tail);
        prop_assert!(read <= bytes.len() && read + tail >= bytes.len());
    }
}

#[test]
fn a_name_is_shown_unless_it_is_or_may_be_a_credential() {
    let redactor =
        Redactor::new([Secret::new("secretword"), Secret::new("AIzaSyA234567890123456789012345678901xyz")]);
    for name in ["gemini-3.6-flash", "generateContent", "streamGenerateContent", "tunedModels/x", "-", ""] {
        assert_eq!(redactor.name(name.to_owned()), name);
    }
    for name in [
        "secretword",
        "AIzaSyA234567890123456789012345678901xyz",
        "AIzaSyForeign-key-of-somebody-else-0123456",
        "AQ.Ab8RN6JqvJ1234567890abcd",
        "m?key=abcdef1",
    ] {
        assert!(redactor.name(name.to_owned()).contains('…'), "{name}");
    }
}
