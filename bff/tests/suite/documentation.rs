use std::path::Path;

/// `file.rs::test`, as docs/security.md names tests.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| {
        let (file, test) = name.split_once("::")?;
        file.ends_with(".rs").then_some((file, test))
    })
}

#[test]
fn what_is_said_about_security_names_tests_that_exist() {
    let bff = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = bff.parent().unwrap();
    let text = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let places = [bff.join("tests/suite"), bff.join("src"), root.to_owned()];
    let exists = |file: &str, test: &str| {
        places.iter().any(|place| {
            let source = std::fs::read_to_string(place.join(file));
            source.is_ok_and(|source| source.contains(&format!("fn {test}(")))
        })
    };
    let missing: Vec<_> = named(&text)
        .filter(|(file, test)| *file != "file.rs" && !exists(file, test))
        .collect();
    assert_eq!(missing, []);
    assert!(named(&text).count() > 80);
}
