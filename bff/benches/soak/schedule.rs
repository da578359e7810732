//! Which faults come when: decided by a seed, so that a run can be made again.

use std::{fmt, time::Duration};

use futures::future::join_all;
use platform::testing::{Fault, Loss, Proxy};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep_until};

/// A fault that is over at once is made again this often.
const AGAIN: Duration = Duration::from_millis(250);

/// The ways that faults come over.
#[derive(Debug)]
pub(crate) struct Ways {
    pub(crate) postgres: Proxy,
    pub(crate) redis: Proxy,
    pub(crate) nats: Proxy,
    pub(crate) orders: Proxy,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Postgres,
    Redis,
    Nats,
    Orders,
}

impl Way {
    const ALL: [Self; 4] = [Self::Postgres, Self::Redis, Self::Nats, Self::Orders];

    fn of(self, ways: &Ways) -> &Proxy {
        match self {
            Self::Postgres => &ways.postgres,
            Self::Redis => &ways.redis,
            Self::Nats => &ways.nats,
            Self::Orders => &ways.orders,
        }
    }

    /// An answer that tells of something done.
    fn loss(self) -> Loss {
        match self {
            // A transaction is over, and the server ready for the next.
            Self::Postgres => Loss {
                answer: b"Z\0\0\0\x05I",
                ..Loss::to(b"")
            },
            Self::Redis => Loss::to(b"EVALSHA"),
            Self::Nats => Loss {
                answer: b"\"seq\":",
                ..Loss::to(b"HPUB")
            },
            Self::Orders => Loss {
                kept: 30,
                ..Loss::to(b"")
            },
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Lasting(Fault),
    /// Made again and again.
    Cuts,
    Losses(Loss),
}

#[derive(Debug, Clone, Copy)]
struct Step {
    from: Duration,
    until: Duration,
    way: Way,
    trouble: Trouble,
}

/// Everything that will go wrong.
#[derive(Debug)]
pub(crate) struct Schedule(Vec<Step>);

impl Schedule {
    /// What goes wrong within `whole`, of which the last tenth is quiet.
    pub(crate) fn new(seed: u64, whole: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut steps = Vec::new();
        for way in Way::ALL {
            let mut from = seconds(&mut random, 1.0, 6.0);
            loop {
                let until = from + seconds(&mut random, 0.5, 8.0);
                if until > whole.mul_f64(0.9) {
                    break;
                }
                let trouble = trouble(&mut random, way);
                steps.push(Step {
                    from,
                    until,
                    way,
                    trouble,
                });
                from = until + seconds(&mut random, 2.0, 15.0);
            }
        }
        steps.sort_by_key(|step| step.from);
        Self(steps)
    }

    /// How often something goes wrong.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Lets it go wrong, from now on.
    pub(crate) async fn run(&self, ways: &Ways) {
        let began = Instant::now();
        // Those of one way come one after another.
        let each = Way::ALL.map(|way| async move {
            let own = |step: &&Step| step.way as usize == way as usize;
            for step in self.0.iter().filter(own) {
                sleep_until(began + step.from).await;
                step.run(way.of(ways), began + step.until).await;
            }
        });
        join_all(each).await;
    }
}

impl Step {
    async fn run(&self, way: &Proxy, until: Instant) {
        match self.trouble {
            Trouble::Lasting(fault) => way.set(fault),
            Trouble::Cuts | Trouble::Losses(_) => {
                let mut next = Instant::now();
                while next < until {
                    match self.trouble {
                        Trouble::Losses(loss) => way.set(Fault::LoseAnswer(loss)),
                        _ => way.cut(),
                    }
                    next += AGAIN;
                    sleep_until(next).await;
                }
            }
        }
        sleep_until(until).await;
        way.heal();
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            let (from, until) = (step.from.as_secs_f64(), step.until.as_secs_f64());
            writeln!(f, "{from:6.1} s – {until:6.1} s  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = format!("{:?}", self.way).to_lowercase();
        match self.trouble {
            Trouble::Lasting(fault) => write!(f, "{way}: {fault:?}"),
            Trouble::Cuts => write!(f, "{way}: connections are cut"),
            Trouble::Losses(_) => write!(f, "{way}: answers get lost"),
        }
    }
}

fn trouble(random: &mut StdRng, way: Way) -> Trouble {
    let ms = |ms| Duration::from_millis(ms);
    match random.random_range(0..7) {
        0 => Trouble::Lasting(Fault::Latency {
            delay: ms(random.random_range(5..60)),
            jitter: ms(10),
        }),
        1 => Trouble::Lasting(Fault::Latency {
            delay: ms(random.random_range(200..2_000)),
            jitter: ms(100),
        }),
        2 => Trouble::Lasting(Fault::Bandwidth(random.random_range(500..50_000))),
        3 => Trouble::Lasting(Fault::BlackHole),
        4 => Trouble::Lasting(Fault::Refuse),
        5 => Trouble::Cuts,
        _ => Trouble::Losses(way.loss()),
    }
}

fn seconds(random: &mut StdRng, from: f64, to: f64) -> Duration {
    Duration::from_secs_f64(random.random_range(from..to))
}
