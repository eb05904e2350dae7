use tokio::{sync::Semaphore, task::JoinSet};

use super::*;

/// What is asked for, and the transactions so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ask {
    Answer,
    /// Only alone.
    Wait,
    Fail,
    Panic,
    Hang,
}

struct Asking {
    ask: Ask,
    groups: Arc<Mutex<Vec<usize>>>,
    may_go_on: Arc<Semaphore>,
}

#[async_trait]
impl Grouped for Asking {
    type Answer = usize;

    async fn carry_out(_: &PgPool, group: &[Self]) -> Result<Vec<Option<usize>>, StoreError> {
        let first = group.first().unwrap();
        first.groups.lock().unwrap().push(group.len());
        first.may_go_on.acquire().await.unwrap().forget();
        let has = |ask| group.iter().any(|asking| asking.ask == ask);
        assert!(!has(Ask::Panic), "as it was asked to");
        if has(Ask::Fail) {
            return Err(StoreError::Closed);
        }
        if has(Ask::Hang) {
            return std::future::pending().await;
        }
        let is_left_out = |asking: &Self| asking.ask == Ask::Wait && group.len() > 1;
        Ok(group.iter().map(|asking| (!is_left_out(asking)).then_some(group.len())).collect())
    }
}

struct Fixture {
    groups: Arc<Groups<Asking>>,
    carried_out: Arc<Mutex<Vec<usize>>>,
    may_go_on: Arc<Semaphore>,
    answers: JoinSet<Result<usize, StoreError>>,
}

impl Fixture {
    fn new() -> Self {
        Self {
            // Nobody connects.
            groups: Arc::new(Groups::new(PgPool::connect_lazy("postgres://localhost/").unwrap())),
            carried_out: Arc::default(),
            may_go_on: Arc::new(Semaphore::new(0)),
            answers: JoinSet::new(),
        }
    }

    /// Returns when it waits for its turn.
    async fn ask(&mut self, ask: Ask) {
        let asking = Asking {
            ask,
            groups: Arc::clone(&self.carried_out),
            may_go_on: Arc::clone(&self.may_go_on),
        };
        let groups = Arc::clone(&self.groups);
        self.answers.spawn(async move { groups.run(asking).await });
        // There is one thread: nothing is left to do but to wait.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    async fn answers(mut self, count: usize) -> (Vec<Result<usize, String>>, Vec<usize>) {
        self.may_go_on.add_permits(100);
        let mut answers = Vec::new();
        for _ in 0..count {
            let answer = self.answers.join_next().await.unwrap().unwrap();
            answers.push(answer.map_err(|error| error.to_string()));
        }
        answers.sort();
        let carried_out = self.carried_out.lock().unwrap().clone();
        (answers, carried_out)
    }
}

#[tokio::test]
async fn who_comes_meanwhile_shares_the_next_transaction() {
    let mut fixture = Fixture::new();
    for _ in 0..4 {
        fixture.ask(Ask::Answer).await;
    }
    let (answers, carried_out) = fixture.answers(4).await;
    assert_eq!(answers, [Ok(1), Ok(3), Ok(3), Ok(3)]);
    assert_eq!(carried_out, [1, 3]);
}

#[tokio::test]
async fn a_group_has_its_limit() {
    let mut fixture = Fixture::new();
    for _ in 0..GROUP + 2 {
        fixture.ask(Ask::Answer).await;
    }
    let (_, carried_out) = fixture.answers(GROUP + 2).await;
    assert_eq!(carried_out, [1, GROUP, 1]);
}

#[tokio::test]
async fn who_would_keep_the_others_waiting_waits_alone() {
    let mut fixture = Fixture::new();
    for ask in [Ask::Answer, Ask::Wait, Ask::Answer] {
        fixture.ask(ask).await;
    }
    let (answers, carried_out) = fixture.answers(3).await;
    assert_eq!(answers, [Ok(1), Ok(1), Ok(2)]);
    assert_eq!(carried_out, [1, 2, 1]);
}

#[tokio::test]
async fn what_ends_one_group_is_told_and_ends_no_other() {
    for ask in [Ask::Fail, Ask::Panic] {
        let mut fixture = Fixture::new();
        for ask in [Ask::Answer, ask, Ask::Answer] {
            fixture.ask(ask).await;
        }
        fixture.may_go_on.add_permits(2);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        fixture.ask(Ask::Answer).await;
        let (answers, carried_out) = fixture.answers(4).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2, "{answers:?}");
        assert_eq!(carried_out, [1, 2, 1]);
    }
}

/// F71
#[tokio::test(start_paused = true)]
async fn a_database_that_is_silent_holds_up_one_group_and_only_for_a_while() {
    let mut fixture = Fixture::new();
    fixture.may_go_on.add_permits(1);
    fixture.ask(Ask::Hang).await;
    // Nobody waits that long any more.
    fixture.ask(Ask::Answer).await;
    tokio::time::sleep(LONGEST_WAIT).await;
    fixture.ask(Ask::Answer).await;
    tokio::time::sleep(PATIENCE - LONGEST_WAIT / 2).await;
    fixture.ask(Ask::Answer).await;
    let (answers, carried_out) = fixture.answers(4).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert_eq!(carried_out, [1, 1]);
}

#[test]
fn nobody_is_decided_beside_another_whom_he_shares_something_with() {
    let shared: [&[char]; 5] = [&['a'], &['b', 'c'], &['c'], &['a', 'c'], &['d']];
    let of = |index: usize| shared[index].to_vec();
    assert_eq!(wave(&[0, 1, 2, 3, 4], of), [0, 1, 4]);
    assert_eq!(wave(&[2, 3], of), [2]);
    assert_eq!(wave(&[3], of), [3]);
    assert_eq!(wave(&[], of), [0_usize; 0]);
    // Whoever waits for `a` holds `c` for himself.
    assert_eq!(wave(&[0, 3, 2], of), [0]);
}
