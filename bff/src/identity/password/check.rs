//! Hashes, and what a check of a password does: one hash at each cost that stored
//! ones have, whether there is one, whichever it has, and whether it is right.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use subtle::ConstantTimeEq as _;

use super::{Verdict, cost::Cost, memory::Memory};

/// A password's hash at this cost, with a new salt.
pub(super) fn hash(cost: Cost, memory: &Memory, password: &str) -> String {
    let (argon, salt) = (cost.argon(), Salt::generate());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(&argon, memory, password, &salt, &mut output)
        .expect("Argon2 takes every password of 128 characters");
    let params = ParamsString::try_from(argon.params());
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params.expect("numbers are parameters"),
        salt: Some(salt),
        hash: Some(Output::new(&output).expect("32 bytes are an output")),
    };
    hash.to_string()
}

/// Checks a password, with the work that is the same for everyone. The first of
/// the costs is that of new hashes.
pub(super) fn check(
    costs: &[Cost],
    memory: &Memory,
    password: &str,
    stored: Option<&str>,
) -> Verdict {
    let stored = stored.and_then(Stored::read);
    let own = stored.as_ref().map(|stored| stored.cost());
    if let Some(own) = own
        && !costs.contains(&own)
    {
        let cost = own.to_string();
        tracing::warn!(
            cost,
            "BFF_PASSWORDS__OTHER_COSTS lacks that of a stored hash"
        );
    }
    let is_right = stored.is_some_and(|stored| stored.is_of(password, memory));
    let others = costs.iter().filter(|cost| Some(**cost) != own);
    // What isn't needed is made all the same.
    let mut made = others.map(|cost| (*cost, hash(*cost, memory, password)));
    let new = made.by_ref().next();
    made.for_each(drop);
    if !is_right {
        return Verdict::Wrong;
    }
    let rehashed = new.filter(|(cost, _)| Some(cost) == costs.first());
    Verdict::Right {
        rehashed: rehashed.map(|(_, hash)| hash),
    }
}

/// A stored hash that can be compared with.
struct Stored {
    argon: Argon2<'static>,
    salt: Salt,
    output: Output,
}

impl Stored {
    /// A malformed one is written down, and is nobody's.
    fn read(text: &str) -> Option<Self> {
        let read = || {
            let phc = PasswordHash::new(text).ok()?;
            let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
            let version = Version::try_from(phc.version?).ok()?;
            let params = Params::try_from(&phc).ok()?;
            Some(Self {
                argon: Argon2::new(algorithm, version, params),
                salt: phc.salt?,
                output: phc.hash?,
            })
        };
        let stored = read();
        if stored.is_none() {
            tracing::error!("a stored password hash can't be read");
        }
        stored
    }

    fn cost(&self) -> Cost {
        Cost::of(self.argon.params())
    }

    fn is_of(&self, password: &str, memory: &Memory) -> bool {
        let mut computed = vec![0; self.output.len()];
        let hashed = compute(&self.argon, memory, password, &self.salt, &mut computed);
        hashed.is_ok() && bool::from(computed.ct_eq(self.output.as_bytes()))
    }
}

/// Every hash is made here, and counted.
fn compute(
    argon: &Argon2<'_>,
    memory: &Memory,
    password: &str,
    salt: &[u8],
    output: &mut [u8],
) -> argon2::Result<()> {
    let cost = Cost::of(argon.params()).to_string();
    metrics::counter!("password_hashes_total", "cost" => cost).increment(1);
    memory.lend(argon.params().block_count(), |blocks| {
        let hashed =
            argon.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut *blocks);
        if argon.params().t_cost() == 1 {
            blocks.fill(Block::new());
        }
        hashed
    })
}
