use super::*;

fn region() -> Region {
    "US".parse().unwrap()
}

#[test]
fn spellings_of_one_address_are_one() {
    let canonical = |text: &str| Email::parse(text).unwrap().canonical().to_owned();
    assert_eq!(canonical(" Ann@Example.COM "), "ann@example.com");
    assert_eq!(
        canonical("ann@bücher.example"),
        canonical("ANN@xn--bcher-kva.example")
    );
}

#[test]
fn what_no_mail_could_reach_is_refused() {
    for text in [
        "",
        "@",
        "a@",
        "@b.c",
        "a b@c.d",
        "a@b",
        "a@b@c.d",
        "ann@exa mple.com",
        "\"a\"@b.co",
        "аnn@example.com",
        "a@b.c\r\nBcc: x@y.z",
    ] {
        assert_eq!(
            Email::parse(text).unwrap_err(),
            IdentifierError::Email,
            "{text:?}"
        );
    }
}

#[test]
fn a_number_with_its_country_is_what_it_says_whatever_the_region() {
    for number in [
        "+4915112345678",
        "+495112345678",
        "+79161234567",
        "+442079460123",
        "+390612345678",
        "+14155552671",
        "+33123456789",
        "+919876543210",
        "+819012345678",
        "+5491123456789",
        "+861012345678",
        "+3612345678",
    ] {
        for region in ["US", "DE", "RU", "HU"] {
            let phone = Phone::parse(number, region.parse().unwrap());
            let e164 = phone.map(|phone| phone.e164().to_owned());
            assert_eq!(e164.as_deref(), Ok(number), "{region}");
        }
    }
}

#[test]
fn phones_become_e164() {
    let e164 = |text: &str| Phone::parse(text, region()).map(|p| p.e164().to_owned());
    assert_eq!(e164("(415) 555-2671").unwrap(), "+14155552671");
    assert_eq!(e164("+44 20 7946 0958").unwrap(), "+442079460958");
    assert!(e164("12").is_err());
    assert!(e164("+999 1234567").is_err());
}

#[test]
fn each_identifier_is_taken_for_what_it_is() {
    let parse = |text: &str| Identifier::parse(text, region());
    assert!(matches!(parse("ann"), Ok(Identifier::Username(_))));
    assert!(matches!(
        parse("ann@example.com"),
        Ok(Identifier::Address(Address::Email(_)))
    ));
    assert!(matches!(
        parse("+14155552671"),
        Ok(Identifier::Address(Address::Phone(_)))
    ));
    assert!(parse("a").is_err());
    assert!(parse("").is_err());
}

#[test]
fn nothing_shows_a_whole_address() {
    let address = Address::parse("ann.lee@example.com", region()).unwrap();
    assert_eq!(format!("{address:?}"), "a***@example.com");
    let phone = Address::parse("+14155552671", region()).unwrap();
    assert_eq!(format!("{phone:?}"), "+1***71");
}

#[test]
fn one_password_typed_on_two_keyboards_is_one() {
    let composed = Password::new("caf\u{e9} au lait").unwrap();
    let combining = Password::new("cafe\u{301} au lait").unwrap();
    assert_eq!(composed.expose(), combining.expose());
}
