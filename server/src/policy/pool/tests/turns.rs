//! Whose turn it is.

use super::*;

fn tally(world: &mut World, calls: usize) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for _ in 0..calls {
        *tally.entry(world.step("call flash ok").unwrap()).or_default() += 1;
    }
    tally
}

#[test]
fn three_keys_share_300_calls_evenly_and_the_rest_go_on_so_while_one_cools() {
    let mut world = World::new(LOCAL, "k1 k2 k3", "");
    let shares: Vec<usize> = tally(&mut world, 300).into_values().collect();
    assert_eq!(shares, [100, 100, 100]);
    assert_eq!(world.step("call flash day").unwrap(), "k1 local, k2 local");
    let shares = tally(&mut world, 301);
    assert!(!shares.contains_key("k1 local"), "{shares:?}");
    assert!(shares["k2 local"].abs_diff(shares["k3 local"]) <= 1, "{shares:?}");
}

#[test]
fn fewest_in_flight_goes_first_and_keys_of_one_project_count_together() {
    check(
        LOCAL,
        "k1=p k2=p k3",
        "",
        "hold flash -> k1 local
         hold flash -> k3 local
         hold flash -> k2 local
         hold flash -> k3 local
         hold pro -> k1 local",
    );
}

#[test]
fn a_new_key_gets_its_turn_at_once_and_the_others_keep_theirs() {
    check(
        LOCAL,
        "k1 k2",
        "",
        "call flash ok -> k1 local
         keys k3 k1 k2
         call flash ok -> k3 local
         call flash ok -> k2 local
         call flash ok -> k1 local",
    );
}

#[test]
fn models_that_callers_make_up_are_forgotten_before_those_that_rest_or_were_used() {
    let mut world = World::new(LOCAL, "k1 k2", "");
    world.step("call flash day ok");
    for number in 0..2 * MAX_MODELS {
        world.step(&format!("call made-up-{number} bad"));
    }
    world.step(&format!("call {} bad", "x".repeat(100_000)));
    assert_eq!(world.pool.models.iter().count(), MAX_MODELS);
    assert!(world.pool.models.iter().all(|model| model.name.len() <= 128));
    assert_eq!(world.state("k1"), "flash PerDay 31200");
}

#[test]
fn a_model_in_use_is_not_forgotten() {
    let mut world = World::new(LOCAL, "k1", "");
    let held: Vec<Route> = (0..MAX_MODELS + 50)
        .map(|number| world.pool.choose(LOCAL, &format!("model-{number}"), &[], None, NOW).unwrap())
        .collect();
    for route in &held {
        world.pool.release(route);
    }
    assert_all_given_back(&world.pool);
}

#[test]
fn a_stale_route_names_nothing() {
    let mut world = World::new(LOCAL, "k1", "");
    let stale = world.pool.choose(LOCAL, "flash", &[], None, NOW).unwrap();
    world.reconcile("k2", "");
    let fresh = world.pool.choose(LOCAL, "flash", &[], None, NOW).unwrap();
    assert_eq!(stale.slot.index, fresh.slot.index);
    note(&mut world.pool, &stale, &verdict("leaked"), Some("projects/9"), NOW);
    world.pool.used(&stale, Some(10), NOW);
    world.pool.release(&stale);
    let status = &world.pool.view(&world.config, NOW).keys[0];
    assert_eq!((status.in_flight, status.tokens_today, &status.state), (1, 0, &KeyState::Ready));
    let tried = [Tried { slot: stale.slot, egress: Egress::Direct, rules_out: RulesOut::Key }];
    assert_eq!(&*world.pool.choose(LOCAL, "flash", &tried, Some(stale.slot), NOW).unwrap().key, "k2");
}

#[test]
fn news_name_what_changed_once() {
    let mut world = World::new(HYBRID, "k1 k2 k3", "r1");
    let mut seen: HashMap<&str, Vec<News>> = HashMap::new();
    for word in ["ok", "limit0", "refused", "minute", "minute"] {
        let route = world.pool.choose(HYBRID, "flash", &[], None, world.now).unwrap();
        seen.entry(word)
            .or_default()
            .extend(note(&mut world.pool, &route, &verdict(word), None, world.now).news);
        world.pool.release(&route);
    }
    assert!(seen["ok"].is_empty() && seen["limit0"].is_empty(), "{seen:?}");
    assert!(matches!(seen["refused"][..], [News::InstanceDown { until, .. }] if until == NOW + SECOND));
    assert!(matches!(seen["minute"][..], [News::Cooling { .. }, News::Cooling { .. }]), "{seen:?}");
    let problems = world.pool.view(&world.config, NOW).problems;
    assert!(problems.iter().all(|problem| problem.code != ProblemCode::AllKeysInvalid));
}
