use aggregator_protocol::Secret;
use proptest::prelude::*;

use super::*;
use crate::redact::tests::{KEY, spell};

const MASK: &str = "AIza…1xyz";
const EVENT: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"AIzaSyA234567890123456789012345678901xyz, [{\"}]}}]}\r\n\r\n";

/// What comes out of a stream in pieces of these sizes, how many bytes were held at most, and the error.
fn run(kind: Kind, stream: &str, sizes: &[usize]) -> (String, usize, Option<Value>) {
    let mut scrubber = Scrubber::new(Arc::new(Redactor::new([Secret::new(KEY)])), kind);
    let (mut out, mut most, mut at, mut turn) = (Vec::new(), 0, 0, 0);
    while at < stream.len() {
        let end = (at + sizes[turn % sizes.len()].max(1)).min(stream.len());
        out.extend_from_slice(&scrubber.feed(Bytes::copy_from_slice(&stream.as_bytes()[at..end])));
        most = most.max(end - out.len().min(end));
        (at, turn) = (end, turn + 1);
    }
    out.extend_from_slice(&scrubber.finish());
    (String::from_utf8(out).unwrap(), most, scrubber.error().cloned())
}

/// Whatever the pieces, the stream comes out like this, and the error is the one that `error` says.
fn check(kind: Kind, stream: &str, clean: &str, error: Option<u64>) {
    for size in 1..=stream.len() {
        let (out, _, found) = run(kind, stream, &[size]);
        assert_eq!(out, clean, "pieces of {size}");
        assert_eq!(found.and_then(|found| found["error"]["code"].as_u64()), error, "{stream}");
    }
}

/// Behind an error outside of events, in place of what its masks are shorter.
fn space(masks: usize, key: &str) -> String {
    " ".repeat(masks * (KEY.len() - key.len()))
}

#[test]
fn content_passes_at_once_and_untouched_even_if_it_quotes_a_key() {
    let stream = EVENT.repeat(3);
    for size in 1..40 {
        let (out, most, error) = run(Kind::Sse, &stream, &[size]);
        assert_eq!((out, most, error), (stream.clone(), 0, None), "pieces of {size}");
    }
}

#[test]
fn pieces_without_an_error_are_not_even_copied() {
    let array =
        "[{\"candidates\": [{\"error\": {\"a\": [1, {\"error\": \"x\"}]}}]}\r\n,\r\n{\"error\": null}";
    for (kind, stream) in
        [(Kind::Sse, EVENT), (Kind::OpenAi, EVENT), (Kind::JsonArray, array), (Kind::Unary, array)]
    {
        let mut scrubber = Scrubber::new(Arc::default(), kind);
        for piece in stream.as_bytes().chunks(7) {
            let piece = Bytes::copy_from_slice(piece);
            assert_eq!(scrubber.feed(piece.clone()).as_ptr(), piece.as_ptr());
        }
    }
}

#[test]
fn an_error_loses_its_key_wherever_it_is_cut() {
    let error =
        format!("{{\"error\": {{\"code\": 403, \"message\": \"Consumer 'api_key:{KEY}' {{ suspended\"}}}}");
    let pretty = error.replace(", ", ",\n    ").replacen('{', "{\n  ", 1);
    for tail in [
        format!("data: {error}\r\n\r\n"),
        format!("data:{error}\n\n"),
        format!("data: [{error}]\r\r"),
        format!("{error}\r\n\r\n"),
        format!("[{pretty}\n]\n"),
        format!("{pretty}\n"),
        format!("data: {error}"),
    ] {
        let next = if tail.ends_with('}') { "" } else { EVENT };
        let stream = format!("{EVENT}{tail}{next}");
        check(Kind::Sse, &stream, &format!("{EVENT}{}{next}", tail.replace(KEY, MASK)), Some(403));
    }
}

#[test]
fn an_error_in_several_lines_loses_its_keys_in_every_one_and_between_two() {
    for end in ["\n", "\r\n", "\r"] {
        let lines = [
            "event: x",
            "data: {\"error\": {\"code\": 403,",
            "data: \"message\": \"Consumer 'api_key:KEY' has\",",
            ": KEY too, since the event is an error",
            "data:\"details\": [\"KEY\"]",
            "data: }}",
            "",
            "",
        ];
        let stream = lines.join(end);
        let content = EVENT.replace("\r\n", end);
        let with = |key: &str| format!("{content}{}{content}", stream.replace("KEY", key));
        check(Kind::Sse, &with(KEY), &with(MASK), Some(403));
        let cut = format!("data: {{\"error\": \"{}{end}data: {} x\"}}{end}{end}", &KEY[..9], &KEY[9..]);
        let clean = format!("data: {{\"error\": \"{MASK} x\"}}{end}{end}");
        check(Kind::Sse, &format!("{cut}{content}"), &format!("{clean}{content}"), None);
    }
}

#[test]
fn an_error_is_one_whatever_members_stand_before_it() {
    for before in [
        "\"responseId\": \"r\",",
        "\"a\": {\"error\": {\"x\": [\"}\\\"\"]}}, \"error\": null, \"b\": [{\"error\": 1}],",
        "\"event_type\": \"error\",",
        "\"type\": \"error\",",
    ] {
        let error = |key: &str| {
            format!("{{{before}\"error\": {{\"code\": 403, \"message\": \"{key}\"}}, \"x\": \"{key}\"}}")
        };
        let event = |key: &str| format!("{EVENT}data: {}\n\n{EVENT}", error(key));
        check(Kind::Sse, &event(KEY), &event(MASK), Some(403));
        let array = |key: &str| {
            format!("[{{\"a\": \"{KEY}\"}},\n{}{},{{\"a\": \"{KEY}\"}}]", error(key), space(2, key))
        };
        check(Kind::JsonArray, &array(KEY), &array(MASK), Some(403));
    }
    // A word, or a name, or the event's name is enough.
    for error in [
        "data: {\"error\": \"KEY\"}\n\n",
        "data: {\"type\": \"error\", \"message\": \"KEY\"}\n\n",
        "event: error\ndata: {\"code\": 1, \"message\": \"KEY\"}\n\n",
        "event:error\r\ndata: KEY\r\ndata: KEY\r\n\r\n",
    ] {
        let event = |key: &str| format!("{EVENT}{}{EVENT}", error.replace("KEY", key));
        check(Kind::Events, &event(KEY), &event(MASK), None);
    }
}

#[test]
fn a_line_that_only_begins_like_an_error_is_none() {
    for begin in ["data:", "data: ", "data", "event: erro", "event: errors", "event: x", ":", "data: [", ""] {
        for end in ["\n", "\r\n", "\r"] {
            let event = EVENT.replace("\r\n", end);
            let stream = format!("{begin}{end}{event}{begin}{end}{end}{event}");
            check(Kind::Sse, &stream, &stream, None);
            // And the line behind it is read as one.
            let error =
                |key: &str| format!("{stream}{begin}{end}data: {{\"error\": \"{key}\"}}{end}{end}{event}");
            if begin != "data: [" {
                check(Kind::Sse, &error(KEY), &error(MASK), None);
            }
        }
    }
}

#[test]
fn an_error_element_loses_its_key_and_the_array_stays_whole() {
    let answer = format!("{{\"candidates\": [{{\"text\": \"{KEY}\"}}]}}");
    let array = |key: &str| {
        format!(
            "[{answer}\r\n,\r\n{{\n  \"error\": {{\"code\": 403, \"message\": \"api_key:{key}\", \"a\": [1]}}}}{}\r\n,{answer}]",
            space(1, key)
        )
    };
    check(Kind::JsonArray, &array(KEY), &array(MASK), Some(403));
    // Google forgets the array around it at times.
    let alone =
        |key: &str| format!("{{\"error\": {{\"code\": 403, \"message\": \"{key}\"}}}}{}\n", space(1, key));
    for kind in [Kind::JsonArray, Kind::Unary, Kind::OpenAiUnary] {
        check(kind, &alone(KEY), &alone(MASK), Some(403));
    }
}

#[test]
fn a_whole_answer_is_clean_too_and_not_copied_without_an_error() {
    let whole = |kind, answer: Bytes| Scrubber::new(Arc::default(), kind).whole(answer);
    let answer = Bytes::from_static(EVENT.as_bytes());
    assert_eq!(whole(Kind::Sse, answer.clone()).as_ptr(), answer.as_ptr());
    let unary = |key: &str| format!("{{\"a\": 1, \"error\": {{\"message\": \"{key}\"}}}}{}", space(1, key));
    assert_eq!(whole(Kind::Unary, unary(KEY).into()), unary(MASK));
    let unfinished = |key: &str| format!("{EVENT}data: {{\"error\": \"{key}");
    assert_eq!(whole(Kind::Sse, unfinished(KEY).into()), unfinished(MASK));
}

#[test]
fn an_error_outside_of_events_keeps_its_length_however_long_it_is() {
    for count in [1, 7, 5_000] {
        let error = json_error(&format!("{KEY} \\\"{KEY}\\\\ "), count);
        let (out, _, _) = run(Kind::OpenAiUnary, &error, &[1_000]);
        assert_eq!(out.trim_end(), error.replace(KEY, MASK));
        assert_eq!(out.len(), error.len());
    }
}

fn json_error(message: &str, count: usize) -> String {
    format!("{{\"error\": {{\"message\": \"{}\"}}}}", message.repeat(count))
}

#[test]
fn an_object_in_an_answer_is_no_error_whatever_its_names() {
    let inner =
        format!("{{\"error\":{{\"code\":403,\"message\":\"see https://x/y?key=abcdefgh and {KEY}\"}}}}");
    let answer = format!(
        "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"functionCall\":{{\"args\":{{\"list\":[{inner},{inner}],\
         \"error\":{{\"a\":\"{KEY}\"}},\"type\":\"error\"}}}}}},{inner}]}}}},{inner}],\"x\":{inner}}}"
    );
    for (kind, stream) in [
        (Kind::JsonArray, format!("[{answer},\r\n{answer}]")),
        (Kind::Unary, answer.clone()),
        (Kind::Sse, format!("data: {answer}\r\n\r\n")),
        (Kind::Events, format!("data: [{answer}, [{inner}]]\n\n")),
    ] {
        for size in 1..stream.len() {
            assert_eq!(run(kind, &stream, &[size]), (stream.clone(), 0, None));
        }
    }
}

#[test]
fn an_error_without_end_is_bounded_and_still_clean() {
    let filler = "x".repeat(997);
    for begin in
        ["data: {\"error\": {\"message\": \"", "{\"error\": {\"message\": \"", "event: error\ndata: "]
    {
        let mut stream = begin.to_owned();
        (0..300).for_each(|_| stream.push_str(&format!("{filler}{KEY} ")));
        let (out, most, error) = run(Kind::Sse, &stream, &[4096]);
        assert_eq!(out, stream.replace(KEY, MASK));
        assert!(most <= HELD + 2 * 4096 + OVERLAP + 300 * 31, "held {most}");
        assert_eq!(error, None);
    }
}

#[test]
fn a_long_secret_is_not_cut_between_two_pieces() {
    let secret = "0123456789abcdef".repeat(80);
    let redactor = Arc::new(Redactor::new([Secret::new(secret.as_str())]));
    let spelled = spell(&secret, &[2], true);
    for before in (HELD - 8 * 1024..HELD).step_by(1_021) {
        let mut scrubber = Scrubber::new(redactor.clone(), Kind::Sse);
        let stream = format!("data: {{\"error\": \"{} {spelled} {}", ".".repeat(before), ".".repeat(HELD));
        let mut out = Vec::new();
        stream
            .as_bytes()
            .chunks(4_096)
            .for_each(|piece| out.extend(scrubber.feed(Bytes::copy_from_slice(piece))));
        out.extend(scrubber.finish());
        assert_eq!(String::from_utf8(out).unwrap(), stream.replace(&spelled, "0123…cdef"));
    }
}

// --- any stream, any pieces ---

/// A member's name or a text, with the words that matter among them.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("error".to_owned()),
        Just("type".to_owned()),
        Just(KEY.to_owned()),
        Just(format!("\"error\":{{\"x\":\"{KEY}\"")),
        Just("\n\ndata: {\"error\":{".to_owned()),
        "[ -~é\n]{0,12}",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<u8>().prop_map(Value::from), words().prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((words(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The members of an answer that is no error.
fn content() -> impl Strategy<Value = Vec<(String, Value)>> {
    proptest::collection::vec((words(), values()), 0..4).prop_map(|mut members| {
        for (name, value) in &mut members {
            let says = match name.as_str() {
                "error" => value.is_object() || value.is_string(),
                "type" => value == "error",
                _ => false,
            };
            if says {
                *value = Value::from(vec![value.take()]);
            }
        }
        members
    })
}

fn object(members: &[(String, Value)], pretty: bool) -> String {
    let member = |(name, value): &(String, Value)| {
        let value = if pretty { format!("{value:#}") } else { value.to_string() };
        format!("{}:{value}", Value::from(name.as_str()))
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(if pretty { ",\n " } else { "," }))
}

/// How an answer is sent: as what, with which line ends, pretty or not.
#[derive(Debug, Clone, Copy)]
struct Framing(Kind, &'static str, bool);

fn framings() -> impl Strategy<Value = Framing> {
    let kinds = prop_oneof![Just(Kind::Sse), Just(Kind::OpenAi), Just(Kind::Events), Just(Kind::JsonArray)];
    let ends = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    (kinds, ends, any::<bool>()).prop_map(|(kind, end, pretty)| Framing(kind, end, pretty))
}

fn framed(Framing(kind, end, pretty): Framing, answers: &[Vec<(String, Value)>]) -> String {
    let answers = answers.iter().map(|answer| object(answer, pretty));
    if kind == Kind::JsonArray {
        return format!(
            "[{}]{end}",
            answers.collect::<Vec<_>>().join(&format!("{end},{end}")).replace('\n', end)
        );
    }
    // A pretty answer takes several lines of `data:`.
    answers
        .map(|answer| format!("data: {}{end}{end}", answer.replace('\n', &format!("{end}data: "))))
        .collect()
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![proptest::collection::vec(1_usize..30, 1..8), Just(vec![1]), Just(vec![usize::MAX])]
        .prop_map(|sizes| sizes.into_iter().map(|size| size.min(1 << 20)).collect())
}

proptest! {
    #[test]
    fn answers_are_the_same_bytes_in_any_framing_and_pieces(
        framing in framings(), answers in proptest::collection::vec(content(), 0..4), sizes in sizes(),
    ) {
        let stream = framed(framing, &answers);
        prop_assert_eq!(run(framing.0, &stream, &sizes), (stream, 0, None));
    }

    #[test]
    fn lines_of_any_text_are_the_same_bytes_too(
        lines in proptest::collection::vec("(data: ?|event: ?|: ?|id:|)[ -~]{0,30}", 0..6),
        end in "\n|\r\n|\r", sizes in sizes(),
    ) {
        let lines: Vec<_> = lines.iter().map(|line| line.replace("error", "e").replace(['{', '['], "(")).collect();
        let stream = format!("{EVENT}{}{end}{EVENT}", lines.join(&end));
        prop_assert_eq!(run(Kind::Sse, &stream, &sizes), (stream, 0, None));
    }

    #[test]
    fn an_error_among_answers_loses_any_key_and_nothing_else_changes(
        framing in framings(), before in proptest::collection::vec(content(), 0..3), behind in content(),
        members in content(), inner in values(), sizes in sizes(), forms in proptest::collection::vec(0_u8..9, 1..8),
        key in r"[!-~]{8,80}|AIza[0-9A-Za-z_-]{35}|AQ\.[0-9A-Za-z_-]{20,60}",
    ) {
        let redactor = Arc::new(Redactor::new([Secret::new(key.as_str())]));
        let quote = spell(&key, &forms, true);
        let mut members = members;
        members.retain(|(name, _)| name != "error" && name != "type");
        members.push(("error".into(), serde_json::json!({ "code": 403, "in": inner, "message": "it was QUOTE." })));
        let mut answers = before;
        let Framing(_, line_end, pretty) = framing;
        let end = match framing.0 {
            Kind::JsonArray => format!("{}]{line_end}", object(&behind, pretty).replace('\n', line_end)),
            _ => framed(framing, std::slice::from_ref(&behind)),
        };
        answers.extend([members, behind]);
        let stream = framed(framing, &answers).replace("QUOTE", &quote);
        let (mut scrubber, mut out, mut at) = (Scrubber::new(redactor, framing.0), Vec::new(), 0);
        for size in sizes.iter().cycle() {
            let end = (at + size).min(stream.len());
            out.extend_from_slice(&scrubber.feed(Bytes::copy_from_slice(&stream.as_bytes()[at..end])));
            at = end;
            if at == stream.len() { break }
        }
        out.extend_from_slice(&scrubber.finish());
        let out = String::from_utf8(out).unwrap();
        prop_assert!(!out.contains(&quote) && !out.contains(&key), "{}", out);
        // The error's own texts may quote the other key, which is known by its looks.
        let begin = stream.split_once(&format!("it was {quote}.")).unwrap().0;
        let begin = begin.rsplit_once("\"code\":").unwrap().0;
        prop_assert!(out.starts_with(begin), "{}", out);
        if framing.0 == Kind::JsonArray {
            prop_assert_eq!(out.len(), stream.len());
        }
        prop_assert!(out.ends_with(&end), "{}", out);
        prop_assert_eq!(&scrubber.error().unwrap()["error"]["code"], 403);
    }

    #[test]
    fn any_bytes_are_survived(framing in framings(), stream in r#"(data:|event: error|error|"|\{|\[|\}|\]|:|,|\\|\r|\n|[ -~é]){0,60}"#, sizes in sizes()) {
        let (out, _, _) = run(framing.0, &stream, &sizes);
        prop_assert_eq!(out, stream);
    }
}
