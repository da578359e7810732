use std::path::Path;

/// `file.rs::test`, as documents name tests.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| {
        let (file, test) = name.split_once("::")?;
        file.ends_with(".rs").then_some((file, test))
    })
}

/// Whether the source has a function of this name with a test's attribute.
fn is_a_test(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let Some((before, _)) = source.split_once(&head) else {
        return false;
    };
    // What stands between it and the item before: attributes and comments, no more.
    let above = before.rsplit('\n').skip(1);
    let attributes = above.take_while(|line| !line.is_empty() && *line != "}");
    let tests = ["#[test]", "#[tokio::test"];
    let is_test = |line: &str| tests.iter().any(|test| line.trim().starts_with(test));
    attributes.into_iter().any(is_test)
}

#[test]
fn a_helper_is_no_test() {
    assert!(is_a_test(
        "#[tokio::test]\nasync fn it_is_so() {}",
        "it_is_so"
    ));
    assert!(is_a_test("#[case(1)]\n#[test]\nfn it_is_so(", "it_is_so"));
    assert!(!is_a_test("#[test]\nfn a() {\n}\n\nasync fn b() {}", "b"));
    assert!(!is_a_test("#[test]\nfn a() {}", "b"));
}

#[test]
fn the_tests_that_documents_name_exist() {
    let bff = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = bff.parent().unwrap();
    let places = [bff.join("tests/suite"), bff.join("src"), root.to_owned()];
    let exists = |file: &str, test: &str| {
        places.iter().any(|place| {
            let source = std::fs::read_to_string(place.join(file));
            source.is_ok_and(|source| is_a_test(&source, test))
        })
    };
    for (document, least) in [("docs/security.md", 80), ("docs/resilience.md", 25)] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let missing: Vec<_> = named(&text)
            .filter(|(file, test)| *file != "file.rs" && !exists(file, test))
            .collect();
        assert_eq!(missing, [], "{document}");
        assert!(named(&text).count() > least, "{document}");
    }
}
