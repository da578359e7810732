use uuid::Uuid;

use crate::identity::Role;

/// Who may see a cached value. Every key has one, so two users never share
/// bytes by forgetting to say whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everyone, signed in or not.
    Public,
    /// One user.
    User(Uuid),
    /// One user, as long as they have this role.
    UserRole(Uuid, Role),
}

impl Scope {
    fn user(self) -> Option<Uuid> {
        match self {
            Self::Public => None,
            Self::User(id) | Self::UserRole(id, _) => Some(id),
        }
    }
}

/// What a cached value tells of, beyond whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    None,
    Item(Uuid),
    Catalogue,
}

/// The name of a cached value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    name: &'static str,
    scope: Scope,
    subject: Subject,
    detail: Box<str>,
    shared: bool,
}

impl Key {
    /// `name` is that of a kind of values, such as a screen's part.
    #[must_use]
    pub fn new(name: &'static str, scope: Scope) -> Self {
        Self {
            name,
            scope,
            subject: Subject::None,
            detail: Box::default(),
            shared: true,
        }
    }

    /// The value tells of this item, and goes when the item changes.
    #[must_use]
    pub fn of_item(self, id: Uuid) -> Self {
        Self {
            subject: Subject::Item(id),
            ..self
        }
    }

    /// The value tells of many items, and goes when any item changes.
    #[must_use]
    pub fn of_catalogue(self) -> Self {
        Self {
            subject: Subject::Catalogue,
            ..self
        }
    }

    /// Tells values of the same name and scope apart.
    #[must_use]
    pub fn detail(self, detail: impl Into<Box<str>>) -> Self {
        Self {
            detail: detail.into(),
            ..self
        }
    }

    /// The value stays in this replica's memory: for values of which clients
    /// can ask for any number, such as searches, which Redis has no room for.
    #[must_use]
    pub fn local(self) -> Self {
        Self {
            shared: false,
            ..self
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// What makes the value old when it changes.
    pub(super) fn tags(&self) -> Tags {
        let subject = match self.subject {
            Subject::None => None,
            Subject::Item(id) => Some(Tag::Item(id)),
            Subject::Catalogue => Some(Tag::Catalogue),
        };
        [self.scope.user().map(Tag::User), subject]
    }

    /// As it stands in Redis. Fields can't run into each other: only the last
    /// one may hold a colon.
    pub(super) fn text(&self) -> String {
        let scope = match self.scope {
            Scope::Public => "public".to_owned(),
            Scope::User(id) => format!("user.{}", id.simple()),
            Scope::UserRole(id, role) => format!("user.{}.{role}", id.simple()),
        };
        let subject = match self.subject {
            Subject::None => String::new(),
            Subject::Item(id) => id.simple().to_string(),
            Subject::Catalogue => "catalogue".to_owned(),
        };
        format!("{}:{scope}:{subject}:{}", self.name, self.detail)
    }

    /// Bytes that it takes, about.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.detail.len()
    }
}

/// What a value depends on: a user, and what it tells of.
pub(super) type Tags = [Option<Tag>; 2];

/// Something whose change makes values old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    User(Uuid),
    Item(Uuid),
    Catalogue,
}

impl Tag {
    /// As it stands in Redis.
    pub(super) fn text(self) -> String {
        match self {
            Self::User(id) => format!("user.{}", id.simple()),
            Self::Item(id) => format!("item.{}", id.simple()),
            Self::Catalogue => "catalogue".to_owned(),
        }
    }
}

/// What has changed, so that nothing cached of it may be served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Invalidate {
    /// What is shown to this user about itself: profile, accounts, orders.
    User(Uuid),
    /// What is shown of this item, to anyone.
    Item(Uuid),
    /// Everything: changes may have been missed.
    Everything,
}

impl Invalidate {
    /// None for everything.
    pub(super) fn tags(self) -> Tags {
        match self {
            Self::User(id) => [Some(Tag::User(id)), None],
            // Lists and recommendations show it too.
            Self::Item(id) => [Some(Tag::Item(id)), Some(Tag::Catalogue)],
            Self::Everything => [None, None],
        }
    }
}
