//! Counts, and what survives a restart.

use super::*;

#[test]
fn what_is_known_of_a_key_survives_a_restart_and_an_edit_of_its_secret_ends_it() {
    check(
        LOCAL,
        "k1 k2 k3 k4",
        "",
        "restart
         call flash day@projects/9 leaked service unclear
         call flash unclear
         call flash unclear
         restart
         state k1 -> flash PerDay 31200
         state k2 -> Leaked for good
         state k3 -> ServiceDisabled 600
         state k4 -> flash Denied 3600
         keys k1 k2#2 k3 k4 k5=9
         state k2 -> ready
         state k5 -> flash PerDay 31200
         restart
         restart
         state k1 -> flash PerDay 31200
         state k2 -> ready
         keys k5
         restart
         state k5 -> flash PerDay 31200
         midnight
         restart
         state k5 -> ready",
    );
}

#[test]
fn rows_of_keys_that_are_not_in_the_pool_yet_are_kept_eight_days() {
    let mut world = World::new(LOCAL, "k1", "");
    for step in ["restart", "call flash leaked"] {
        world.step(step);
    }
    let mut file = world.pool.save(NOW).unwrap();
    for days in [1, 7, 9] {
        let mut pool = Pool::new();
        let now = NOW + days * 24 * HOUR;
        pool.load(file.clone(), now);
        file = pool.save(now).unwrap();
        assert_eq!(file.keys.len(), usize::from(days < 8), "after {days} days");
    }
}

#[test]
fn counts_are_of_the_last_minute_and_of_the_pacific_day() {
    let mut world = World::new(LOCAL, "k1", "");
    for step in ["restart", "call flash ok", "call flash minute", "call pro bad", "call pro empty"] {
        world.step(step);
    }
    let route = world.pool.choose(LOCAL, "lite", &[], None, NOW).unwrap();
    world.pool.sent(&route, NOW);
    world.pool.sent(&route, NOW);
    note(&mut world.pool, &route, &verdict("ok"), None, NOW);
    world.pool.used(&route, Some(1_200), NOW);
    world.pool.used(&route, None, NOW);
    let lines = |world: &World| {
        let view = world.pool.view(&world.config, world.now);
        let key = &view.keys[0];
        let models = key.models.iter().map(|one| {
            let (minute, today) = (one.requests_minute, one.requests_today);
            format!(
                "{} {minute}/{} {today}/{} {}",
                one.model, one.tokens_minute, one.tokens_today, one.errors_today
            )
        });
        let models: Vec<_> = models.collect();
        format!("{} {} {}: {}", key.in_flight, key.used_today, key.tokens_today, models.join(", "))
    };
    assert_eq!(lines(&world), "1 3 1200: flash 2/0 1/0 1, pro 2/0 1/0 1, lite 2/1200 1/1200 0");
    world.pool.release(&route);
    world.now += 61 * SECOND;
    assert_eq!(lines(&world), "0 3 1200: flash 0/0 1/0 1, pro 0/0 1/0 1, lite 0/0 1/1200 0");
    world.step("restart");
    assert_eq!(lines(&world), "0 3 1200: flash 0/0 1/0 1, pro 0/0 1/0 1, lite 0/0 1/1200 0");
    world.step("midnight");
    assert_eq!(lines(&world), "0 0 0: ");
    world.step("call flash ok");
    assert_eq!(lines(&world), "0 1 0: flash 1/0 1/0 0");
}

#[test]
fn the_file_holds_no_secret_and_is_bounded_by_dropping_what_is_least_busy() {
    let keys: Vec<String> = (0..400).map(|number| format!("key{number}")).collect();
    let mut world = World::new(LOCAL, &keys.join(" "), "");
    world.step("restart");
    for model in 0..30 {
        for key in 0..400 {
            let route = world.pool.choose(LOCAL, &format!("gemini-model-{model}"), &[], None, NOW).unwrap();
            let cools = model == 29 && key % 2 == 0;
            note(&mut world.pool, &route, &verdict(if cools { "day" } else { "ok" }), None, NOW);
            world.pool.release(&route);
        }
    }
    let bytes = world.pool.save(NOW).unwrap().encode();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(bytes.len() <= MAX_FILE && bytes.len() > MAX_FILE * 9 / 10, "{}", bytes.len());
    assert!(!text.contains("secret of"));
    let file = LedgerFile::decode(&bytes).unwrap();
    let resting = file.keys.iter().flat_map(|key| &key.models).filter(|row| row.rest.is_some()).count();
    assert_eq!(resting, 200);
    assert!(LedgerFile::decode(b"{}").is_none() && LedgerFile::decode(&vec![b' '; MAX_FILE + 1]).is_none());
}
