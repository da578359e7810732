//! The OpenAPI document, as a list of what can be asked.

use http::Method;
use serde_json::Value;

use super::TestApp;

/// One method of a path of the OpenAPI document.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: Method,
    /// As in the document, with names in braces.
    pub template: String,
    /// A path that could exist.
    pub path: String,
    /// What the document says of it.
    pub said: Value,
}

impl TestApp {
    /// Every operation of the document.
    pub async fn operations(&self) -> Vec<Operation> {
        let document = self.get("/openapi.json", None).await.json();
        let mut all = Vec::new();
        for (template, item) in document["paths"].as_object().expect("paths") {
            for method in methods(item) {
                let said = item[method.as_str().to_lowercase()].clone();
                let (template, path) = (template.clone(), filled_in(template));
                all.push(Operation {
                    method,
                    template,
                    path,
                    said,
                });
            }
        }
        all
    }
}

/// Beside methods, a path may have a summary and parameters.
fn methods(item: &Value) -> impl Iterator<Item = Method> {
    let known = ["get", "post", "put", "patch", "delete"];
    let names = known.into_iter().filter(|name| item.get(name).is_some());
    names.map(|name| name.to_uppercase().parse().expect("a method"))
}

fn filled_in(template: &str) -> String {
    let segments = template.split('/').map(|segment| match segment {
        "{code}" => "internal".to_owned(),
        "{kind}" => "email".to_owned(),
        "{provider}" => "vk".to_owned(),
        "{id}" => uuid::Uuid::nil().to_string(),
        segment => {
            assert!(!segment.starts_with('{'), "{template}: what is it?");
            segment.to_owned()
        }
    });
    segments.collect::<Vec<_>>().join("/")
}
