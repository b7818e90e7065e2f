//! Quota, and what is shared by the keys of a project.

use super::*;

#[test]
fn a_limit_of_one_model_leaves_the_others_and_survives_edits_of_other_keys() {
    check(
        LOCAL,
        "k1 k2",
        "",
        "call flash minute -> k1 local, k2 local
         state k1 -> flash PerMinute 37
         call pro ok -> k1 local
         keys k2 k1@local k3
         state k1 -> flash PerMinute 37
         keys k1! k2
         keys k1 k2
         skipped flash -> k1 perMinute 37
         wait 37
         state k1 -> ready
         call flash minute minute -> k1 local, k2 local, PerMinute 37
         wait 7
         call flash -> PerMinute 30
         earliest flash -> 30
         earliest pro -> 0",
    );
}

#[test]
fn another_secret_is_another_key() {
    check(
        LOCAL,
        "k1",
        "",
        "call flash day@projects/9
         call flash -> PerDay 31200
         keys k1#2
         state k1 -> ready
         call flash leaked -> k1 local, out: k1 Leaked
         keys k1#3
         call flash ok -> k1 local",
    );
}

#[test]
fn the_key_that_recovers_first_speaks_for_a_dry_pool() {
    check(
        LOCAL,
        "k1 k2 k3 k4!",
        "",
        "call flash day leaked minute -> k1 local, k2 local, k3 local, PerMinute 37
         skipped flash -> k1 perDay 31200, k2 leaked, k3 perMinute 37, k4 disabled
         wait 37
         call flash ok -> k3 local",
    );
}

#[test]
fn a_model_outside_the_tier_rests_a_day_and_a_daily_limit_until_midnight() {
    check(
        LOCAL,
        "k1",
        "",
        "call pro limit0 -> k1 local, NotEntitled 86400
         call flash day -> k1 local, PerDay 31200
         call pro minute -> NotEntitled 86400
         midnight
         call flash ok -> k1 local
         state k1 -> pro NotEntitled 55200",
    );
}

#[test]
fn bare_429s_double_their_rest_and_a_success_resets_it() {
    check(
        LOCAL,
        "k1",
        "",
        "call flash bare -> k1 local, Bare429 10
         wait 10
         call flash bare -> k1 local, Bare429 20
         wait 20
         call flash bare -> k1 local, Bare429 40
         wait 40
         call flash ok
         call flash bare -> k1 local, Bare429 10",
    );
}

#[test]
fn requests_that_were_under_way_together_are_one_strike() {
    let mut world = World::new(LOCAL, "k1", "");
    let mut routes = Vec::new();
    for _ in 0..3 {
        routes.push(world.pool.choose(LOCAL, "flash", &[], None, NOW).unwrap());
    }
    for route in &routes {
        let effect = note(&mut world.pool, route, &verdict("bare"), None, NOW);
        assert_eq!(effect.until, Some(NOW + 10 * SECOND));
        world.pool.release(route);
    }
}

#[test]
fn a_burst_of_bare_429s_rests_the_model_by_that_way_and_no_key() {
    let burst = "call flash bare bare bare -> k1 local, k2 local, k3 local, model 429 30
         state k1 -> ready
         state k3 -> ready
         call flash -> model 429 30
         earliest flash -> 30
         skipped flash -> k1 modelResting 30, k2 modelResting 30, k3 modelResting 30, k4 modelResting 30
         call pro ok -> k1 local
         wait 30
         call flash bare -> k4 local, k1 local
         state k4 -> flash Bare429 10";
    check(LOCAL, "k1 k2 k3 k4", "", burst);
    check(
        HYBRID,
        "k1 k2 k3",
        "r1",
        "call flash bare bare bare ok -> k1 r1, k2 r1, k3 r1, exhausted
         call flash ok -> k1 local",
    );
    check(
        LOCAL,
        "k1=p k2=p k3=q k4",
        "",
        "call flash bare bare -> k1 local, k3 local, k4 local
         state k2 -> flash Bare429 10",
    );
    check(
        LOCAL,
        "k1 k2 k3",
        "",
        "call flash bare -> k1 local, k2 local
         wait 11
         call flash bare bare -> k3 local, k1 local, k2 local",
    );
    check(
        LOCAL,
        "k1 k2 k3 k4",
        "",
        "call flash bare bare ok -> k1 local, k2 local, k3 local
         call flash bare -> k4 local, k3 local
         state k4 -> flash Bare429 10",
    );
}

#[test]
fn a_bare_429_that_was_under_way_when_a_burst_was_noticed_rests_no_key() {
    let mut world = World::new(LOCAL, "k1 k2 k3 k4", "");
    let routes: Vec<Route> =
        (0..4).map(|_| world.pool.choose(LOCAL, "flash", &[], None, NOW).unwrap()).collect();
    for route in &routes {
        note(&mut world.pool, route, &verdict("bare"), None, NOW);
        world.pool.release(route);
    }
    assert_eq!(world.state("k4"), "ready");
    assert_eq!(world.step("call flash").unwrap(), "model 429 30");
}

#[test]
fn a_burst_gives_each_key_back_the_rest_it_had_before() {
    check(
        LOCAL,
        "k1 k2 k3",
        "",
        "call flash bare -> k1 local, k2 local
         wait 10
         call flash bare bare bare -> k3 local, k1 local, k2 local, model 429 30
         wait 30
         call flash bare -> k3 local, k1 local
         wait 20
         call flash bare -> k2 local, k3 local
         state k2 -> flash Bare429 10
         wait 20
         call flash bare -> k1 local, k2 local
         state k1 -> flash Bare429 20",
    );
}

#[test]
fn keys_that_reveal_one_project_share_its_rest_and_what_was_learnt_beats_the_label() {
    check(
        LOCAL,
        "k1 k2 k3=mine k4=mine",
        "",
        "call flash minute@projects/9 -> k1 local, k2 local
         state k2 -> ready
         call pro day@projects/9 -> k1 local, k2 local
         call lite bad@projects/9 -> k1 local
         call lite bad@projects/9 -> k2 local
         state k2 -> flash PerMinute 37, pro PerDay 31200
         call lite bad@projects/9 -> k3 local
         state k3 -> flash PerMinute 37, pro PerDay 31200
         state k4 -> ready
         keys k1 k2 k3=mine k4=9
         state k4 -> flash PerMinute 37, pro PerDay 31200
         keys k1 k2 k3=mine k4
         state k3 -> flash PerMinute 37, pro PerDay 31200
         state k4 -> flash PerMinute 37, pro PerDay 31200",
    );
}

#[test]
fn what_is_in_flight_moves_with_its_key() {
    let mut world = World::new(LOCAL, "k1 k2", "");
    let one = world.pool.choose(LOCAL, "flash", &[], None, NOW).unwrap();
    let other = world.pool.choose(LOCAL, "flash", &[], None, NOW).unwrap();
    note(&mut world.pool, &one, &verdict("bad"), Some("projects/9"), NOW);
    note(&mut world.pool, &other, &verdict("bad"), Some("projects/9"), NOW);
    world.pool.release(&one);
    world.pool.release(&other);
    world.pool.release(&other);
    assert_all_given_back(&world.pool);
}
