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
        (
            "r1",
            "refused",
            ["k1 local, exhausted", "k1 r1, no relay of 1", "k1 r1, k1 local", "k1 r1, no relay of 1"],
        ),
        (
            "r1",
            "hung",
            ["k1 local, exhausted", "k1 r1, no relay of 1", "k1 r1, k1 local", "k1 r1, no relay of 1"],
        ),
        (
            "r1",
            "5xx",
            ["k1 local, exhausted", "k1 r1, no relay of 1", "k1 r1, k1 local", "k1 r1, no relay of 1"],
        ),
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
fn an_unreachable_relay_is_tried_again_when_there_is_no_other_way_and_it_is_due() {
    check(
        SERVERLESS,
        "k1",
        "r1",
        "call flash refused -> k1 r1, no relay of 1
         relay r1 -> Unreachable 1
         wait 1
         call flash refused -> k1 r1, no relay of 1
         relay r1 -> Unreachable 2
         wait 2
         hold flash -> k1 r1
         call flash -> no relay of 1
         wait 10
         call flash ok -> k1 r1
         relay r1 -> up",
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
fn health_is_asked_of_what_is_unknown_or_unreachable_and_due() {
    let mut world = World::new(HYBRID, "k1", "r1 r2 r3! r4");
    let due =
        |world: &World| world.pool.probe_due(world.now).iter().map(|id| id.to_string()).collect::<Vec<_>>();
    assert_eq!(due(&world), ["r1", "r2", "r4"]);
    assert_eq!(world.pool.instance_up("r1", 84, Some("2.0.0".into()), false), None);
    let down = News::InstanceDown { id: "r2".into(), reason: DownReason::Hung, until: NOW + SECOND };
    assert_eq!(world.pool.instance_down("r2", DownReason::Hung, NOW), Some(down));
    assert_eq!(world.pool.instance_down("r2", DownReason::Hung, NOW), None);
    world.pool.instance_down("r4", DownReason::Location, NOW);
    assert_eq!(world.pool.instance_down("r9", DownReason::Hung, NOW), None);
    assert!(due(&world).is_empty());
    let view = world.pool.view(&world.config, world.now);
    assert_eq!(view.active_instances, 1);
    let up = Health::Up { latency_ms: 84, version: Some("2.0.0".into()), legacy: false };
    assert_eq!(view.instances[0].health, up);
    world.now += SECOND;
    assert_eq!(due(&world), ["r2"]);
    assert_eq!(world.pool.instance_up("r2", 5, None, true), Some(News::InstanceUp { id: "r2".into() }));
    assert_eq!(world.pool.instance_up("r4", 5, None, false), None);
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
