//! Random commands, beside a ledger of forty lines that says what has to come
//! out.

mod reference;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::Bank;
use reference::Model;

const PEOPLE: usize = 3;

/// What can happen. People and holds are meant by number.
#[derive(Debug, Clone)]
enum Command {
    Deposit { to: usize, cents: i64 },
    Transfer { from: usize, to: usize, cents: i64 },
    Repeat { key: usize },
    Hold { of: usize, cents: i64 },
    Capture { hold: usize },
    Release { hold: usize },
    ReleaseUnknown { of: usize, cents: i64 },
    Expire { hold: usize },
    Close { of: usize },
}

fn command() -> impl Strategy<Value = Command> {
    use Command::{
        Capture, Close, Deposit, Expire, Hold, Release, ReleaseUnknown, Repeat, Transfer,
    };
    let person = || 0..PEOPLE;
    let cents = || 1..2_000_i64;
    prop_oneof![
        3 => (person(), cents()).prop_map(|(to, cents)| Deposit { to, cents }),
        8 => (person(), person(), cents()).prop_map(|(from, to, cents)| Transfer { from, to, cents }),
        2 => any::<usize>().prop_map(|key| Repeat { key }),
        5 => (person(), cents()).prop_map(|(of, cents)| Hold { of, cents }),
        3 => any::<usize>().prop_map(|hold| Capture { hold }),
        2 => any::<usize>().prop_map(|hold| Release { hold }),
        1 => (person(), cents()).prop_map(|(of, cents)| ReleaseUnknown { of, cents }),
        2 => any::<usize>().prop_map(|hold| Expire { hold }),
        1 => person().prop_map(|of| Close { of }),
    ]
}

#[test]
fn random_commands_come_out_as_the_reference_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (bank, pool) = runtime.block_on(async {
        let bank = Bank::open().await;
        let pool = bank.app.settings.postgres.pool("test").unwrap();
        (bank, pool)
    });
    let config = Config {
        cases: 16,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let commands = prop::collection::vec(command(), 1..60);
    let outcome = TestRunner::new(config).run(&commands, |commands| {
        runtime.block_on(async {
            let mut model = Model::new(&bank, &pool).await;
            for command in &commands {
                model.play(command).await;
            }
            model.compare().await;
        });
        Ok(())
    });
    outcome.unwrap();
}
