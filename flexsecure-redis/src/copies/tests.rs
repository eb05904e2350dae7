use super::*;

struct Node {
    validity: Arc<Validity>,
    copies: Copies,
}

impl Node {
    fn with(capacity: usize) -> Self {
        let validity = Arc::new(Validity::new(["server".to_owned()]));
        validity.answered("server", Instant::now());
        Self { copies: Copies::new(Arc::clone(&validity), capacity), validity }
    }

    fn begin(&self) -> Option<Era> {
        self.copies.begin("u1", "alice")
    }

    fn end(&self, era: Option<Era>, held: &Holdings) {
        self.copies.end("u1", era, held);
    }

    fn shows(&self, session: &str) -> bool {
        self.copies.get(&SessionKey::of(session), "alice").is_some()
    }
}

/// What alice holds as the server has read it at that time.
fn held(sessions: &[&str], read_at: u64) -> Holdings {
    let elevations = Arc::new(Elevations::none("alice".into()));
    let sessions = sessions.iter().map(|it| (SessionKey::of(it), Arc::clone(&elevations)));
    Holdings { sessions: sessions.collect(), good_for: Duration::from_secs(60), read_at }
}

#[test]
fn what_was_read_is_shown_to_its_user_and_session() {
    let node = Node::with(10);
    node.end(node.begin(), &held(&["one", "two"], 1));
    assert!(node.shows("one") && node.shows("two") && !node.shows("three"));
    assert!(node.copies.get(&SessionKey::of("one"), "bob").is_none());
    node.end(node.begin(), &held(&["two"], 2));
    assert!(!node.shows("one") && node.shows("two"));
    node.end(node.begin(), &held(&[], 3));
    assert!(!node.shows("two"));
}

#[test]
fn what_changes_while_it_is_read_is_not_shown() {
    let changes: [fn(&Copies); 2] = [|copies| copies.forget("u1"), Copies::clear];
    for change in changes {
        let node = Node::with(10);
        let reading = node.begin();
        change(&node.copies);
        node.end(reading, &held(&["one"], 1));
        assert!(!node.shows("one"));
        let reading = node.begin();
        change(&node.copies);
        let other = node.begin();
        node.end(reading, &held(&["one"], 1));
        // Whoever saw the first may not see the second, which may be older.
        node.end(other, &held(&["one"], 2));
        assert!(!node.shows("one"));
    }
}

#[test]
fn reading_that_came_before_another_never_takes_its_place() {
    let node = Node::with(10);
    let (first, second) = (node.begin(), node.begin());
    node.end(second, &held(&["new"], 2));
    node.end(first, &held(&["old"], 1));
    assert!(node.shows("new") && !node.shows("old"));
}

#[test]
fn reading_begun_while_nobody_watched_is_not_shown_and_hides_what_is_older() {
    let node = Node::with(10);
    node.validity.lost("server");
    assert_eq!(node.begin(), None);
    node.validity.answered("server", Instant::now());
    node.end(None, &held(&["one"], 1));
    assert!(!node.shows("one"));
    node.end(node.begin(), &held(&["one"], 2));
    assert!(node.shows("one"));
    node.end(None, &held(&["one"], 3));
    assert!(!node.shows("one"));
}

#[test]
fn nothing_is_shown_while_nobody_watches() {
    let node = Node::with(10);
    node.end(node.begin(), &held(&["one"], 1));
    node.validity.lost("server");
    assert!(!node.shows("one"));
}

#[test]
fn copy_is_shown_no_longer_than_its_elevations_are_good() {
    let node = Node::with(10);
    let outlived = Holdings { good_for: Duration::ZERO, ..held(&["one"], 1) };
    node.end(node.begin(), &outlived);
    assert!(!node.shows("one"));
}

#[test]
fn no_more_sessions_are_copied_than_there_is_room_for() {
    let node = Node::with(2);
    node.end(node.begin(), &held(&["one", "two"], 1));
    assert!(node.shows("one"));
    let bob = node.copies.begin("u2", "bob");
    node.copies.end("u2", bob, &held(&["three"], 2));
    assert!(node.copies.get(&SessionKey::of("three"), "bob").is_none());
    node.copies.forget("u1");
    let bob = node.copies.begin("u2", "bob");
    node.copies.end("u2", bob, &held(&["three"], 3));
    assert!(node.copies.get(&SessionKey::of("three"), "bob").is_some());
}

#[test]
fn users_of_an_hour_ago_are_let_go_of() {
    let node = Node::with(10);
    node.end(node.begin(), &held(&["one"], 1));
    let now = Instant::now();
    node.copies.sweep_if_due(now + KEPT - BETWEEN_SWEEPS);
    assert!(node.shows("one"));
    node.copies.sweep_if_due(now + KEPT);
    assert!(!node.shows("one"));
}

#[test]
fn time_of_a_revocation_is_known_until_it_may_be_another() {
    let node = Node::with(10);
    let time = Timestamp::from_millis(7);
    let learn = |era: Result<Timestamp, Era>| node.copies.learn_cutoff(era.unwrap_err(), time);
    let reading = node.copies.cutoff();
    node.copies.clear();
    learn(reading);
    assert!(node.copies.cutoff().is_err());
    learn(node.copies.cutoff());
    assert_eq!(node.copies.cutoff(), Ok(time));
    node.validity.lost("server");
    assert!(node.copies.cutoff().is_err());
    node.validity.answered("server", Instant::now());
    node.copies.clear();
    assert!(node.copies.cutoff().is_err());
}
