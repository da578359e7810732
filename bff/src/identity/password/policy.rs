use std::{collections::HashSet, sync::LazyLock};

/// A rule that a new password breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer than [`Self::MIN_LENGTH`] characters.
    TooShort,
    /// More than [`Self::MAX_LENGTH`] characters.
    TooLong,
    /// Many people have it.
    Common,
    /// It would be guessed soon.
    Guessable,
    /// It holds something that everyone knows about its owner.
    ContainsIdentity,
}

/// Shorter names are in too many words.
const SHORTEST_NAME: usize = 4;

impl Weakness {
    /// The fewest characters of a password.
    pub const MIN_LENGTH: usize = 8;
    /// The most characters of a password.
    pub const MAX_LENGTH: usize = 128;

    /// For programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Common => "too_common",
            Self::Guessable => "too_guessable",
            Self::ContainsIdentity => "contains_identity",
        }
    }

    /// For people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::TooShort => "a password has 8 characters at least",
            Self::TooLong => "a password has 128 characters at most",
            Self::Common => "this password is among the most common ones",
            Self::Guessable => {
                "this password is too easily guessed; several unrelated words are better"
            }
            Self::ContainsIdentity => "a password must not contain your name, user name or address",
        }
    }
}

/// Passwords that are tried first by whoever guesses.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../common_passwords.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
});

/// Every rule that a password breaks. `known` is what everyone may know about
/// its owner.
pub(super) fn weaknesses(password: &str, known: &[String], min_score: u8) -> Vec<Weakness> {
    let length = password.chars().count();
    if length < Weakness::MIN_LENGTH {
        return vec![Weakness::TooShort];
    }
    // Nothing else is asked of a long one: the score takes ever longer.
    if length > Weakness::MAX_LENGTH {
        return vec![Weakness::TooLong];
    }
    let mut broken = Vec::new();
    let lower = password.to_lowercase();
    if COMMON.contains(lower.as_str()) {
        broken.push(Weakness::Common);
    }
    let inputs: Vec<&str> = known.iter().map(String::as_str).collect();
    if u8::from(zxcvbn::zxcvbn(password, &inputs).score()) < min_score {
        broken.push(Weakness::Guessable);
    }
    let is_telling =
        |name: &String| name.chars().count() >= SHORTEST_NAME && lower.contains(name.as_str());
    if known
        .iter()
        .flat_map(|text| names(text))
        .any(|name| is_telling(&name))
    {
        broken.push(Weakness::ContainsIdentity);
    }
    broken
}

/// `Ann Lee` is also `annlee`, `ann` and `lee`.
fn names(text: &str) -> Vec<String> {
    use unicode_normalization::UnicodeNormalization as _;

    let text = text.nfc().collect::<String>().to_lowercase();
    let mut names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    names.push(names.concat());
    names.push(text);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(password: &str) -> Vec<Weakness> {
        let known = ["ann.lee@example.com", "Ann Kowalski", "annlee"];
        weaknesses(password, &known.map(str::to_owned), 2)
    }

    #[test]
    fn each_rule_is_named() {
        assert_eq!(of("short"), [Weakness::TooShort]);
        assert_eq!(of(&"x".repeat(129)), [Weakness::TooLong]);
        assert_eq!(of("password1"), [Weakness::Common, Weakness::Guessable]);
        assert_eq!(of("PassWord1"), [Weakness::Common, Weakness::Guessable]);
        assert_eq!(of("aaaaaaaaaa1"), [Weakness::Guessable]);
        for telling in ["annlee-7Kq!vX", "zq KOWALSKI 81 xv", "AnnKowalski#9!tq"] {
            assert!(
                of(telling).contains(&Weakness::ContainsIdentity),
                "{telling}"
            );
        }
        for good in [
            "plum orbit cello 9",
            "пять слов без связи",
            "each of these eleven words stands for a longer tale by itself",
        ] {
            assert_eq!(of(good), [], "{good}");
        }
    }

    #[test]
    fn the_common_ones_are_thousands_that_length_alone_does_not_refuse() {
        assert!(COMMON.len() >= 3_000, "{}", COMMON.len());
        let is_usable =
            |one: &&str| one.len() >= Weakness::MIN_LENGTH && **one == one.to_lowercase();
        assert!(COMMON.iter().all(is_usable));
        assert!(COMMON.contains("password") && COMMON.contains("qwertyuiop"));
    }
}
