use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::manifest::DocumentRef;
use crate::record::RecordStats;
use crate::{Label, Timestamp};

/// `2026-11-25-08` and the like, completed.
fn time(text: &str) -> Timestamp {
    let rest = &"0000-00-00-00-00-00-000"[text.len()..];
    format!("{text}{rest}").parse().unwrap()
}

/// When repositories of these tests were made.
fn since() -> Timestamp {
    time("2020-01-01")
}

fn snapshot(label: &str, taken: Timestamp) -> Candidate {
    let record = Record {
        label: label.parse().unwrap(),
        timestamp: taken,
        origin: "ours".to_owned(),
        host: "here".to_owned(),
        root: DocumentRef::of(b"root"),
        stats: RecordStats::default(),
        ttl: None,
        databases: vec!["shop".to_owned()],
    };
    let (label, record) = (record.label.clone(), Some(Arc::new(record)));
    Candidate { label, put: taken, record, holds: Vec::new() }
}

impl Candidate {
    fn with(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(Arc::make_mut(self.record.as_mut().unwrap()));
        self
    }

    fn ttl(self, ttl: &str) -> Self {
        self.with(|record| record.ttl = Some(ttl.parse().unwrap()))
    }

    fn put(mut self, put: Timestamp) -> Self {
        self.put = put;
        self
    }

    fn held(mut self, name: &str) -> Self {
        self.holds.push(name.parse().unwrap());
        self
    }
}

fn ours() -> Option<Owner> {
    Some(Owner::Origin("ours".to_owned()))
}

fn rule(policy: Policy) -> Rule {
    Rule { policy, ..Rule::default() }
}

fn sweep_at(now: &str, rules: Vec<Rule>) -> Terms {
    Terms { owner: ours(), wish: Wish::Sweep { rules, now: time(now), since: since() } }
}

/// What became of each snapshot, as `label: reasons`, those that go with a minus.
fn shown(snapshots: Vec<Candidate>, terms: &Terms) -> Vec<String> {
    let verdicts = judge(snapshots, terms);
    let reasons = |verdict: &Verdict| {
        verdict.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let line = |verdict: &Verdict| {
        let minus = if verdict.goes { "-" } else { "" };
        format!("{minus}{}: {}", verdict.snapshot.label, reasons(verdict))
    };
    verdicts.iter().map(line).collect()
}

fn going(snapshots: &[Candidate], terms: &Terms) -> BTreeSet<Label> {
    let verdicts = judge(snapshots.to_vec(), terms).into_iter();
    verdicts.filter(|verdict| verdict.goes).map(|verdict| verdict.snapshot.label).collect()
}

#[test]
fn periods_are_read_as_typed_and_shown_as_read() {
    for (typed, shown) in [
        ("7 DAY", "7 DAY"),
        ("12 hours", "12 HOUR"),
        ("1 month", "1 MONTH"),
        ("18 months", "1 YEAR 6 MONTH"),
        ("2 WEEK", "14 DAY"),
        ("36 hours", "1 DAY 12 HOUR"),
        (" 90s ", "1 MINUTE 30 SECOND"),
        ("1 year 2 days", "1 YEAR 2 DAY"),
        ("P7D", "7 DAY"),
        ("5 ms", "5 MILLISECOND"),
        ("87840000 hours", "3660000 DAY"),
    ] {
        let period: Period = typed.parse().unwrap_or_else(|error| panic!("{typed}: {error}"));
        assert_eq!(period.to_string(), shown);
        assert_eq!(shown.parse(), Ok(period), "{shown}");
    }
    for wrong in
        ["", "7", "soon", "day", "7 moons", "99999 year", "87840001 hours", "582111821:1:6"]
    {
        assert_eq!(wrong.parse::<Period>(), Err(ParsePeriodError::Malformed), "{wrong}");
    }
    for nothing in ["0 day", "-7 day", "7 days ago"] {
        assert_eq!(nothing.parse::<Period>(), Err(ParsePeriodError::NotPositive), "{nothing}");
    }
}

#[test]
fn periods_end_by_the_calendar() {
    for (start, period, end) in [
        ("2024-01-31-10", "1 month", "2024-02-29-10"),
        ("2025-01-31-10", "1 month", "2025-02-28-10"),
        ("2024-02-29", "1 year", "2025-02-28"),
        ("2026-12-31-23", "2 hours", "2027-01-01-01"),
        ("2026-03-29-00", "1 day", "2026-03-30-00"),
        ("9999-01-01", "99 years", "9999-12-30-22"),
    ] {
        let period: Period = period.parse().unwrap();
        assert_eq!(period.after(time(start)), time(end), "{start} and {period}");
    }
}

#[test]
fn a_series_is_a_label_without_its_count() {
    for (label, series) in [
        ("nightly_20261101", "nightly"),
        ("nightly-2026-11-01T08:00:00Z", "nightly"),
        ("nightly-20261101T080000", "nightly"),
        ("backup-2026-11-23-08-00-00-123", "backup"),
        ("db1_nightly_3", "db1_nightly"),
        ("20261101", ""),
        ("nightly", "nightly"),
        ("WAREHOUSE_T", "WAREHOUSE_T"),
        ("v1.2-rc", "v1.2-rc"),
    ] {
        assert_eq!(series_of(&label.parse().unwrap()), series, "{label}");
    }
}

#[test]
fn groupings_are_read_and_shown() {
    assert_eq!(Grouping::default().to_string(), "origin,database");
    for text in ["origin,database", "series", "", "origin,database,series"] {
        assert_eq!(text.parse::<Grouping>().unwrap().to_string(), text);
    }
    let wrong = "origin, colour".parse::<Grouping>().unwrap_err();
    assert_eq!(wrong.to_string(), "\"colour\" is none of origin, database and series");
}

#[test]
fn every_rule_says_what_it_keeps() {
    let snapshots = || {
        vec![
            snapshot("old", time("2024-02-29-10")),
            snapshot("a", time("2026-11-24-09")),
            snapshot("b", time("2026-11-25-08-10")),
            snapshot("c", time("2026-11-25-08-40")),
            snapshot("d", time("2026-11-25-23-59")),
        ]
    };
    let policy = Policy {
        last: 1,
        hourly: 2,
        daily: 2,
        weekly: 2,
        monthly: 1,
        yearly: 2,
        within: Some("10 minutes".parse().unwrap()),
        may_empty: false,
    };
    assert_eq!(
        shown(snapshots(), &sweep_at("2026-11-26", vec![rule(policy)])),
        [
            "old: weekly 2024-W09, yearly 2024",
            "a: daily 2026-11-24",
            "-b: no rule keeps it",
            "c: hourly 2026-11-25 08",
            "d: last 1, hourly 2026-11-25 23, daily 2026-11-25, weekly 2026-W48, monthly 2026-11, yearly 2026, young enough",
        ]
    );
    // A year ends in the middle of a week.
    let turn = vec![snapshot("x", time("2026-12-31")), snapshot("y", time("2027-01-01"))];
    let weekly = rule(Policy { weekly: 1, ..Policy::default() });
    assert_eq!(
        shown(turn, &sweep_at("2027-01-02", vec![weekly])),
        ["-x: no rule keeps it", "y: weekly 2026-W53"]
    );
}

#[test]
fn no_policy_and_an_empty_one_keep_everything() {
    let snapshots = || vec![snapshot("a", time("2026-11-24")), snapshot("b", time("2026-11-25"))];
    for rules in [vec![], vec![rule(Policy::default())]] {
        assert_eq!(
            shown(snapshots(), &sweep_at("2026-11-26", rules)),
            ["a: no rule is about it", "b: no rule is about it"]
        );
    }
}

#[test]
fn the_last_of_a_group_stays_unless_that_is_asked_for() {
    let snapshots = || {
        let other = |record: &mut Record| record.databases = vec!["logs".to_owned()];
        vec![
            snapshot("a", time("2026-01-01")),
            snapshot("b", time("2026-01-02")),
            snapshot("c", time("2026-01-03")).with(other),
        ]
    };
    let within = Policy { within: Some("1 day".parse().unwrap()), ..Policy::default() };
    assert_eq!(
        shown(snapshots(), &sweep_at("2026-11-26", vec![rule(within)])),
        ["-a: no rule keeps it", "b: the last of its group", "c: the last of its group"]
    );
    let all = rule(Policy { may_empty: true, ..within });
    assert_eq!(going(&snapshots(), &sweep_at("2026-11-26", vec![all])).len(), 3);
}

#[test]
fn a_ttl_decides_for_its_snapshot() {
    let snapshots = vec![
        snapshot("over", time("2026-11-01")).ttl("7 day"),
        snapshot("on", time("2026-11-01")).ttl("1 month"),
        snapshot("held", time("2026-11-01")).ttl("1 day").held("audit"),
        snapshot("late", time("2026-11-01")).ttl("7 day").put(time("2026-11-25")),
    ];
    assert_eq!(
        shown(
            snapshots,
            &sweep_at("2026-11-26", vec![rule(Policy { last: 9, ..Policy::default() })])
        ),
        [
            "-over: ttl ended 2026-11-08-00-00-00-000",
            // Which of two of one instant is newer is told by their labels.
            "on: ttl until 2026-12-01-00-00-00-000, last 1",
            "held: hold: audit",
            "late: ttl until 2026-12-02-00-00-00-000, last 2",
        ]
    );
}

#[test]
fn what_is_not_ours_and_what_cannot_be_read_is_left_alone() {
    let other = |record: &mut Record| {
        record.origin = "theirs".to_owned();
        record.ttl = Some("1 day".parse().unwrap());
    };
    let snapshots = || {
        let mut unreadable = snapshot("rotten", time("2026-11-01"));
        unreadable.record = None;
        vec![snapshot("foreign", time("2026-11-01")).with(other), unreadable]
    };
    let last = vec![rule(Policy { last: 1, ..Policy::default() })];
    assert_eq!(
        shown(snapshots(), &sweep_at("2026-11-26", last.clone())),
        [
            "foreign: made by another: theirs",
            "rotten: made by nobody knows whom, its record cannot be read"
        ]
    );
    let mut forced = sweep_at("2026-11-26", last);
    forced.owner = None;
    assert_eq!(
        shown(snapshots(), &forced),
        ["-foreign: ttl ended 2026-11-02-00-00-00-000", "rotten: its record cannot be read"]
    );
    let named = |owner| Terms { owner, wish: Wish::Named };
    assert_eq!(
        shown(snapshots(), &named(ours())),
        ["foreign: made by another: theirs", "rotten: made by nobody knows whom"]
    );
    assert_eq!(shown(snapshots(), &named(None)), ["-foreign: named", "-rotten: named"]);
    let host = Some(Owner::Host("there".to_owned()));
    let foreign = vec![snapshot("a", time("2026-11-01"))];
    assert_eq!(shown(foreign, &named(host)), ["a: made by another: here"]);
}

#[test]
fn a_hold_is_stronger_than_force() {
    let held = vec![snapshot("a", time("2026-11-01")).held("audit").held("court")];
    let named = Terms { owner: None, wish: Wish::Named };
    assert_eq!(shown(held, &named), ["a: hold: audit, hold: court"]);
}

#[test]
fn the_first_rule_that_fits_is_the_one() {
    let logs = |record: &mut Record| record.databases = vec!["logs".to_owned(), "shop".to_owned()];
    let snapshots = vec![
        snapshot("daily_1", time("2026-11-20")),
        snapshot("daily_2", time("2026-11-21")),
        snapshot("weekly_1", time("2026-11-22")).with(logs),
        snapshot("weekly_2", time("2026-11-23")).with(logs),
        snapshot("once", time("2026-11-24")).with(|record| record.databases.clear()),
    ];
    let last = |last| Policy { last, ..Policy::default() };
    let of_logs = Scope { database: Some("logs".to_owned()), series: None };
    let of_daily = Scope { database: Some("shop".to_owned()), series: Some("daily".to_owned()) };
    let rules = vec![
        Rule { scope: of_logs, policy: last(2), ..Rule::default() },
        Rule { scope: of_daily, policy: last(1), ..Rule::default() },
    ];
    assert_eq!(
        shown(snapshots, &sweep_at("2026-11-26", rules)),
        [
            "-daily_1: no rule keeps it",
            "daily_2: last 1",
            "weekly_1: last 2",
            "weekly_2: last 1",
            "once: no rule is about it",
        ]
    );
}

#[test]
fn groups_are_what_was_asked_for() {
    let logs = |record: &mut Record| record.databases = vec!["logs".to_owned()];
    let snapshots = || {
        vec![
            snapshot("daily_1", time("2026-11-20")),
            snapshot("weekly_1", time("2026-11-21")),
            snapshot("daily_2", time("2026-11-22")).with(logs),
        ]
    };
    for (group_by, gone) in [
        ("origin,database", &["daily_1"][..]),
        ("series", &["daily_1"]),
        ("database,series", &[]),
        ("", &["daily_1", "weekly_1"]),
    ] {
        let policy = Policy { last: 1, ..Policy::default() };
        let rule = Rule { group_by: group_by.parse().unwrap(), policy, ..Rule::default() };
        let going = going(&snapshots(), &sweep_at("2026-11-26", vec![rule]));
        assert_eq!(going.iter().map(Label::as_str).collect::<Vec<_>>(), gone, "{group_by}");
    }
}

#[test]
fn a_clock_that_is_off_lets_nothing_go_too_early() {
    let last = |last| sweep_at("2026-11-26", vec![rule(Policy { last, ..Policy::default() })]);
    // Dated a year ahead: it is as new as it was put, and pushes nobody out.
    let ahead = || snapshot("ahead", time("2027-11-20")).put(time("2026-11-20"));
    let snapshots =
        vec![ahead(), snapshot("a", time("2026-11-21")), snapshot("b", time("2026-11-22"))];
    assert_eq!(shown(snapshots, &last(2)), ["-ahead: no rule keeps it", "a: last 2", "b: last 1"]);
    // Dated before one that was put hours earlier: one of the two clocks was wrong.
    let behind = snapshot("behind", time("2026-11-20-12")).put(time("2026-11-22"));
    let snapshots =
        vec![snapshot("a", time("2026-11-21")), behind.clone(), snapshot("b", time("2026-11-23"))];
    assert_eq!(
        shown(snapshots, &last(1)),
        ["-a: no rule keeps it", "behind: its date is in doubt", "b: last 1"]
    );
    // One that was dated ahead is no witness, nor is one that was put about the same time.
    let near = snapshot("near", time("2026-11-21")).put(time("2026-11-21-23-55"));
    let snapshots = vec![ahead(), near, behind];
    assert_eq!(
        shown(snapshots, &last(2)),
        ["-ahead: no rule keeps it", "near: last 1", "behind: last 2"]
    );
    // A clock without a battery.
    let reset = snapshot("reset", time("1970-01-01")).ttl("1 day");
    assert_eq!(shown(vec![reset], &last(1)), ["reset: its date is in doubt"]);
    // A long backup contradicts nobody.
    let long = snapshot("long", time("2026-11-20")).put(time("2026-11-22"));
    let long = long.with(|record| record.stats.duration_ms = 2 * 86_400_000);
    let snapshots = vec![snapshot("a", time("2026-11-21")), long];
    assert_eq!(shown(snapshots, &last(1)), ["a: last 1", "-long: no rule keeps it"]);
}

/// A snapshot within two leap years, whose date and put agree.
fn any_snapshot() -> impl Strategy<Value = Candidate> {
    let day = 86_400_000_u64;
    let start = time("2023-12-30").as_unix_millis();
    (0..800 * day, 0..3_usize, 0..3_usize, any::<[bool; 3]>(), 1..600_u64).prop_map(
        move |(offset, database, origin, [has_ttl, is_held, is_foreign], ttl_days)| {
            let taken = Timestamp::from_unix_millis(start + offset);
            let label = format!("s{}_{offset}", database + origin);
            let mut snapshot = snapshot(&label, taken).with(|record| {
                record.databases = vec![format!("d{database}")];
                record.ttl = Period::new(0, ttl_days * day).filter(|_| has_ttl && offset % 3 == 0);
                if is_foreign && offset % 5 == 0 {
                    record.origin = "theirs".to_owned();
                }
            });
            if is_held && offset % 7 == 0 {
                snapshot = snapshot.held("audit");
            }
            snapshot
        },
    )
}

fn any_snapshots() -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec(any_snapshot(), 0..60).prop_map(|mut snapshots| {
        snapshots.sort_by(|a, b| a.label.cmp(&b.label));
        snapshots.dedup_by(|a, b| a.label == b.label);
        snapshots
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let counts = prop::array::uniform6(prop_oneof![2 => Just(0_u32), 1 => 1..9_u32]);
    (counts, prop::option::of(1..400_u64), any::<bool>()).prop_map(|(counts, within, may_empty)| {
        let [last, hourly, daily, weekly, monthly, yearly] = counts;
        let within = within.and_then(|days| Period::new(0, days * 86_400_000));
        Policy { last, hourly, daily, weekly, monthly, yearly, within, may_empty }
    })
}

fn any_grouping() -> impl Strategy<Value = Grouping> {
    any::<[bool; 3]>().prop_map(|[origin, databases, series]| Grouping {
        origin,
        databases,
        series,
    })
}

fn terms(policy: Policy, group_by: Grouping) -> Terms {
    sweep_at("2026-01-15-12", vec![Rule { policy, group_by, ..Rule::default() }])
}

proptest! {
    #[test]
    fn a_wider_policy_keeps_at_least_as_much(
        snapshots in any_snapshots(),
        policy in any_policy(),
        group_by in any_grouping(),
        more in prop::array::uniform6(0..4_u32),
        longer in 0..100_u32,
    ) {
        prop_assume!(!policy.is_empty());
        let [last, hourly, daily, weekly, monthly, yearly] = more;
        let wider = Policy {
            last: policy.last + last,
            hourly: policy.hourly + hourly,
            daily: policy.daily + daily,
            weekly: policy.weekly + weekly,
            monthly: policy.monthly + monthly,
            yearly: policy.yearly + yearly,
            within: policy.within.and_then(|within| Period::new(longer, within.millis())),
            may_empty: false,
        };
        let narrow = going(&snapshots, &terms(policy, group_by));
        let wide = going(&snapshots, &terms(wider, group_by));
        prop_assert!(wide.is_subset(&narrow), "{:?}", wide.difference(&narrow));
    }

    #[test]
    fn judging_what_is_left_lets_nothing_more_go(
        snapshots in any_snapshots(),
        policy in any_policy(),
        group_by in any_grouping(),
    ) {
        let terms = terms(policy, group_by);
        let gone = going(&snapshots, &terms);
        let left: Vec<_> =
            snapshots.into_iter().filter(|snapshot| !gone.contains(&snapshot.label)).collect();
        prop_assert!(going(&left, &terms).is_empty());
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(
        (snapshots, shuffled) in any_snapshots()
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
        policy in any_policy(),
        group_by in any_grouping(),
    ) {
        let terms = terms(policy, group_by);
        let in_order = judge(snapshots, &terms);
        let mut judged = judge(shuffled, &terms);
        judged.sort_by(|a, b| a.snapshot.label.cmp(&b.snapshot.label));
        prop_assert_eq!(in_order, judged);
    }

    #[test]
    fn nothing_goes_that_must_stay_whatever_the_clocks(
        snapshots in any_snapshots(),
        policy in any_policy(),
        group_by in any_grouping(),
        shifts in prop::collection::vec(-100_000_000_i64..100_000_000, 60),
    ) {
        let shifted = |(snapshot, shift): (Candidate, i64)| {
            let put = snapshot.put.as_unix_millis().saturating_add_signed(shift);
            snapshot.put(Timestamp::from_unix_millis(put))
        };
        let snapshots: Vec<_> = snapshots.into_iter().zip(shifts).map(shifted).collect();
        let verdicts = judge(snapshots, &terms(policy, group_by));
        for verdict in &verdicts {
            prop_assert!(!verdict.reasons.is_empty());
            let record = verdict.snapshot.record.as_ref().unwrap();
            let is_due = verdict.snapshot.expires().is_some_and(|end| end <= time("2026-01-15-12"));
            if verdict.goes {
                prop_assert!(verdict.snapshot.holds.is_empty() && record.origin == "ours");
                prop_assert!(record.ttl.is_none() || is_due);
                prop_assert!(is_due || !policy.is_empty());
            }
        }
        let is_here = |verdict: &&Verdict| verdict.reasons != [Reason::NoRule];
        let has_any = verdicts.iter().filter(is_here).any(|verdict| {
            let record = verdict.snapshot.record.as_ref().unwrap();
            record.ttl.is_none() && record.origin == "ours"
        });
        if has_any && !policy.may_empty {
            prop_assert!(verdicts.iter().any(|verdict| !verdict.goes));
        }
    }
}
