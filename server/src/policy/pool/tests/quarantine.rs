//! Keys that are out.

use super::*;

#[test]
fn a_bad_key_is_out_until_it_is_retested_and_nothing_else_puts_one_out() {
    check(
        LOCAL,
        "k1 k2",
        "",
        "call flash leaked -> k1 local, k2 local
         state k1 -> Leaked for good
         call flash ok -> k2 local
         call flash invalid -> k2 local, out: k1 Leaked, k2 Rejected
         earliest flash -> never
         problems ->
         retest k1 leaked
         state k1 -> Leaked for good
         retest k1 ok
         state k1 -> ready
         retest k2 minute
         state k2 -> - PerMinute 37
         call flash bad -> k1 local
         call flash overload refused -> k2 local, k1 local, exhausted
         call flash empty -> k2 local, k1 local
         state k1 -> ready
         state k2 -> - PerMinute 37",
    );
}

#[test]
fn a_project_is_out_with_all_its_keys_and_doubles_until_a_success() {
    check(
        LOCAL,
        "k1=p k2=p k3",
        "",
        "call flash service -> k1 local, k3 local
         state k2 -> ServiceDisabled 600
         wait 600
         state k2 -> ready
         call flash service -> k2 local, k3 local
         state k1 -> ServiceDisabled 1200
         wait 1200
         call flash ok -> k1 local
         call flash service -> k2 local, k3 local
         state k1 -> ServiceDisabled 600
         retest k2 ok
         state k1 -> ready
         call flash suspended
         state k1 -> Suspended for good",
    );
}

#[test]
fn when_all_of_three_keys_are_invalid_within_a_minute_none_is_out() {
    check(
        LOCAL,
        "k1 k2 k3",
        "",
        "call flash invalid invalid -> k1 local, k2 local, k3 local
         state k1 -> Rejected for good
         wait 59
         call flash invalid -> k3 local, k1 local
         state k1 -> ready
         state k3 -> ready
         problems -> AllKeysInvalid
         call flash invalid invalid invalid -> k2 local, k3 local, k1 local, exhausted
         state k1 -> ready
         call flash ok -> k2 local
         problems ->
         call flash invalid -> k3 local, k1 local
         state k3 -> Rejected for good",
    );
    // One that was out long before has nothing to do with it.
    check(
        LOCAL,
        "k0 k1 k2 k3",
        "",
        "call flash invalid ok -> k0 local, k1 local
         state k0 -> Rejected for good
         wait 63
         call flash invalid invalid invalid -> k2 local, k3 local, k1 local, exhausted
         problems -> AllKeysInvalid
         state k0 -> Rejected for good
         state k1 -> ready",
    );
    check(
        LOCAL,
        "k1 k2 k3",
        "",
        "call flash invalid invalid invalid
         problems -> AllKeysInvalid
         keys k1 k2 k3#2
         problems ->",
    );
    check(
        LOCAL,
        "k1 k2",
        "",
        "call flash invalid invalid -> k1 local, k2 local, out: k1 Rejected, k2 Rejected",
    );
    check(
        LOCAL,
        "k1 k2 k3",
        "",
        "call flash invalid invalid
         wait 61
         call flash invalid -> k3 local, out: k1 Rejected, k2 Rejected, k3 Rejected
         problems ->",
    );
    check(
        LOCAL,
        "k1 k2 k3 k4! k5",
        "",
        "call flash invalid invalid invalid leaked
         state k5 -> Leaked for good
         state k1 -> Rejected for good
         problems ->",
    );
}

#[test]
fn a_relay_behind_which_all_keys_are_invalid_is_used_last() {
    check(
        HYBRID,
        "k1 k2 k3",
        "r1",
        "call flash invalid invalid invalid -> k1 r1, k2 r1, k3 r1, exhausted
         call flash ok -> k1 local
         problems ->
         call flash refused -> k2 local, k2 r1
         keys k1 k2 k3 k4
         call flash ok -> k4 r1",
    );
    check(
        SERVERLESS,
        "k1 k2 k3",
        "r1 r2",
        "call flash ok -> k1 r1
         call flash ok -> k2 r1
         diagnosed r2
         call flash ok -> k3 r1",
    );
}

#[test]
fn the_third_unclear_refusal_within_ten_minutes_rests_the_key_for_the_model() {
    check(
        LOCAL,
        "k1",
        "",
        "call flash unclear
         call flash unclear
         wait 601
         call flash unclear
         call flash unclear
         state k1 -> ready
         call flash ok
         call flash unclear
         call flash unclear
         call flash unclear -> k1 local, Denied 3600
         state k1 -> flash Denied 3600
         call pro ok -> k1 local
         wait 3600
         call flash ok -> k1 local",
    );
}

#[test]
fn a_key_that_one_way_forbids_goes_another_until_the_way_is_edited() {
    check(
        HYBRID,
        "k1",
        "r1",
        "call flash address ok -> k1 r1, k1 local
         call flash ok -> k1 local
         state k1 -> ready
         call flash address -> k1 local, out: k1 Restricted
         state k1 -> Restricted for good
         instances r1#2
         call flash ok -> k1 r1",
    );
}
