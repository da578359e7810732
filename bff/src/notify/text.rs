//! What messages say: each in every language, from the files in `templates/`.
//!
//! A file is written once and read by four layouts: the subject of a mail, its
//! plain text, its HTML, and an SMS.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context, syntax::SyntaxConfig};
use platform::consumer::Failure;

use super::{
    Message,
    message::{Content, Notice},
};

/// What a text is for. Mail servers log subjects: no code stands there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Subject,
    Plain,
    Html,
    Sms,
}

impl Form {
    const ALL: [Self; 4] = [Self::Subject, Self::Plain, Self::Html, Self::Sms];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Plain => "txt",
            Self::Html => "html",
            Self::Sms => "sms",
        }
    }
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name, ".jinja")))),*]
    };
}

/// Every message in every language.
const MESSAGES: &[(&str, &str)] = files![
    "en/base",
    "en/code",
    "en/password_changed",
    "en/username_changed",
    "en/address_added",
    "en/address_removed",
    "en/provider_added",
    "en/provider_removed",
    "en/new_sign_in",
    "en/session_stolen",
    "en/deactivated",
    "en/deletion_requested",
    "ru/base",
    "ru/code",
    "ru/password_changed",
    "ru/username_changed",
    "ru/address_added",
    "ru/address_removed",
    "ru/provider_added",
    "ru/provider_removed",
    "ru/new_sign_in",
    "ru/session_stolen",
    "ru/deactivated",
    "ru/deletion_requested",
];

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut all = Environment::new();
    all.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    all.set_syntax(syntax.expect("the delimiters are the usual ones"));
    all.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    let mut add = |name: String, source: &'static str| {
        all.add_template_owned(name, source)
            .expect("a test has rendered every template");
    };
    for (form, source) in [
        (
            Form::Subject,
            include_str!("../../templates/layout.subject"),
        ),
        (Form::Plain, include_str!("../../templates/layout.txt")),
        (Form::Html, include_str!("../../templates/layout.html")),
        (Form::Sms, include_str!("../../templates/layout.sms")),
    ] {
        add(format!("layout.{}", form.as_str()), source);
    }
    for (name, source) in MESSAGES {
        for form in Form::ALL {
            add(format!("{name}.{}", form.as_str()), source);
        }
    }
    all
});

/// What a message says in one form.
pub(super) fn text(message: &Message, form: Form, now: DateTime<Utc>) -> Result<String, Failure> {
    let (language, form) = (message.language().as_str(), form.as_str());
    let name = format!("{language}/{}.{form}", name(message.content()));
    let known = context! { language, form };
    let values = match message.content() {
        Content::Code {
            purpose,
            code,
            expires_at,
        } => context! {
            purpose => purpose.as_str(),
            code,
            minutes => minutes(*expires_at - now),
            agent => "",
            ..known
        },
        Content::Notice {
            notice,
            at,
            ip,
            user_agent,
        } => {
            let (which, erase_on) = match notice {
                Notice::AddressAdded(which)
                | Notice::AddressRemoved(which)
                | Notice::ProviderAdded(which)
                | Notice::ProviderRemoved(which) => (which.as_str(), String::new()),
                Notice::Deactivated(at) | Notice::DeletionRequested(at) => {
                    ("", at.format("%Y-%m-%d").to_string())
                }
                _ => ("", String::new()),
            };
            context! {
                code => "",
                at => at.format("%Y-%m-%d %H:%M UTC").to_string(),
                ip => ip.to_string(),
                agent => harmless(user_agent),
                which,
                erase_on,
                ..known
            }
        }
    };
    let rendered = TEMPLATES.get_template(&name).and_then(|t| t.render(values));
    rendered
        .map(|text| text.trim().to_owned())
        .map_err(|error| {
            tracing::error!(name, %error, "a template can't be rendered");
            Failure::Dead("the message can't be rendered".into())
        })
}

const fn name(content: &Content) -> &'static str {
    match content {
        Content::Code { .. } => "code",
        Content::Notice { notice, .. } => match notice {
            Notice::PasswordChanged => "password_changed",
            Notice::UsernameChanged => "username_changed",
            Notice::AddressAdded(_) => "address_added",
            Notice::AddressRemoved(_) => "address_removed",
            Notice::ProviderAdded(_) => "provider_added",
            Notice::ProviderRemoved(_) => "provider_removed",
            Notice::NewSignIn => "new_sign_in",
            Notice::SessionStolen => "session_stolen",
            Notice::Deactivated(_) => "deactivated",
            Notice::DeletionRequested(_) => "deletion_requested",
        },
    }
}

/// Rounded up: a code that was asked for a second ago is good for 5 minutes.
fn minutes(left: chrono::TimeDelta) -> i64 {
    ((left.num_seconds() + 59) / 60).max(1)
}

/// Whoever signs in chooses what their program calls itself: no link of theirs,
/// nor what a reader's program would take for one, gets into a mail of ours.
fn harmless(user_agent: &str) -> String {
    let next = user_agent.chars().skip(1).chain([' ']);
    let is_plain = |(c, next): &(char, char)| match c {
        '.' => next.is_ascii_digit(),
        c => c.is_ascii_alphanumeric() || " /_();,+-".contains(*c),
    };
    let kept = user_agent.chars().zip(next).filter(is_plain);
    kept.map(|(c, _)| c).take(120).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::{
        identity::{code::Purpose, identifier::Address, session::Device},
        notify::Language,
    };

    fn every_message(language: Language) -> Vec<Message> {
        let to = Address::parse("ann@example.com", "US".parse().unwrap()).unwrap();
        let device = Device {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: "Browser/1.0 <b> https://www.evil.example".into(),
            language,
        };
        let now = DateTime::UNIX_EPOCH;
        let code = |purpose| Message::code(&to, purpose, "271828".into(), now, language);
        let notices = [
            Notice::PasswordChanged,
            Notice::AddressAdded("b***@example.com".into()),
            Notice::AddressRemoved("+1***71".into()),
            Notice::ProviderAdded("Google".into()),
            Notice::ProviderRemoved("VK".into()),
            Notice::NewSignIn,
            Notice::SessionStolen,
            Notice::UsernameChanged,
            Notice::Deactivated(now),
            Notice::DeletionRequested(now),
        ];
        let notice = |notice| Message::notice(&to, notice, now, &device);
        let codes = Purpose::ALL.map(code).into_iter();
        codes.chain(notices.map(notice)).collect()
    }

    #[test]
    fn every_message_says_something_in_every_language_and_form() {
        for language in Language::ALL {
            for message in every_message(language) {
                let text = |form| text(&message, form, DateTime::UNIX_EPOCH).unwrap();
                let all = Form::ALL.map(text);
                assert!(all.iter().all(|text| text.len() > 10), "{all:?}");
                let is_russian = |text: &String| text.contains(|c| ('а'..='я').contains(&c));
                assert!(
                    all.iter()
                        .all(|text| is_russian(text) == (language == Language::Ru))
                );
                let [subject, plain, html, _] = all;
                assert!(
                    !subject.contains('\n') && !subject.contains("271828"),
                    "{subject}"
                );
                assert!(html.starts_with("<!doctype html>") && html.contains(&subject));
                assert!(!plain.contains('<'), "{plain}");
                for text in [plain, html] {
                    assert!(
                        !text.contains("https://") && !text.contains("<b>"),
                        "{text}"
                    );
                    assert!(!text.contains("\n\n\n"), "{text}");
                }
            }
        }
    }
}
