use std::future::{pending, ready};

use super::*;
use crate::policy::config::Config;

fn tools(live: &Arc<Live>) -> Tools<'_> {
    Tools::new(live, Redactor::new([aggregator_protocol::Secret::new("secret-key-a")]))
}

fn live() -> Arc<Live> {
    Live::new(Arc::new(Config::empty()), None)
}

async fn lasts(walk: &mut Walk<'_>, length: Duration) -> bool {
    let work = async {
        tokio::time::sleep(length).await;
        (Ok(()), CheckDetail::default())
    };
    walk.step(CheckCode::Tcp, CheckDetail::default(), work).await.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_check_is_given_up_after_four_seconds_and_says_what_it_was_about() {
    let live = live();
    let tools = tools(&live);
    let mut walk = Walk { subject: "r1", tools: &tools, checks: Vec::new() };
    let late = CheckDetail { host: Some("relay.example:443".into()), ..CheckDetail::default() };
    let never = walk.step(CheckCode::Tls, late.clone(), pending::<Found<()>>()).await;
    assert_eq!(never, None);
    let detail = CheckDetail { fault: Some(Fault::TimedOut), ..late };
    let check =
        Check { subject: "r1".into(), code: CheckCode::Tls, ok: false, latency_ms: Some(4000), detail };
    assert_eq!(walk.checks, [check]);
}

#[tokio::test(start_paused = true)]
async fn all_is_over_within_ten_seconds_and_what_was_not_done_is_told() {
    let (live, begun) = (live(), Instant::now());
    let tools = tools(&live);
    let mut walk = Walk { subject: "r1", tools: &tools, checks: Vec::new() };
    for _ in 0..2 {
        assert!(lasts(&mut walk, Duration::from_millis(3_900)).await);
    }
    assert!(!lasts(&mut walk, Duration::from_millis(3_900)).await);
    // Nothing is begun any more, and that is told as well.
    assert!(!lasts(&mut walk, Duration::from_millis(1)).await);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let faults: Vec<_> = walk.checks.iter().map(|check| check.detail.fault).collect();
    assert_eq!(faults, [None, None, Some(Fault::TimedOut), Some(Fault::TimedOut)]);
}

#[tokio::test]
async fn a_fault_that_is_not_wrong_by_itself_leaves_the_check_good() {
    let live = live();
    let tools = tools(&live);
    let mut walk = Walk { subject: "r1", tools: &tools, checks: Vec::new() };
    let facts = CheckDetail { fault: Some(Fault::NoHealth), ..CheckDetail::default() };
    let found = walk.step(CheckCode::RelayHealth, CheckDetail::default(), ready((Ok(()), facts))).await;
    assert_eq!((found, walk.checks[0].ok), (Some(()), true));
    assert_eq!(walk.checks[0].detail.fault, Some(Fault::NoHealth));
}

#[test]
fn a_sentence_is_told_without_secrets_and_not_at_any_length() {
    let live = live();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _within = runtime.enter();
    let sentence = tools(&live).sentence(&format!("key secret-key-a {}", "文".repeat(1_000)));
    assert!(sentence.starts_with("key …-a 文") && sentence.chars().count() == LONGEST, "{sentence}");
}
