//! What the document says of each call, for tests of all of them.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Office;

/// A call as it is described.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// With names in braces.
    pub(crate) path: String,
    pub(crate) scope: String,
    /// What can be sent, if anything can.
    pub(crate) media_type: Option<String>,
    pub(crate) body: Value,
}

/// Every call that the served document describes.
pub(crate) async fn calls(office: &Office) -> Vec<Call> {
    let document = office.get("openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let content = operation["requestBody"]["content"].as_object();
            let (media_type, schema) = content
                .and_then(|content| content.iter().next())
                .map_or((None, &Value::Null), |(kind, content)| {
                    (Some(kind.clone()), &content["schema"])
                });
            calls.push(Call {
                method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                path: path.clone(),
                scope: operation["security"][0]["apikey"][0].as_str().unwrap().to_owned(),
                media_type,
                body: sample(&document, schema),
            });
        }
    }
    assert!(calls.len() > 20);
    calls
}

/// Something that the schema allows.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        return sample(document, &document["components"]["schemas"][name]);
    }
    if let Some(word) = schema["enum"][0].as_str() {
        return json!(word);
    }
    if let Some(first) = schema["oneOf"].as_array().and_then(|all| all.first()) {
        return sample(document, first);
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields: Map<_, _> = required
                .iter()
                .map(|name| name.as_str().unwrap())
                .map(|name| (name.to_owned(), named(document, name, &schema["properties"][name])))
                .collect();
            Value::Object(fields)
        }
        Some("array") => json!([sample(document, &schema["items"])]),
        Some("boolean") => json!(true),
        Some("integer") => json!(5),
        Some("string") => json!("bank"),
        _ => Value::Null,
    }
}

/// Where the type alone does not say what is meant.
fn named(document: &Value, name: &str, schema: &Value) -> Value {
    match name {
        "sms_countries" => json!(["+43"]),
        "address" => json!("someone@example.com"),
        "authid" => json!("alice"),
        "name" => json!("fresh"),
        _ => sample(document, schema),
    }
}
