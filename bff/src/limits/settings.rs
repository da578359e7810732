use std::num::NonZeroU32;

use platform::config::Millis;
use serde::{Deserialize, Serialize};

/// Limits on requests. Each class has its own, and every user or client address
/// has each class to itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitSettings {
    /// How many replicas of the edge run. While Redis is away none of them knows
    /// what the others let through, so each lets through its share.
    pub replicas: NonZeroU32,
    /// How long Redis may take to say what is left of a limit, in milliseconds.
    pub redis_limit_ms: Millis,
    /// Checking passwords and codes; by client address.
    pub auth: AuthLimit,
    /// Asking for one-time codes; by client address.
    pub code: CodeLimit,
    /// Whatever else changes something.
    pub write: WriteLimit,
    /// A user's own data.
    pub read: ReadLimit,
    /// What is the same for everyone, and renewing sessions.
    pub public: PublicLimit,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            replicas: NonZeroU32::MIN,
            redis_limit_ms: Millis(50),
            auth: AuthLimit::default(),
            code: CodeLimit::default(),
            write: WriteLimit::default(),
            read: ReadLimit::default(),
            public: PublicLimit::default(),
        }
    }
}

// One type for each class, since each has defaults of its own: whoever sets one
// of the two numbers keeps the other.
macro_rules! limits {
    ($($name:ident: $count:literal $unit:ident ($window_s:literal s), burst $burst:literal;)*) => {$(
        /// The limit of one class.
        #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// Requests in this time, in the long run.
            pub $unit: Count<MAX_COUNT>,
            /// Requests at once, after a pause.
            pub burst: Count<MAX_BURST>,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $unit: Count::literal($count), burst: Count::literal($burst) }
            }
        }

        impl From<$name> for Quota {
            fn from(limit: $name) -> Self {
                Self { count: limit.$unit.0, window_s: $window_s, burst: limit.burst.0 }
            }
        }
    )*};
}

limits! {
    AuthLimit: 10 per_minute (60 s), burst 10;
    CodeLimit: 10 per_hour (3600 s), burst 10;
    WriteLimit: 60 per_minute (60 s), burst 20;
    ReadLimit: 600 per_minute (60 s), burst 100;
    PublicLimit: 300 per_minute (60 s), burst 60;
}

/// One a microsecond, which is the unit that limits reckon in.
const MAX_COUNT: u32 = 60_000_000;
/// With one request an hour, the largest time that comes of this is still a
/// whole number to Lua.
const MAX_BURST: u32 = 1_000_000;

/// A number of requests, from 1 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Count<const MAX: u32>(NonZeroU32);

impl<const MAX: u32> Count<MAX> {
    const fn literal(count: u32) -> Self {
        assert!(count <= MAX);
        Self(NonZeroU32::new(count).expect("a default is positive"))
    }
}

impl<const MAX: u32> TryFrom<u32> for Count<MAX> {
    type Error = String;

    fn try_from(count: u32) -> Result<Self, String> {
        NonZeroU32::new(count)
            .filter(|count| count.get() <= MAX)
            .map(Self)
            .ok_or_else(|| format!("expected 1 to {MAX}"))
    }
}

impl<const MAX: u32> From<Count<MAX>> for u32 {
    fn from(count: Count<MAX>) -> Self {
        count.0.get()
    }
}

/// A class's limit as it is reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    /// Requests in a window, in the long run.
    pub count: NonZeroU32,
    /// The window, in seconds.
    pub window_s: u32,
    /// Requests at once.
    pub burst: NonZeroU32,
}

impl Quota {
    /// After how many microseconds there is room for one request more. Rounded
    /// up, so that never more than the limit is let through.
    pub fn interval(self) -> i64 {
        i64::from((self.window_s * 1_000_000).div_ceil(self.count.get()))
    }

    /// After how many microseconds without a request the whole burst is there again.
    pub fn refill(self) -> i64 {
        self.interval() * i64::from(self.burst.get())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Settings {
        limits: LimitSettings,
    }

    fn load(variables: &[(&str, &str)]) -> Result<LimitSettings, String> {
        let environment: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        platform::config::load::<Settings>("BFF", None, &environment)
            .map(|settings| settings.limits)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_number_of_a_class_can_be_set_alone() {
        let limits = load(&[("BFF_LIMITS__AUTH__PER_MINUTE", "5")]).unwrap();
        assert_eq!(u32::from(limits.auth.per_minute), 5);
        assert_eq!(u32::from(limits.auth.burst), 10);
        assert_eq!(u32::from(limits.read.per_minute), 600);
        let limits = load(&[("BFF_LIMITS__CODE__PER_HOUR", "3")]).unwrap();
        assert_eq!(u32::from(limits.code.per_hour), 3);
    }

    #[test]
    fn a_limit_out_of_range_is_refused_by_name() {
        for value in ["0", "60000001", "-1", "many"] {
            let error = load(&[("BFF_LIMITS__READ__PER_MINUTE", value)]).unwrap_err();
            assert!(error.contains("BFF_LIMITS__READ__PER_MINUTE"), "{error}");
        }
        let error = load(&[("BFF_LIMITS__WRITE__BURST", "1000001")]).unwrap_err();
        assert!(error.contains("expected 1 to 1000000"), "{error}");
        assert!(load(&[("BFF_LIMITS__REPLICAS", "0")]).is_err());
    }

    fn quota(count: u32, window_s: u32, burst: u32) -> Quota {
        Quota {
            count: count.try_into().unwrap(),
            window_s,
            burst: burst.try_into().unwrap(),
        }
    }

    #[test]
    fn the_interval_is_never_shorter_than_the_limit_allows() {
        for (count, interval) in [(600, 100_000), (7, 8_571_429), (MAX_COUNT, 1)] {
            assert_eq!(quota(count, 60, 1).interval(), interval);
        }
        assert_eq!(Quota::from(CodeLimit::default()).refill(), 3_600_000_000);
    }

    #[test]
    fn the_largest_time_is_a_whole_number_to_lua() {
        let in_the_year_2100 = 4_102_444_800_000_000_i64;
        assert!(in_the_year_2100 + quota(1, 3600, MAX_BURST).refill() < 1 << 53);
    }
}
