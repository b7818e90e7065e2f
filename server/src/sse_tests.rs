use proptest::prelude::*;

use super::*;

const TEXT: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}],"usageMetadata":{"totalTokenCount":3}}"#;
const LAST: &str = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"totalTokenCount":9}}"#;
const USAGE: &str = r#"{"usageMetadata":{"totalTokenCount":1}}"#;
const OVERLOADED: &str =
    r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;

fn look(held: &[u8], ended: bool, kind: Kind) -> Look {
    Looker::new(kind).look(held, ended)
}

fn say(held: &str, kind: Kind) -> &'static str {
    word(&look(held.as_bytes(), false, kind))
}

fn word(look: &Look) -> &'static str {
    match look {
        Look::Content => "content",
        Look::Empty => "empty",
        Look::Error(..) => "error",
        Look::Cut => "cut",
        Look::NeedMore => "more",
    }
}

#[test]
fn the_first_event_decides_whatever_its_framing() {
    for (held, expected) in [
        (format!("data: {TEXT}\r\n\r\n"), "content"),
        (format!("data: {TEXT}\n\n"), "content"),
        (format!("data: {TEXT}\r\n"), "more"),
        (format!("data: {}", &TEXT[..40]), "more"),
        (format!(": hello\n\ndata:{TEXT}\n\n"), "content"),
        (format!("event: x\ndata: {TEXT}\n\n"), "content"),
        (format!("data: {USAGE}\r\n\r\n"), "more"),
        (format!("data: {USAGE}\r\n\r\ndata: {TEXT}\r\n\r\n"), "content"),
        (format!("data: {LAST}\r\n\r\n"), "empty"),
        (format!("data: {OVERLOADED}\r\n\r\n"), "error"),
        (format!("{OVERLOADED}\r\n"), "error"),
        (OVERLOADED.to_owned(), "error"),
        (OVERLOADED[..30].to_owned(), "more"),
        ("data: [DONE]\n\n".to_owned(), "content"),
        (String::new(), "more"),
    ] {
        assert_eq!(say(&held, Kind::Sse), expected, "{held:?}");
    }
}

#[test]
fn data_in_several_lines_is_one_event() {
    let (head, tail) = TEXT.split_at(TEXT.find(",\"index\"").unwrap());
    assert_eq!(say(&format!("data: {head}\ndata: {tail}\n\n"), Kind::Sse), "content");
}

#[test]
fn a_pretty_printed_error_counts_once_it_is_whole() {
    let value: serde_json::Value = serde_json::from_str(OVERLOADED).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(say(&pretty, Kind::Sse), "error");
    assert_eq!(say(&pretty[..pretty.len() - 2], Kind::Sse), "more");
    assert_eq!(word(&look(b"{\n  \"error\": {\n", true, Kind::Sse)), "cut");
}

#[test]
fn what_content_is() {
    for (part, expected) in [
        (r#"{"text":"x"}"#, "content"),
        (r#"{"text":""}"#, "more"),
        (r#"{"text":"","thoughtSignature":"abc"}"#, "content"),
        (r#"{"text":"","thought":true}"#, "more"),
        (r#"{"functionCall":{"name":"f","args":{}}}"#, "content"),
        (r#"{"inlineData":{"data":"aGk="}}"#, "content"),
        (r#"{"text":"a\nb"}"#, "content"),
    ] {
        let event = format!(r#"data: {{"candidates":[{{"content":{{"parts":[{part}]}}}}]}}"#);
        assert_eq!(say(&format!("{event}\r\n\r\n"), Kind::Sse), expected, "{part}");
    }
}

#[test]
fn blocks_pass_and_malformed_calls_are_empty() {
    for (candidate, expected) in [
        (r#"{"finishReason":"SAFETY"}"#, "content"),
        (r#"{"finishReason":"PROHIBITED_CONTENT"}"#, "content"),
        (r#"{"finishReason":"SOMETHING_NEW"}"#, "content"),
        (r#"{"finishReason":"MALFORMED_FUNCTION_CALL"}"#, "empty"),
        (r#"{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}"#, "empty"),
        (r#"{"content":{"role":"model"},"finishReason":"STOP"}"#, "empty"),
        (r#"{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}"#, "content"),
    ] {
        let answer = format!(r#"{{"candidates":[{candidate}]}}"#);
        assert_eq!(word(&look(answer.as_bytes(), true, Kind::Unary)), expected, "{candidate}");
        assert_eq!(say(&format!("data: {answer}\n\n"), Kind::Sse), expected, "{candidate}");
        assert_eq!(say(&format!("[{answer}"), Kind::JsonArray), expected, "{candidate}");
    }
    assert_eq!(word(&look(br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, true, Kind::Unary)), "content");
}

#[test]
fn an_answer_that_ends_without_a_word_is_empty() {
    for (held, kind) in [
        (format!("data: {USAGE}\r\n\r\n"), Kind::Sse),
        (format!("[{USAGE}"), Kind::JsonArray),
        ("{}".into(), Kind::Unary),
        ("[]".into(), Kind::JsonArray),
    ] {
        assert_eq!(look(held.as_bytes(), true, kind), Look::Empty, "{held}");
    }
}

#[test]
fn an_array_is_read_element_by_element() {
    for (held, expected) in [
        (format!("[{TEXT}"), "content"),
        (format!("[\r\n{USAGE}\r\n,\r\n{TEXT}"), "content"),
        (format!("[{}", &TEXT[..50]), "more"),
        (format!("[{OVERLOADED}]"), "error"),
        ("[".to_owned(), "more"),
    ] {
        assert_eq!(say(&held, Kind::JsonArray), expected, "{held}");
    }
}

fn stream() -> String {
    format!(
        ": c\r\n\r\ndata: {TEXT}\r\n\r\ndata: {}\r\n\r\ndata:{LAST}\n\n",
        TEXT.replace("Hel", r#"é \"finishReason\": 漢"#)
    )
}

#[test]
fn the_tap_says_the_same_for_every_cut() {
    let stream = stream();
    let bytes = stream.as_bytes();
    for cut in 0..=bytes.len() {
        let mut tap = Tap::new(Kind::Sse);
        tap.feed(&bytes[..cut]);
        tap.feed(&bytes[cut..]);
        assert_eq!(
            (tap.finished(), tap.total_tokens(), tap.between_events()),
            (true, Some(9), true),
            "cut at {cut}"
        );
    }
    let mut tap = Tap::new(Kind::Sse);
    bytes.chunks(1).for_each(|byte| tap.feed(byte));
    assert_eq!((tap.finished(), tap.total_tokens()), (true, Some(9)));
}

#[test]
fn the_tap_knows_when_it_stands_between_events() {
    let mut tap = Tap::new(Kind::Sse);
    assert!(tap.between_events());
    for (piece, between) in [
        ("da", false),
        ("ta: {\"a\"", false),
        (":1}\r", false),
        ("\n", false),
        ("\r\n", true),
        (": c\n", false),
        ("\n", true),
        ("{\"error\":\n{}}", false),
        ("\n", false),
        ("\n", true),
    ] {
        tap.feed(piece.as_bytes());
        assert_eq!(tap.between_events(), between, "{piece:?}");
    }
    assert!(!tap.finished());
}

#[test]
fn the_tap_follows_data_in_several_lines_and_starts_afresh_after_a_broken_event() {
    let mut tap = Tap::new(Kind::Sse);
    tap.feed(b"data: {\"candidates\":[{\ndata: \"finishReason\":\ndata: \"STOP\"}]}\n\n");
    assert!(tap.finished());
    let mut tap = Tap::new(Kind::Sse);
    tap.feed(b"data: {\"candidates\":[{\"te\n\n");
    tap.feed(format!("data: {LAST}\n\n").as_bytes());
    assert_eq!((tap.finished(), tap.total_tokens()), (true, Some(9)));
}

#[test]
fn an_array_tells_where_it_can_be_closed() {
    let mut tap = Tap::new(Kind::JsonArray);
    assert_eq!(tap.array(), Array::Before);
    for (piece, array) in [
        ("[", Array::Between { comma: false }),
        (&TEXT[..20], Array::Inside),
        (&TEXT[20..], Array::Between { comma: true }),
        (",\r\n", Array::Between { comma: false }),
        (LAST, Array::Between { comma: true }),
        ("]", Array::Closed),
    ] {
        tap.feed(piece.as_bytes());
        assert_eq!(tap.array(), array, "{piece}");
    }
    assert!(tap.finished());
}

#[test]
fn five_megabytes_in_one_line_are_followed() {
    let mut tap = Tap::new(Kind::Sse);
    tap.feed(b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":{\"data\":\"");
    let piece = vec![b'A'; 65_536];
    (0..80).for_each(|_| tap.feed(&piece));
    assert!(!tap.finished());
    tap.feed(b"\"}}]},\"finishReason\":\"STOP\"}]}\r\n\r\n");
    assert!(tap.finished() && tap.between_events());
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1_usize..40) {
        for kind in [Kind::Sse, Kind::JsonArray, Kind::Unary] {
            let mut tap = Tap::new(kind);
            bytes.chunks(size).for_each(|piece| tap.feed(piece));
            look(&bytes, false, kind);
            look(&bytes, true, kind);
        }
    }

    #[test]
    fn any_pieces_say_the_same(cuts in proptest::collection::vec(0_usize..400, 0..12)) {
        let stream = stream();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let mut tap = Tap::new(Kind::Sse);
        cuts.windows(2).for_each(|pair| tap.feed(&stream.as_bytes()[pair[0]..pair[1]]));
        prop_assert_eq!((tap.finished(), tap.total_tokens(), tap.between_events()), (true, Some(9), true));
    }

    #[test]
    fn a_look_at_every_piece_says_the_same_as_one_at_the_whole(
        parts in proptest::collection::vec(0_usize..8, 1..6), size in 1_usize..60, array: bool,
    ) {
        let text = r#"{"candidates":[{"content":{"parts":[{"text":""}]}}]}"#;
        let sse = ["data: ", "\r\n\r\n", "\n\n", ": note\n\n", text, TEXT, OVERLOADED, "data:"];
        let json = ["[", ",", "]", "\r\n", text, TEXT, OVERLOADED, USAGE];
        let (words, kind) = if array { (json, Kind::JsonArray) } else { (sse, Kind::Sse) };
        let held: String = parts.iter().map(|part| words[*part]).collect();
        let whole = look(held.as_bytes(), true, kind);
        let mut looker = Looker::new(kind);
        let mut said = Look::NeedMore;
        let mut end = 0;
        while end < held.len() && said == Look::NeedMore {
            end = (end + size).min(held.len());
            said = looker.look(&held.as_bytes()[..end], false);
        }
        if said == Look::NeedMore {
            said = looker.look(held.as_bytes(), true);
        }
        prop_assert_eq!(said, whole, "{}", held);
    }

    #[test]
    fn the_quick_look_at_a_whole_answer_never_sees_content_where_the_thorough_one_sees_none(
        members in proptest::collection::vec(0_usize..14, 0..5), twice: bool, finish in 0_usize..4, cut in 0_usize..400, error: bool,
    ) {
        const MEMBERS: [&str; 14] = [
            r#""text":"""#, r#""text":"a""#, r#""text" : "\n""#, r#""text":null"#, r#""thoughtSignature":"""#,
            r#""thoughtSignature":"s""#, r#""thought":true"#, r#""functionCall":{"name":"text","args":{"error":{}}}"#,
            r#""partMetadata":{"text":"a"}"#, r#""inlineData":{"data":"QQ=="}"#, r#""videoMetadata":{}"#,
            r#""mediaResolution":"x""#, r#""executableCode":{}"#, r#""text":7"#,
        ];
        let part = members.iter().map(|member| MEMBERS[*member]).collect::<Vec<_>>().join(",");
        let parts = if twice { format!("{{}},{{{part}}}") } else { format!("{{{part}}}") };
        let reason = ["", r#","finishReason":"STOP""#, r#","finishReason":"SAFETY""#, r#","text":"a""#][finish];
        let fault = if error { r#","error":{"code":503,"message":"m","status":"UNAVAILABLE"}"# } else { "" };
        let answer = format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}],"text":"b"}}{reason}}}]{fault}}}"#);
        let answer = &answer[..cut.min(answer.len())];
        let mut tap = Tap::new(Kind::Unary);
        tap.feed(answer.as_bytes());
        let thorough = native(answer.as_bytes());
        if tap.is_whole_content() {
            prop_assert_eq!(word(&thorough), "content", "{}", answer);
        }
        prop_assert_eq!(look(answer.as_bytes(), true, Kind::Unary) == Look::Content, thorough == Look::Content, "{}", answer);
    }

    #[test]
    fn a_first_look_never_changes_its_mind_for_the_worse(cut in 0_usize..400) {
        let stream = stream();
        let cut = cut.min(stream.len());
        let first = look(&stream.as_bytes()[..cut], false, Kind::Sse);
        prop_assert!(matches!(first, Look::NeedMore | Look::Content));
    }
}
