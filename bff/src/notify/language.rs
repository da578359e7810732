use serde::{Deserialize, Serialize};

/// A language that messages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English, where nothing else is asked for.
    #[default]
    En,
    /// Russian.
    Ru,
}

impl Language {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Ru];

    /// The language tag (RFC 5646).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
        }
    }

    /// The one that an `Accept-Language` likes best (RFC 9110, section 12.5.4).
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let mut best = (Self::default(), 0.0);
        for range in header.split(',').take(16) {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let primary = tag.split('-').next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Some(1.0), |q| q.parse::<f32>().ok())
                .unwrap_or_default();
            let known = Self::ALL
                .into_iter()
                .find(|language| primary.eq_ignore_ascii_case(language.as_str()));
            if let Some(language) = known
                && quality > best.1
            {
                best = (language, quality);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_best_is_chosen() {
        for (header, expected) in [
            ("", Language::En),
            ("de, fr;q=0.5", Language::En),
            ("ru", Language::Ru),
            ("RU-ru,en;q=0.8", Language::Ru),
            ("en;q=0.5, ru;q=0.9", Language::Ru),
            ("ru;q=0, en;q=0.1", Language::En),
            ("ru;q=nonsense", Language::En),
            ("en, ru", Language::En),
            (&"x,".repeat(9_000), Language::En),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }
}
