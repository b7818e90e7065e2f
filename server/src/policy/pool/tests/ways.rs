//! Ways out, and the health of instances.

use super::*;

#[test]
fn each_mode_meets_each_failure_with_the_ways_it_has() {
    let hybrid_only = Terms { fallback_to_local: false, ..HYBRID };
    // instances, what happens, then the answers: local, serverless, hybrid, hybrid without fallback
    for (instances, failure, expected) in [
        ("", "ok", ["k1 local", "no relay of 0", "k1 local", "no relay of 0"]),
        ("r1!", "ok", ["k1 local", "no relay of 0", "k1 local", "no relay of 0"]),
        ("r1", "ok", ["k1 local", "k1 r1", "k1 r1", "k1 r1"]),
        ("r1", "refused", ["k1 local, exhausted", "k1 r1, exhausted", "k1 r1, k1 local", "k1 r1, exhausted"]),
        ("r1", "hung", ["k1 local, exhausted", "k1 r1, exhausted", "k1 r1, k1 local", "k1 r1, exhausted"]),
        ("r1", "5xx", ["k1 local, exhausted", "k1 r1, exhausted", "k1 r1, k1 local", "k1 r1, exhausted"]),
        ("r1 r2", "refused", ["k1 local, exhausted", "k1 r1, k1 r2", "k1 r1, k1 r2", "k1 r1, k1 r2"]),
        ("r1", "minute", ["k1 local, k2 local", "k1 r1, k2 r1", "k1 r1, k2 r1", "k1 r1, k2 r1"]),
    ] {
        for (terms, expected) in [LOCAL, SERVERLESS, HYBRID, hybrid_only].into_iter().zip(expected) {
            let mut world = World::new(terms, "k1 k2", instances);
            let answer = world.step(&format!("call flash {failure}")).unwrap();
            assert_eq!(answer, expected, "{terms:?} with [{instances}] and {failure}");
        }
    }
}

#[test]
fn a_bound_key_leaves_by_its_relay_only_and_rests_with_it() {
    check(
        SERVERLESS,
        "k1@r2 k2 k3@local",
        "r1 r2",
        "up r1
         call flash ok -> k1 r2
         call flash ok -> k2 r1
         call flash refused ok -> k1 r2, k2 r1
         call flash ok -> k2 r1
         skipped flash -> k1 noEgress, k3 noEgress
         up r2
         call flash ok -> k1 r2",
    );
    check(
        HYBRID,
        "k1@r2 k2@local",
        "r1 r2",
        "call flash refused ok -> k1 r2, k1 local
         call flash ok -> k2 local
         call flash ok -> k1 local",
    );
}

#[test]
fn unbound_keys_rotate_over_instances_and_one_not_asked_yet_comes_after_those_that_are_up() {
    check(
        SERVERLESS,
        "k1 k2 k3",
        "r1 r2 r3",
        "up r1
         up r2
         call flash ok -> k1 r1
         call flash ok -> k2 r2
         call flash ok -> k3 r1
         up r3
         call flash ok -> k1 r3",
    );
}

#[test]
fn an_unreachable_relay_is_tried_again_by_one_request_that_has_no_other_way() {
    check(
        SERVERLESS,
        "k1",
        "r1",
        "call flash refused -> k1 r1, exhausted
         relay r1 -> Unreachable 1
         call flash refused -> k1 r1, exhausted
         relay r1 -> Unreachable 2
         hold flash -> k1 r1
         call flash -> no relay of 1
         wait 10
         call flash overload -> k1 r1, exhausted
         relay r1 -> up
         ask -> r1! k1",
    );
    check(
        HYBRID,
        "k1",
        "r1",
        "call flash refused ok
         wait 60
         call flash ok -> k1 local
         relay r1 -> Unreachable 0
         up r1
         call flash ok -> k1 r1",
    );
}

#[test]
fn a_relay_that_refuses_rests_half_an_hour_whatever_its_health_says() {
    check(
        HYBRID,
        "k1",
        "r1",
        "call flash location ok -> k1 r1, k1 local
         relay r1 -> Location 1800
         up r1
         relay r1 -> Location 1800
         call flash ok -> k1 local
         wait 1800
         call flash location -> k1 r1, k1 local
         relay r1 -> Location 1800
         diagnosed r1
         call flash busy -> k1 r1, k1 local
         relay r1 -> RateLimited 300
         instances r1#2
         call flash ok -> k1 r1
         relay r1 -> up",
    );
}

#[test]
fn instances_are_asked_at_the_start_every_thirty_seconds_and_when_they_are_due() {
    check(
        HYBRID,
        "k1 k2@r2 k3@local",
        "r1 r2 r3!",
        "ask -> r1 k1, r2 k2
         ask ->
         asked r1 up
         asked r2 hung
         relay r1 -> up
         relay r2 -> Hung 1
         ask -> next 1
         wait 1
         ask -> r2 k2, next 29
         asked r2 hung
         relay r2 -> Hung 2
         wait 2
         ask -> r2 k2, next 27
         asked r2 call
         relay r2 -> up
         wait 27
         ask -> r1 k1, next 273
         asked r1 nothing
         relay r1 -> up
         doubt r2
         ask -> r2! k2, next 30
         instances r1 r2 r3
         ask -> r3 k1, next 30",
    );
    check(
        LOCAL,
        "k1",
        "r1",
        "ask -> r1\nasked r1 nothing\nrelay r1 -> unknown\nask -> next 30\nkeys k1 k2\nask -> r1",
    );
}

#[test]
fn a_clock_that_jumped_back_keeps_no_instance_from_being_asked() {
    let mut world = World::new(HYBRID, "k1", "r1");
    world.step("up r1");
    assert_eq!(world.step("ask").as_deref(), Some("next 30"));
    world.now -= HOUR;
    assert_eq!(world.step("ask").as_deref(), Some("r1 k1"));
}

#[test]
fn behind_another_network_proxy_instances_that_were_not_reached_are_asked_at_once() {
    check(
        HYBRID,
        "k1",
        "r1 r2 r3",
        "ask -> r1 k1, r2 k1, r3 k1
         asked r1 up
         asked r2 refused
         asked r3 badtoken
         ask -> next 1
         proxy
         ask -> r2! k1, next 30
         asked r2 up
         call flash address ok -> k1 r1, k1 r2
         proxy
         call flash address ok -> k1 r2, k1 local
         state k1 -> ready",
    );
    check(
        LOCAL,
        "k1",
        "",
        "call flash address -> k1 local, out: k1 Restricted
         state k1 -> Restricted for good
         proxy
         state k1 -> ready
         call flash ok -> k1 local",
    );
}

#[test]
fn what_is_found_of_an_instance_that_was_edited_meanwhile_counts_for_nothing() {
    let mut world = World::new(HYBRID, "k1", "r1");
    let former = world.instance("r1");
    world.step("ask");
    world.step("instances r1#2");
    assert_eq!(world.pool.probed(&former, Found::Down(DownReason::Hung), 0, NOW), None);
    assert_eq!(world.step("relay r1").as_deref(), Some("unknown"));
    assert_eq!(world.step("ask").as_deref(), Some("r1 k1"));
    let news = News::InstanceDown { id: "r1".into(), reason: DownReason::Hung, until: NOW + SECOND };
    assert_eq!(world.probed("r1", Found::Down(DownReason::Hung)), Some(news));
    assert_eq!(world.probed("r1", Found::Down(DownReason::Hung)), None, "no news");
    assert_eq!(world.probed("r1", up("2.0.0")), Some(News::InstanceUp { id: "r1".into() }));
    let view = world.pool.view(&world.config, NOW);
    let up = Health::Up { latency_ms: 84, version: Some("2.0.0".into()), legacy: false };
    assert_eq!((view.active_instances, &view.instances[0].health), (1, &up));
}

#[test]
fn a_test_of_a_key_goes_by_a_relay_that_is_down_only_if_there_is_no_other_way() {
    for (terms, way) in [(HYBRID, "local"), (SERVERLESS, "r1")] {
        let mut world = World::new(terms, "k1", "r1");
        world.probed("r1", found_of("refused"));
        assert_eq!(world.pool.test_route(terms, "k1", NOW).unwrap().egress.name(), way);
        world.probed("r1", up("2.0.0"));
        assert_eq!(world.pool.test_route(terms, "k1", NOW).unwrap().egress.name(), "r1");
    }
}

#[test]
fn a_good_health_before_failing_requests_does_not_keep_an_instance_from_resting_longer_each_time() {
    check(
        HYBRID,
        "k1",
        "r1",
        "call flash 5xx ok -> k1 r1, k1 local
         relay r1 -> ServerError 1
         up r1
         call flash 5xx ok -> k1 r1, k1 local
         relay r1 -> ServerError 2
         up r1
         call flash ok -> k1 r1
         call flash 5xx ok -> k1 r1, k1 local
         relay r1 -> ServerError 1",
    );
}

#[test]
fn an_instance_that_wants_another_token_is_named_and_asked_on_until_it_accepts_ours() {
    check(
        SERVERLESS,
        "k1",
        "r1",
        "ask -> r1 k1
         asked r1 badtoken
         relay r1 -> Unauthorized 1800
         problems -> InstanceToken
         call flash -> no relay of 1
         wait 30
         ask -> r1 k1
         asked r1 token
         relay r1 -> up
         problems ->
         call flash closed -> k1 r1, no relay of 1
         ask -> r1! k1
         asked r1 token
         relay r1 -> Unauthorized 1800
         problems ->
         wait 30
         ask -> ",
    );
}

#[test]
fn a_request_that_waits_long_learns_whether_its_relay_lives() {
    check(
        HYBRID,
        "k1",
        "r1",
        "up r1
         wait 5
         pulse r1 0 -> Unheard
         doubt r1
         ask -> r1! k1
         pulse r1 0 -> Unheard
         asked r1 up
         pulse r1 0 -> Alive
         wait 5
         asked r1 hung
         pulse r1 0 -> Dead
         wait 5
         asked r1 page
         pulse r1 0 -> Alive
         pulse r9 0 -> Alive",
    );
}

#[test]
fn an_overloaded_model_rests_after_three_projects_and_no_key_is_blamed() {
    check(
        LOCAL,
        "k1 k2 k3 k4",
        "",
        "call flash overload overload overload -> k1 local, k2 local, k3 local, model 503 3
         call pro ok -> k1 local
         state k1 -> ready
         wait 3
         call flash overload -> k4 local, model 503 3
         wait 3
         call flash ok
         call flash overload overload ok -> k2 local, k3 local, k4 local",
    );
    check(
        LOCAL,
        "k1=p k2=p k3",
        "",
        "call flash overload overload overload -> k1 local, k2 local, k3 local, exhausted",
    );
}

#[test]
fn without_keys_the_refusal_says_so() {
    check(LOCAL, "", "", "call flash -> no keys");
    check(LOCAL, "k1! k2!", "", "call flash -> no keys\nstate k1 -> disabled");
}
