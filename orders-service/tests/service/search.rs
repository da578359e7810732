use proptest::prelude::*;
use proto::orders::v1::{ItemSort, ListItemsRequest};

use crate::{
    helpers::{Service, invalid_fields},
    shop::{self, NewItem},
};

async fn titles(service: &Service, query: &str, sort: ItemSort) -> Vec<String> {
    let request = ListItemsRequest {
        query: query.into(),
        sort: sort.into(),
        ..ListItemsRequest::default()
    };
    let found = service
        .public_catalog()
        .list_items(request)
        .await
        .unwrap()
        .into_inner();
    found.items.into_iter().map(|item| item.title).collect()
}

async fn library() -> Service {
    let service = Service::start().await;
    let mut sql = service.sql().await;
    for (title, author, description) in [
        (
            "The Hobbit",
            "J. R. R. Tolkien",
            "A burglar, a dragon and thirteen dwarves.",
        ),
        (
            "Harry Potter and the Goblet of Fire",
            "J. K. Rowling",
            "A tournament of wizards.",
        ),
        (
            "A Wizard of Earthsea",
            "Ursula K. Le Guin",
            "A boy learns the true names of things.",
        ),
        (
            "The Dispossessed",
            "Ursula K. Le Guin",
            "A physicist between two worlds.",
        ),
        (
            "Dragons: a Field Guide",
            "Anonymous",
            "How to tell a wyvern from a drake.",
        ),
        (
            "One Hundred Years of Solitude",
            "Gabriel García Márquez",
            "A family in Macondo.",
        ),
    ] {
        shop::item(
            &mut sql,
            NewItem {
                title,
                author,
                description,
                ..NewItem::default()
            },
        )
        .await;
    }
    service
}

#[tokio::test]
async fn words_are_found_in_title_author_and_text_the_title_first() {
    let service = library().await;
    let found = titles(&service, "dragon", ItemSort::Relevance).await;
    assert_eq!(found, ["Dragons: a Field Guide", "The Hobbit"]);
    let found = titles(&service, "wizards", ItemSort::Unspecified).await;
    assert_eq!(
        found,
        [
            "A Wizard of Earthsea",
            "Harry Potter and the Goblet of Fire"
        ]
    );
    let found = titles(&service, "ursula physicist", ItemSort::Unspecified).await;
    assert_eq!(found, ["The Dispossessed"]);
    let found = titles(&service, "\"field guide\"", ItemSort::Unspecified).await;
    assert_eq!(found, ["Dragons: a Field Guide"]);
}

#[tokio::test]
async fn words_with_typing_errors_are_found_in_every_sort() {
    let service = library().await;
    for sort in [
        ItemSort::Relevance,
        ItemSort::Newest,
        ItemSort::PriceAscending,
        ItemSort::PriceDescending,
        ItemSort::Bestselling,
    ] {
        for (query, title) in [
            ("hary poter", "Harry Potter and the Goblet of Fire"),
            ("the hobit", "The Hobbit"),
            ("earthse", "A Wizard of Earthsea"),
            ("tolkein", "The Hobbit"),
            ("garcia marquez", "One Hundred Years of Solitude"),
            ("disposessed", "The Dispossessed"),
        ] {
            let found = titles(&service, query, sort).await;
            assert!(
                found.iter().any(|one| one == title),
                "{query} by {sort:?}: {found:?}"
            );
        }
    }
}

#[tokio::test]
async fn accents_and_their_absence_make_no_difference() {
    let service = library().await;
    for query in [
        "garcia marquez",
        "GARCÍA MÁRQUEZ",
        "garcía márquez solitude",
    ] {
        let found = titles(&service, query, ItemSort::Unspecified).await;
        assert_eq!(found, ["One Hundred Years of Solitude"], "{query}");
    }
}

#[tokio::test]
async fn a_tag_narrows_a_search_with_typing_errors_too() {
    let service = library().await;
    let mut sql = service.sql().await;
    let new = NewItem {
        title: "A Hobbit's Cookery",
        tags: &["cookery"],
        ..NewItem::default()
    };
    shop::item(&mut sql, new).await;
    let request = ListItemsRequest {
        query: "hobit".into(),
        tag: "cookery".into(),
        ..ListItemsRequest::default()
    };
    let found = service
        .public_catalog()
        .list_items(request)
        .await
        .unwrap()
        .into_inner();
    let found: Vec<_> = found.items.into_iter().map(|item| item.title).collect();
    assert_eq!(found, ["A Hobbit's Cookery"]);
}

#[tokio::test]
async fn what_has_the_words_stands_before_what_has_similar_ones() {
    let service = library().await;
    let mut sql = service.sql().await;
    let new = NewItem {
        title: "Hobbits Revisited",
        author: "Hobit",
        ..NewItem::default()
    };
    shop::item(&mut sql, new).await;
    let found = titles(&service, "hobit", ItemSort::Relevance).await;
    assert_eq!(found[0], "Hobbits Revisited");
    assert!(found.contains(&"The Hobbit".to_owned()), "{found:?}");
}

#[tokio::test]
async fn words_that_nothing_is_like_find_nothing() {
    let service = library().await;
    let found = titles(&service, "xylophone quartet", ItemSort::Unspecified).await;
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn relevance_without_words_is_refused() {
    let service = Service::start().await;
    let request = ListItemsRequest {
        sort: ItemSort::Relevance.into(),
        ..ListItemsRequest::default()
    };
    assert_eq!(
        invalid_fields(service.public_catalog().list_items(request).await),
        ["sort"]
    );
}

#[tokio::test]
async fn a_query_of_more_than_200_characters_is_refused() {
    let service = Service::start().await;
    let list = async |query: String| {
        let request = ListItemsRequest {
            query,
            ..ListItemsRequest::default()
        };
        service.public_catalog().list_items(request).await
    };
    assert!(list("é".repeat(200)).await.is_ok());
    assert_eq!(invalid_fields(list("é".repeat(201)).await), ["query"]);
}

#[test]
fn no_text_makes_the_search_fail() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let service = runtime.block_on(library());
    let odd = r#"[ '"!&|:*<>()\\%_a-zé日🦀\u{1}\u{202e}-]{0,60}"#;
    proptest!(ProptestConfig::with_cases(200), |(query in odd)| {
        runtime.block_on(titles(&service, &query, ItemSort::Unspecified));
    });
    let _running = runtime.enter();
    drop(service);
}
