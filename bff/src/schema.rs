//! What texts are like, for the OpenAPI document: by the numbers and patterns that
//! the code itself holds them to.

use platform::{currency::Currency, money};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use crate::identity::{
    identifier::{Email, Password, Phone, Username},
    password::Weakness,
    secret::SIX_DIGITS,
};

/// Gives types their schemas, and declares those that only the document needs.
macro_rules! schemas {
    ($($(struct $stand_in:ident,)? $($type:ty,)? $name:literal: $about:literal, $schema:expr;)*) => {$(
        $(
            #[doc = $about]
            #[derive(Debug)]
            pub struct $stand_in;
            $crate::schema::schemas! { @impl $stand_in, $name, $about, $schema }
        )?
        $($crate::schema::schemas! { @impl $type, $name, $about, $schema })?
    )*};
    (@impl $type:ty, $name:literal, $about:literal, $schema:expr) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $schema.description(Some($about)).build().into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
        }
    };
}
pub(crate) use schemas;

/// A text of so many characters.
pub(crate) fn text(shortest: usize, longest: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(shortest))
        .max_length(Some(longest))
}

/// A text of this form.
pub(crate) fn like(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
}

/// One of these texts.
pub(crate) fn one_of(texts: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(texts))
}

fn secret(shortest: usize, longest: usize) -> ObjectBuilder {
    let password = SchemaFormat::KnownFormat(KnownFormat::Password);
    text(shortest, longest).format(Some(password))
}

schemas! {
    struct AnyIdentifier, "Identifier": "An e-mail address, a phone number or a user name.",
        text(1, Email::MAX).examples(["ann@example.com"]);
    struct AnyAddress, "Address": "An e-mail address or a phone number.",
        text(1, Email::MAX).examples(["ann@example.com", "+14155550123"]);
    struct OneTimeCode, "OneTimeCode": "A code that was sent.",
        like(SIX_DIGITS).examples(["123456"]);
    struct NewPassword, "NewPassword": "A password that is easy to guess is refused, with the reasons.",
        secret(Weakness::MIN_LENGTH, Weakness::MAX_LENGTH);
    struct AmountText, "Amount": "A decimal number with exactly the currency's minor digits.",
        like(money::PATTERN).examples(["12.30"]);
    struct CurrencyCode, "Currency": "ISO 4217.",
        one_of(Currency::ALL.map(Currency::code)).examples(["USD"]);
    Email, "Email": "An e-mail address.", text(1, Email::MAX).examples(["ann@example.com"]);
    Phone, "Phone": "A phone number in E.164.", like(Phone::PATTERN).examples(["+14155550123"]);
    Username, "Username": "A name to sign in with.",
        text(Username::MIN, Username::MAX).pattern(Some(Username::PATTERN)).examples(["ann_lee"]);
    Password, "Password": "A password as it was chosen.", secret(1, Password::MAX_BYTES);
}

#[cfg(test)]
mod tests {
    use platform::money::Money;
    use regex::Regex;
    use utoipa::PartialSchema;

    use super::*;

    /// Whether a text is as the document says.
    fn fits<T: PartialSchema>(text: &str) -> bool {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let number = |name: &str| schema[name].as_u64().map(|number| number as usize);
        let length = text.chars().count();
        let pattern = schema["pattern"].as_str();
        number("minLength").is_none_or(|least| least <= length)
            && number("maxLength").is_none_or(|most| length <= most)
            && pattern.is_none_or(|pattern| Regex::new(pattern).unwrap().is_match(text))
    }

    #[test]
    fn a_user_name_fits_the_document_where_the_code_takes_it() {
        for name in [
            "",
            "an",
            "ann",
            "1nn",
            "_nn",
            "a.n-n_1",
            "a b",
            "änn",
            "ann\n",
            "a@b.c",
            &"a".repeat(32),
            &"a".repeat(33),
        ] {
            // What stands around it is cut off.
            let is_taken = Username::parse(name).is_ok() && name == name.trim();
            assert_eq!(fits::<Username>(name), is_taken, "{name:?}");
        }
    }

    #[test]
    fn an_amount_fits_the_document_where_some_currency_takes_it() {
        for amount in [
            "",
            "0",
            "7",
            "07",
            "1.00",
            "-1.00",
            "01.00",
            "0.30",
            "00.30",
            ".30",
            "1.",
            "1.234",
            "1.2345",
            "+1.00",
            "1e3",
            "1,00",
            "999999999999999.00",
            "1000000000000000.00",
        ] {
            let mut all = Currency::ALL.into_iter();
            let is_taken = all.any(|currency| Money::parse(amount, currency).is_ok());
            assert_eq!(fits::<AmountText>(amount), is_taken, "{amount:?}");
        }
    }

    #[test]
    fn a_code_and_a_number_that_we_send_fit_the_document() {
        for _ in 0..100 {
            let code = crate::identity::secret::six_digits();
            assert!(fits::<OneTimeCode>(&code), "{code}");
        }
        let number = Phone::parse("+1 415 555 2671", "US".parse().unwrap()).unwrap();
        assert!(fits::<Phone>(number.e164()));
        assert!(!fits::<Phone>("4155552671") && !fits::<OneTimeCode>("12345"));
    }
}
