use std::error::Error;
use std::future::pending;
use std::time::Duration;

use super::{
    Annotate, Decision, Facts, Later, Networks, OnDemand, OwnedFacts, Policy, Proofs, Rules,
    after_refusals, all_of, any_of, asynchronous, outside, same_network, since, within,
};
use crate::view::OwnedRequest;
use crate::{
    HeadRouting, Identity, Method, Methods, Operation, PlainRequest, RequestView, Requirement,
    RouteTable, Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn bank() -> Requirement {
    Requirement::system("bank")
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60).saturating_mul(minutes)
}

/// What `policy` says of `method path`.
fn said(policy: &dyn Policy, method: &str, path: &str) -> Decision<'static> {
    let request = PlainRequest { method, path, headers: &[] };
    policy.decide(&Facts::new(&request, &Identity::new("alice", "session"), NOW)).into_owned()
}

async fn settled(policy: &dyn Policy) -> Result<Decision<'static>, super::Undecided> {
    match said(policy, "GET", "/").made() {
        Ok(decision) => Ok(decision),
        Err(later) => later.decided().await,
    }
}

fn required(decision: Decision<'static>) -> Requirement {
    let Decision::Require(requirement) = decision else { panic!("{decision}") };
    requirement.into_owned()
}

fn is_get(facts: &Facts<'_>) -> bool {
    facts.method() == "GET"
}

fn fails() -> impl Policy {
    asynchronous(|_| async { Err::<Decision<'static>, _>("the database is down") })
}

fn hangs() -> impl Policy {
    asynchronous(|_| pending::<Result<Decision<'static>, Box<dyn Error + Send + Sync>>>())
}

fn says(decision: fn() -> Decision<'static>) -> impl Policy {
    asynchronous(move |_: OwnedFacts| async move { Ok::<_, std::io::Error>(decision()) })
}

#[test]
fn both_of_two_for_one_system_is_one_that_satisfies_each() {
    let operation = Operation::new("Close the account");
    let one = bank().within(minutes(10)).since(NOW);
    let other = bank().within(minutes(1)).pin().single_use().operation(operation.clone());
    for both in [all_of([one.clone(), other.clone()]), all_of([other, one])] {
        let both = required(both.decision().into_owned());
        assert_eq!(both.max_age(), minutes(1));
        assert_eq!(both.methods(), Methods::Only(Method::Pin));
        assert_eq!(both.given_since(), NOW);
        assert!(both.scope().single_use());
        assert_eq!(both.scope().operation(), Some(&operation));
    }
}

#[test]
fn what_no_proof_can_satisfy_is_impossible() {
    let network = |text: &str| text.parse().unwrap();
    for (one, other) in [
        (bank().pin(), bank().passwordless()),
        (bank().operation(Operation::new("a")), bank().operation(Operation::new("b"))),
        (bank().from_network(network("10.0.0.0/8")), bank().from_network(network("11.0.0.0/8"))),
    ] {
        let both = all_of([one.clone(), other.clone()]);
        assert!(both.is_impossible(), "{one} and {other}");
        assert!(!any_of([one.clone(), other]).is_impossible());
        assert!(!all_of([one.clone(), one]).is_impossible());
    }
    assert!(all_of(Vec::<Requirement>::new()).is_impossible());
    assert!(any_of(Vec::<Requirement>::new()).is_impossible());
}

#[test]
fn alternatives_multiply() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(Requirement::system);
    let all = all_of([any_of([a.clone(), b.clone()]), any_of([c.clone(), d.clone()])]);
    let expected = [[&a, &c], [&a, &d], [&b, &c], [&b, &d]];
    let lists: Vec<Vec<_>> = all.alternatives().map(|list| list.iter().collect()).collect();
    assert_eq!(lists, expected.map(Vec::from));
    let nested = any_of([all_of([a.clone(), b.clone()]), c.clone().into()]);
    let lists: Vec<Vec<_>> = nested.alternatives().map(|list| list.iter().collect()).collect();
    assert_eq!(lists, [vec![&a, &b], vec![&c]]);
}

#[test]
fn a_rule_that_raises_only_adds() {
    let policy = Rules::floor(bank().within(minutes(5)))
        .raise("weaker", bank().within(minutes(60)))
        .raise("nothing", |_: &Facts<'_>| Decision::Allow)
        .raise("silent", |_: &Facts<'_>| Decision::Abstain)
        .raise("handler", OnDemand)
        .raise_when("reads", is_get, bank().pin());
    assert_eq!(required(said(&policy, "POST", "/")), bank().within(minutes(5)));
    assert_eq!(required(said(&policy, "GET", "/")), bank().within(minutes(5)).pin());
    let denied = Rules::floor(bank()).deny_when("reads", is_get);
    assert!(matches!(said(&denied, "GET", "/"), Decision::Deny));
}

/// T09: of two rules that match, neither weakens the other.
#[test]
fn rules_for_two_systems_take_both_proofs() {
    let policy = Rules::floor(bank()).raise("audited", Requirement::system("audit").pin());
    let Decision::Prove(both) = said(&policy, "GET", "/") else { panic!("two proofs") };
    assert_eq!(*both, all_of([bank(), Requirement::system("audit").pin()]));
}

#[test]
fn the_first_rule_that_relaxes_replaces_the_floor_and_others_still_raise() {
    let policy = Rules::floor(bank().pin())
        .raise_when("reads", is_get, bank().within(minutes(1)))
        .relax("silent", |_: &Facts<'_>| Decision::Abstain)
        .relax_when("relaxed", is_get, bank().passwordless().within(minutes(60)))
        .relax_to_nothing_when("too late", |_| true);
    assert_eq!(required(said(&policy, "GET", "/")), bank().passwordless().within(minutes(1)));
    assert!(matches!(said(&policy, "POST", "/"), Decision::Allow));
    let raised = Rules::floor(bank()).relax_to_nothing_when("open", |_| true).raise_when(
        "reads",
        is_get,
        bank().pin(),
    );
    assert_eq!(required(said(&raised, "GET", "/")), bank().pin());
}

#[test]
fn without_rules_the_floor_is_known_beforehand() {
    assert_eq!(Rules::floor(bank()).fixed(), Some(&bank()));
    assert_eq!(Rules::floor(bank()).deny_when("reads", is_get).fixed(), None);
    assert_eq!(Rules::open().fixed(), None);
    assert_eq!(any_of([bank()]).fixed(), Some(&bank()));
    assert_eq!(any_of([bank(), bank().pin()]).fixed(), None);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_fails_or_hangs_leaves_the_floor() {
    for broken in [fails as fn() -> _, fails] {
        let policy = Rules::floor(bank()).raise("broken", broken());
        assert_eq!(required(settled(&policy).await.unwrap()), bank());
        let policy = Rules::floor(bank()).relax("broken", broken());
        assert_eq!(required(settled(&policy).await.unwrap()), bank());
    }
    let began = tokio::time::Instant::now();
    let policy = Rules::floor(bank()).raise("hangs", hangs()).relax("hangs too", hangs());
    assert_eq!(required(settled(&policy).await.unwrap()), bank());
    assert_eq!(began.elapsed().as_millis(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_fails_takes_nothing_from_the_others() {
    let policy = Rules::floor(bank())
        .relax("broken", fails())
        .raise("asked", says(|| Decision::require(bank().pin())))
        .raise("hangs", hangs())
        .raise("at once", bank().within(minutes(1)));
    let decided = settled(&policy).await.unwrap();
    assert_eq!(required(decided), bank().pin().within(minutes(1)));
}

#[tokio::test(start_paused = true)]
async fn above_nothing_a_rule_that_fails_lets_nothing_through() {
    for policy in [
        Rules::open().raise("fails", fails()),
        Rules::open().raise("hangs", hangs()),
        Rules::open().raise("handler", OnDemand).raise("fails", fails()),
        Rules::floor(bank()).relax_to_nothing_when("open", |_| true).raise("fails", fails()),
    ] {
        assert!(settled(&policy).await.is_err(), "{policy:?}");
    }
    let proved = Rules::open().raise("fails", fails()).raise("asks", bank());
    assert_eq!(required(settled(&proved).await.unwrap()), bank());
    let open = Rules::open().relax("fails", fails()).raise("silent", says(|| Decision::Abstain));
    assert!(matches!(settled(&open).await, Ok(Decision::Allow)));
}

#[tokio::test(start_paused = true)]
async fn late_decisions_count_like_others() {
    let policy = Rules::floor(bank().pin())
        .relax("asked", says(|| Decision::require(bank().passwordless().within(minutes(60)))))
        .relax_to_nothing_when("too late", |_| true)
        .raise("also asked", says(|| Decision::require(bank().within(minutes(30)))));
    let both = bank().passwordless().within(minutes(30));
    assert_eq!(required(settled(&policy).await.unwrap()), both);
    let denied = Rules::floor(bank()).raise("asked", says(|| Decision::Deny));
    assert!(matches!(settled(&denied).await, Ok(Decision::Deny)));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_stands_alone_has_to_decide_in_time() {
    assert!(settled(&fails()).await.is_err());
    let began = tokio::time::Instant::now();
    assert!(settled(&hangs()).await.is_err());
    assert_eq!(began.elapsed().as_millis(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_policy_has_the_time_it_is_given_and_no_more() {
    for limit in [Duration::from_millis(10), Duration::from_secs(3)] {
        let began = tokio::time::Instant::now();
        let hangs = asynchronous(|_| pending::<std::io::Result<Decision<'static>>>()).within(limit);
        assert!(settled(&hangs).await.is_err());
        assert_eq!(began.elapsed(), limit);
        let began = tokio::time::Instant::now();
        let patient = hangs.within(minutes(1));
        let policy = Rules::floor(bank()).relax("one", patient).raise("two", patient).within(limit);
        assert_eq!(required(settled(&policy).await.unwrap()), bank());
        assert_eq!(began.elapsed(), limit);
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_is_put_off_again_is_none() {
    let put_off = || says(|| Decision::Later(Later::new(async { Ok(Decision::Allow) })));
    assert!(settled(&put_off()).await.is_err());
    let policy = Rules::floor(bank()).relax("put off", put_off()).raise("too", put_off());
    assert_eq!(required(settled(&policy).await.unwrap()), bank());
    assert!(settled(&Rules::open().raise("put off", put_off())).await.is_err());
}

#[test]
fn what_one_part_of_a_policy_has_to_read_all_of_it_has() {
    struct Amounts;
    impl Policy for Amounts {
        fn decide<'p>(&'p self, _: &Facts<'_>) -> Decision<'p> {
            Decision::Abstain
        }

        fn reads_body(&self) -> bool {
            true
        }
    }
    assert!(Rules::floor(bank()).raise("amounts", Amounts).reads_body());
    assert!(Rules::floor(bank()).relax("amounts", Amounts).reads_body());
    assert!(!Rules::floor(bank()).deny_when("reads", is_get).reads_body());
    assert!(after_refusals(1, minutes(10), Amounts).reads_body());
    assert!(Annotate::new(Amounts).reads_body());
    let listed = |table: RouteTable| table.into_policy(HeadRouting::AsGet).unwrap().reads_body();
    assert!(listed(RouteTable::new().get("/a", bank()).post("/a", Amounts)));
    assert!(listed(RouteTable::new().any("/a", Amounts).rpc("/b.C/D", bank())));
    assert!(listed(RouteTable::new().rpc("/b.C/D", Amounts)));
    assert!(!listed(RouteTable::new().any("/a", bank()).open_rpc("/b.C/D")));
}

#[test]
fn facts_that_are_kept_are_the_same() {
    let request = PlainRequest {
        method: "POST",
        path: "/transfers?to=bob%20b&twice=1&twice=2",
        headers: &[("accept", "a"), ("accept", "b")],
    };
    let identity = Identity::new("alice", "session");
    let facts = Facts::new(&request, &identity, NOW);
    let kept = facts.to_owned();
    for facts in [facts, kept.facts()] {
        assert_eq!((facts.method(), facts.path()), (request.method, request.path));
        assert_eq!((facts.header("accept"), facts.header("cookie")), (Some("a"), None));
        assert_eq!(facts.query("to").as_deref(), Some("bob b"));
        assert_eq!((facts.query("twice"), facts.query("none")), (None, None));
        assert_eq!(["to", "twice", "none"].map(|name| facts.has_query(name)), [true, true, false]);
        assert_eq!((facts.identity().auth_id(), facts.now()), ("alice", NOW));
    }
    let owned = OwnedRequest::of(&request);
    let mut headers = Vec::new();
    owned.headers(&mut |name, value| headers.push(format!("{name}: {value}")));
    assert_eq!(headers, ["accept: a", "accept: b"]);
}

/// A request from `peer` that was forwarded for `forwarded`.
struct Forwarded<'a> {
    peer: &'a str,
    forwarded: &'a [&'a str],
}

impl RequestView for Forwarded<'_> {
    fn method(&self) -> &str {
        "GET"
    }

    fn path(&self) -> &str {
        "/"
    }

    fn header(&self, _: &str) -> Option<&str> {
        None
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.forwarded.iter().for_each(|value| show("x-forwarded-for", value));
        for name in ["forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"] {
            show(name, "6.6.6.6");
        }
    }

    fn peer(&self) -> Option<std::net::IpAddr> {
        self.peer.parse().ok()
    }
}

/// T23: an address is what our own proxies say it is, and nobody else.
#[test]
fn only_our_proxies_have_a_say_about_an_address() {
    let proxies = Networks::parse(["10.0.0.0/8", "2001:db8::1"]).unwrap();
    let rows: &[(&str, &[&str], &str)] = &[
        ("192.0.2.7", &["6.6.6.6"], "192.0.2.7"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", &["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", &["6.6.6.6", "192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", &["6.6.6.6, 192.0.2.7 , 10.9.9.9"], "192.0.2.7"),
        ("10.0.0.1", &["192.0.2.7", "10.9.9.9"], "192.0.2.7"),
        ("10.0.0.1", &["6.6.6.6, 10.9.9.9, nonsense"], "10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, nonsense, 10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", &["6.6.6.6, "], "10.0.0.1"),
        ("::ffff:10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7"),
        ("2001:db8::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
        ("2001:db8::1", &["[2001:db8::7]"], "2001:db8::7"),
        ("2001:db8::2", &["6.6.6.6"], "2001:db8::2"),
    ];
    for (peer, forwarded, expected) in rows {
        let client = proxies.client(&Forwarded { peer, forwarded });
        assert_eq!(client, expected.parse().ok(), "{peer} {forwarded:?}");
    }
    assert_eq!(proxies.client(&Forwarded { peer: "", forwarded: &["6.6.6.6"] }), None);
}

#[test]
fn a_network_is_a_range_or_an_address() {
    let networks = Networks::parse(["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]).unwrap();
    for (address, expected) in [
        ("192.0.2.255", true),
        ("192.0.3.0", false),
        ("::ffff:192.0.2.1", true),
        ("2001:db8:1::1", true),
        ("2001:db9::1", false),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
    ] {
        assert_eq!(networks.contain(address.parse().unwrap()), expected, "{address}");
    }
    for text in ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8 "] {
        let error = Networks::parse([text]).unwrap_err();
        assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
    }
}

#[test]
fn an_unknown_address_is_from_elsewhere() {
    let office = || Networks::parse(["192.0.2.0/24"]).unwrap();
    let identity = Identity::new("alice", "session");
    for (peer, is_within) in [("192.0.2.7", true), ("192.0.3.7", false), ("", false)] {
        let request = Forwarded { peer, forwarded: &["192.0.2.7"] };
        let facts = Facts::new(&request, &identity, NOW);
        assert_eq!((within(office())(&facts), outside(office())(&facts)), (is_within, !is_within));
    }
}

#[test]
fn rules_about_network_and_stamp_leave_the_floor_as_old_as_it_may_be() {
    let identity = Identity::new("alice", "session");
    let hour = bank().within(minutes(60));
    let policy = Rules::floor(hour.clone())
        .raise("moved", same_network("bank"))
        .raise("stamp", since("bank", |facts| (facts.method() == "GET").then_some(NOW)));
    let request = Forwarded { peer: "192.0.2.7", forwarded: &[] };
    let facts = Facts::new(&request, &identity, NOW);
    let network = "192.0.2.0/24".parse().unwrap();
    let expected = hour.from_network(network).since(NOW);
    assert_eq!(required(policy.decide(&facts).into_owned()), expected);
    let request = Forwarded { peer: "", forwarded: &[] };
    let facts = Facts::new(&request, &identity, NOW);
    assert!(matches!(policy.decide(&facts), Decision::Deny), "where from is not known");
}

#[test]
fn decisions_read_as_words() {
    let policy = any_of([bank().pin().within(minutes(60)), bank().within(minutes(5))]);
    assert_eq!(
        said(&policy, "GET", "/").to_string(),
        "a proof for bank by pin of the last 3600 s, or a proof for bank of the last 300 s"
    );
    let both: Proofs = all_of([bank().single_use(), Requirement::system("audit")]);
    assert_eq!(
        said(&both, "GET", "/").to_string(),
        "a proof for bank of the last 600 s for one request and a proof for audit of the last 600 s"
    );
}
