use std::{fmt, str::FromStr};

use argon2::{Algorithm, Argon2, Params, Version};

/// What a hash costs, written as `MEMORY_KIB/ITERATIONS/PARALLELISM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

/// No cost that a hash can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCost {
    /// Written in another way.
    #[error("expected MEMORY_KIB/ITERATIONS/PARALLELISM, such as 19456/2/1")]
    Form,
    /// Argon2 can't be run so.
    #[error("no parameters of Argon2: {0}")]
    Parameters(argon2::Error),
}

impl Cost {
    /// The cost of these parameters.
    ///
    /// # Errors
    /// When Argon2 has none such.
    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, NoCost> {
        let params = Params::new(memory_kib, iterations, parallelism, None);
        params
            .map(|params| Self::of(&params))
            .map_err(NoCost::Parameters)
    }

    /// What a hash with these parameters costs.
    pub(super) fn of(params: &Params) -> Self {
        Self {
            memory_kib: params.m_cost(),
            iterations: params.t_cost(),
            parallelism: params.p_cost(),
        }
    }

    /// How new hashes of this cost are made.
    pub(super) fn argon(self) -> Argon2<'static> {
        let params = Params::new(self.memory_kib, self.iterations, self.parallelism, None);
        let params = params.expect("looked at when it was made");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }
}

impl FromStr for Cost {
    type Err = NoCost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Result<Vec<u32>, _> = text.split('/').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[memory_kib, iterations, parallelism]) => {
                Self::new(memory_kib, iterations, parallelism)
            }
            _ => Err(NoCost::Form),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory_kib,
            iterations,
            parallelism,
        } = self;
        write!(f, "{memory_kib}/{iterations}/{parallelism}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_read_as_it_is_written() {
        for text in ["19456/2/1", "64/1/1"] {
            assert_eq!(text.parse::<Cost>().unwrap().to_string(), text);
        }
        for text in ["", "19456", "19456/2", "19456/2/1/1", "19456/2/-1", "m/t/p"] {
            assert_eq!(text.parse::<Cost>(), Err(NoCost::Form), "{text}");
        }
        for text in ["1/2/1", "19456/0/1", "19456/2/0"] {
            let refused = text.parse::<Cost>();
            assert!(matches!(refused, Err(NoCost::Parameters(_))), "{text}");
        }
    }
}
