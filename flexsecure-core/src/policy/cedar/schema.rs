//! The schema of an app, in Cedar's JSON form: no name in it has to be escaped.

use serde_json::{Map, Value, json};

use super::vocabulary::{
    AGE, Attribute, HELD, Kind, METHOD, MINUTE, NETWORK, REFUSALS, ROUTE, WEEKDAY,
};

/// The schema for `actions`, each called `METHOD /route` and in the group `METHOD`.
pub(super) fn of<'a>(
    actions: impl Iterator<Item = &'a String>,
    systems: &[String],
    attributes: &[Attribute],
    has_refusals: bool,
) -> Value {
    let mut all = Map::new();
    for name in actions {
        let group = name.split(' ').next().unwrap_or_default();
        let applies_to = json!({
            "principalTypes": ["User"],
            "resourceTypes": ["App"],
            "context": {"type": "Request"},
        });
        all.insert(group.to_owned(), json!({}));
        all.insert(name.clone(), json!({"memberOf": [{"id": group}], "appliesTo": applies_to}));
    }
    let held = systems.iter().map(|it| (it.clone(), json!({"type": "Proof", "required": false})));
    let mut request = Map::from_iter([
        (ROUTE.to_owned(), json!({"type": "String"})),
        (MINUTE.to_owned(), json!({"type": "Long"})),
        (WEEKDAY.to_owned(), json!({"type": "String"})),
        (HELD.to_owned(), json!({"type": "Record", "attributes": Map::from_iter(held)})),
        (NETWORK.to_owned(), json!({"type": "Extension", "name": "ipaddr", "required": false})),
    ]);
    if has_refusals {
        request.insert(REFUSALS.to_owned(), json!({"type": "Long"}));
    }
    for Attribute { name, kind, .. } in attributes {
        let attribute = match kind {
            Kind::Decimal => json!({"type": "Extension", "name": "decimal", "required": false}),
            Kind::Text => json!({"type": "String", "required": false}),
        };
        request.insert(name.clone(), attribute);
    }
    let proof = json!({AGE: {"type": "Long"}, METHOD: {"type": "String"}});
    json!({"": {
        "entityTypes": {"User": {}, "App": {}},
        "commonTypes": {
            "Request": {"type": "Record", "attributes": request},
            "Proof": {"type": "Record", "attributes": proof},
        },
        "actions": all,
    }})
}
