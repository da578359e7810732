//! The words that titles, texts and names are put together from.

use std::{collections::BTreeMap, sync::LazyLock};

use platform::currency::Currency;
use serde::Deserialize;

use crate::random::Chance;

/// One kind of book.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Genre {
    /// Its tag.
    pub(crate) tag: String,
    /// What its books cost, from and to, in US cents.
    pub(crate) cents: (i64, i64),
    /// Further tags.
    pub(crate) themes: Vec<String>,
    titles: Vec<String>,
    adjectives: Vec<String>,
    nouns: Vec<String>,
    places: Vec<String>,
    people: Vec<String>,
    openings: Vec<String>,
    middles: Vec<String>,
    closings: Vec<String>,
}

/// Words about people.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct People {
    pub(crate) usernames: Usernames,
    pub(crate) names: BTreeMap<Currency, Names>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Usernames {
    pub(crate) first: Vec<String>,
    pub(crate) second: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Names {
    pub(crate) given: Vec<String>,
    pub(crate) family: Vec<String>,
}

pub(crate) static PEOPLE: LazyLock<People> = LazyLock::new(|| {
    toml::from_str(include_str!("../data/people.toml")).expect("a test reads the file")
});

pub(crate) static GENRES: LazyLock<Vec<Genre>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        genre: Vec<Genre>,
    }
    [
        include_str!("../data/fiction.toml"),
        include_str!("../data/nonfiction.toml"),
    ]
    .into_iter()
    .flat_map(|text| {
        let file: File = toml::from_str(text).expect("a test reads the file");
        file.genre
    })
    .collect()
});

impl Genre {
    /// A title, such as *The Silent Lighthouse of Europa*.
    pub(crate) fn title(&self, chance: &mut Chance) -> String {
        let pattern = chance.choose(&self.titles);
        self.fill(pattern, chance, "")
    }

    /// What stands on the back of a book about `theme`.
    pub(crate) fn description(&self, chance: &mut Chance, theme: &str) -> String {
        let parts = [&self.openings, &self.middles, &self.closings];
        let sentences = parts.map(|list| {
            let pattern = chance.choose(list);
            self.fill(pattern, chance, theme)
        });
        sentences.join(" ")
    }

    /// Puts words into the slots of a pattern, no word twice.
    fn fill(&self, pattern: &str, chance: &mut Chance, theme: &str) -> String {
        let theme = theme.replace('-', " ");
        let mut text = String::new();
        let mut used: Vec<&str> = Vec::new();
        for (number, part) in pattern.split('{').enumerate() {
            let Some((slot, rest)) = part.split_once('}').filter(|_| number > 0) else {
                text.push_str(part);
                continue;
            };
            let list = match slot {
                "adjective" => &self.adjectives,
                "noun" | "nouns" => &self.nouns,
                "place" => &self.places,
                "person" => &self.people,
                _ => {
                    text.push_str(&theme);
                    text.push_str(rest);
                    continue;
                }
            };
            // Every pattern has fewer slots than its lists have words.
            let word = loop {
                let word = chance.choose(list).as_str();
                if !used.contains(&word) {
                    break word;
                }
            };
            used.push(word);
            append(&mut text, word, slot == "nouns");
            text.push_str(rest);
        }
        text
    }
}

/// Appends a word so that the sentence or the article before it fits.
fn append(text: &mut String, word: &str, many: bool) {
    let follows = |article: &str| text == article || text.ends_with(&format!(" {article}"));
    let word = match word.strip_prefix("the ") {
        Some(bare) if follows("The ") || follows("the ") => bare,
        _ => word,
    };
    if (follows("A ") || follows("a ")) && sounds_like_a_vowel(word) {
        text.pop();
        text.push_str("n ");
    }
    let word = if many { plural(word) } else { word.to_owned() };
    let begins = text.is_empty() || text.ends_with(". ") || text.ends_with("? ");
    text.push_str(&if begins { capitalised(&word) } else { word });
}

fn sounds_like_a_vowel(word: &str) -> bool {
    let word = word.to_lowercase();
    if word.starts_with("use") {
        return false;
    }
    word.starts_with(['a', 'e', 'i', 'o', 'u'])
        || word.starts_with("hon")
        || word.starts_with("heir")
}

fn plural(word: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
    if ends(&["s", "x", "ch", "sh"]) {
        format!("{word}es")
    } else if ends(&["ay", "ey", "oy"]) || !word.ends_with('y') {
        format!("{word}s")
    } else {
        format!("{}ies", &word[..word.len() - 1])
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn every_pattern_of_every_genre_can_be_filled() {
        assert!(PEOPLE.names.len() >= 3);
        for genre in GENRES.iter() {
            for (number, pattern) in [
                &genre.titles,
                &genre.openings,
                &genre.middles,
                &genre.closings,
            ]
            .into_iter()
            .flatten()
            .enumerate()
            {
                let mut chance = Chance::of(1, Stream::Item, number);
                let text = genre.fill(pattern, &mut chance, "slow-burn");
                assert!(
                    !text.contains(['{', '}', '-']) || !pattern.contains("theme"),
                    "{text}"
                );
                for slot in pattern
                    .split('{')
                    .skip(1)
                    .filter_map(|part| part.split('}').next())
                {
                    let known = ["adjective", "noun", "nouns", "place", "person", "theme"];
                    assert!(known.contains(&slot), "{pattern}");
                }
            }
        }
    }

    #[test]
    fn articles_and_plurals_are_english() {
        let said = |before: &str, word, many| {
            let mut text = before.to_owned();
            append(&mut text, word, many);
            text
        };
        assert_eq!(said("A ", "Honest", false), "An Honest");
        assert_eq!(said("Like a ", "Useful", false), "Like a Useful");
        assert_eq!(said("The ", "the Fens", false), "The Fens");
        assert_eq!(said("Other ", "Bakery", true), "Other Bakeries");
        assert_eq!(said("Other ", "Kiss", true), "Other Kisses");
        assert_eq!(said("Other ", "Key", true), "Other Keys");
    }
}
