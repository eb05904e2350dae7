//! What policies can be about: the routes, systems and attributes of one app, as a Cedar schema, and
//! requests in its terms.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cedar_policy::{
    Context, Entities, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
    SchemaFragment,
};

use super::{CedarError, schema};
use crate::policy::Facts;
use crate::time::seconds_rounded_up;
use crate::{Elevations, Requirement, Timestamp};

pub(super) struct Vocabulary {
    pub(super) schema: Schema,
    /// The same, to be read.
    pub(super) text: String,
    /// Which actions are in which group.
    pub(super) entities: Entities,
    /// By `METHOD /route`.
    actions: HashMap<String, EntityUid>,
    user: EntityTypeName,
    app: EntityUid,
    /// For each system, what a proof for anything it asks for is held as.
    systems: Vec<Requirement>,
    attributes: Vec<Attribute>,
    /// How far back refusals are counted, if they are.
    pub(super) refusals: Option<Duration>,
    pub(super) reads_body: bool,
}

/// What an app tells of a request on its own account.
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) read: Box<Read>,
}

pub(super) type Read = dyn Fn(&Facts<'_>) -> Option<String> + Send + Sync;

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Decimal,
    Text,
}

/// What an app declares.
pub(super) struct Declared {
    pub(super) app: String,
    /// Methods and patterns.
    pub(super) routes: Vec<(String, String)>,
    pub(super) systems: Vec<String>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) refusals: Option<Duration>,
    pub(super) reads_body: bool,
}

/// Why a request can't be told of in these terms; no policy is asked about it then.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("no route was matched")]
    NoRoute,
    #[error("the route is not one of those declared")]
    UnknownRoute,
    #[error("the attribute {0:?} is no decimal number")]
    NoDecimal(String),
    #[error("the request has no form in Cedar")]
    NoForm(#[source] Box<dyn Error + Send + Sync>),
}

impl Unfit {
    fn no_form(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::NoForm(Box::new(cause))
    }
}

impl Vocabulary {
    pub(super) fn new(declared: Declared) -> Result<Self, CedarError> {
        let Declared { app, routes, systems, attributes, refusals, reads_body } = declared;
        let cant = |name: &str, role| CedarError::Vocabulary { name: name.to_owned(), role };
        let mut actions = HashMap::new();
        let [user_type, app_type, action_type] = ["User", "App", "Action"].map(entity_type);
        for (method, route) in &routes {
            let is_method = !method.is_empty() && method.bytes().all(|it| it.is_ascii_uppercase());
            let name = action_name(method, route);
            if !is_method || !route.starts_with('/') {
                return Err(cant(&name, "a route: it is a method in capitals and a pattern"));
            }
            let action_type = action_type.clone().ok_or_else(|| cant("Action", "a type"))?;
            let action = EntityUid::from_type_name_and_id(action_type, EntityId::new(&name));
            actions.insert(name, action);
        }
        for (number, Attribute { name, .. }) in attributes.iter().enumerate() {
            let twice = attributes.iter().skip(number.saturating_add(1)).any(|it| it.name == *name);
            if name.is_empty() || twice || BUILT_IN.contains(&name.as_str()) {
                return Err(cant(name, "an attribute: it is taken, or empty"));
            }
        }
        let value = schema::of(actions.keys(), &systems, &attributes, refusals.is_some());
        let broken = |_| cant(&app, "an app with these routes, systems and attributes");
        let fragment = SchemaFragment::from_json_value(value).map_err(broken)?;
        let text = fragment.to_cedarschema().map_err(|_| cant(&app, "written as a schema"))?;
        let schema = Schema::from_schema_fragments([fragment]).map_err(broken)?;
        let entities = schema.action_entities().map_err(|_| cant(&app, "an app"))?;
        let app_type = app_type.ok_or_else(|| cant("App", "a type"))?;
        Ok(Self {
            schema,
            text,
            entities,
            actions,
            user: user_type.ok_or_else(|| cant("User", "a type"))?,
            app: EntityUid::from_type_name_and_id(app_type, EntityId::new(&app)),
            systems: systems.iter().map(|system| Requirement::system(system)).collect(),
            attributes,
            refusals,
            reads_body,
        })
    }

    pub(super) fn has_system(&self, name: &str) -> bool {
        self.systems.iter().any(|system| system.scope().system() == name)
    }

    /// The request that `facts` tell of.
    pub(super) fn request(
        &self,
        facts: &Facts<'_>,
        held: Option<&Elevations>,
        refusals: Option<u32>,
    ) -> Result<Request, Unfit> {
        let route = facts.matched_route().ok_or(Unfit::NoRoute)?;
        let action = self.actions.get(&action_name(facts.method(), &route));
        let action = action.ok_or(Unfit::UnknownRoute)?.clone();
        let context = self.context(facts, &route, held, refusals)?;
        let user = EntityId::new(facts.identity().auth_id());
        let user = EntityUid::from_type_name_and_id(self.user.clone(), user);
        // Without a schema: what is built here fits the one that policies were held against, and
        // tests see to that.
        Request::new(user, action, self.app.clone(), context, None).map_err(Unfit::no_form)
    }

    fn context(
        &self,
        facts: &Facts<'_>,
        route: &str,
        held: Option<&Elevations>,
        refusals: Option<u32>,
    ) -> Result<Context, Unfit> {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let now = facts.now();
        let mut pairs = vec![
            (ROUTE.to_owned(), text(route)),
            (MINUTE.to_owned(), RestrictedExpression::new_long(minute(now))),
            (WEEKDAY.to_owned(), text(weekday(now))),
            (HELD.to_owned(), self.held(facts, held)?),
        ];
        if let Some(address) = facts.address() {
            let address = address.to_canonical().to_string();
            pairs.push((NETWORK.to_owned(), RestrictedExpression::new_ip(address)));
        }
        if let Some(refusals) = refusals {
            let refusals = RestrictedExpression::new_long(refusals.into());
            pairs.push((REFUSALS.to_owned(), refusals));
        }
        for Attribute { name, kind, read } in &self.attributes {
            let Some(value) = read(facts) else { continue };
            let value = match kind {
                Kind::Text => RestrictedExpression::new_string(value),
                Kind::Decimal => {
                    let decimal = decimal(&value).ok_or_else(|| Unfit::NoDecimal(name.clone()))?;
                    RestrictedExpression::new_decimal(decimal)
                }
            };
            pairs.push((name.clone(), value));
        }
        Context::from_pairs(pairs).map_err(Unfit::no_form)
    }

    /// The proofs at hand that are good for more than one request, by system.
    fn held(
        &self,
        facts: &Facts<'_>,
        held: Option<&Elevations>,
    ) -> Result<RestrictedExpression, Unfit> {
        let own = held.filter(|held| held.auth_id() == facts.identity().auth_id());
        let list = own.map(Elevations::list).unwrap_or_default();
        let now = facts.now();
        let mut systems = Vec::new();
        for system in &self.systems {
            let found = list.iter().find(|elevation| {
                elevation.scope() == system.scope()
                    && !elevation.is_spent()
                    && !elevation.is_outlived(now)
            });
            let Some(elevation) = found else { continue };
            let age = seconds_rounded_up(now.since(elevation.authenticated_at()));
            let method = elevation.method().as_str().to_owned();
            let proof = RestrictedExpression::new_record([
                (
                    AGE.to_owned(),
                    RestrictedExpression::new_long(i64::try_from(age).unwrap_or(i64::MAX)),
                ),
                (METHOD.to_owned(), RestrictedExpression::new_string(method)),
            ]);
            let proof = proof.map_err(Unfit::no_form)?;
            systems.push((system.scope().system().to_owned(), proof));
        }
        RestrictedExpression::new_record(systems).map_err(Unfit::no_form)
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("routes", &self.actions.len()).finish_non_exhaustive()
    }
}

fn entity_type(name: &str) -> Option<EntityTypeName> {
    EntityTypeName::from_str(name).ok()
}

/// What is asked with HEAD is what GET would show.
fn declared_method(method: &str) -> &str {
    if method == "HEAD" { "GET" } else { method }
}

fn action_name(method: &str, route: &str) -> String {
    format!("{} {route}", declared_method(method))
}

/// A decimal as Cedar reads it: up to four digits behind the point, which it insists on.
fn decimal(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let is_decimal = are_digits(digits) && are_digits(fraction) && fraction.len() <= 4;
    // It is kept as a whole number of the ten thousandth part.
    let is_in_range = || format!("{whole}{fraction:0<4}").parse::<i64>().is_ok();
    (is_decimal && is_in_range()).then(|| format!("{whole}.{fraction}"))
}

/// Minutes since midnight, in UTC.
fn minute(now: Timestamp) -> i64 {
    i64::try_from(now.as_millis() / 60_000 % 1440).unwrap_or_default()
}

/// The day of the week, in UTC.
fn weekday(now: Timestamp) -> &'static str {
    // The first of January 1970 was a Thursday.
    let day = usize::try_from(now.as_millis() / 86_400_000 % 7).unwrap_or_default();
    WEEKDAYS.get(day).copied().unwrap_or_default()
}

pub(super) const ROUTE: &str = "route";
pub(super) const MINUTE: &str = "minute";
pub(super) const WEEKDAY: &str = "weekday";
pub(super) const HELD: &str = "held";
pub(super) const NETWORK: &str = "network";
pub(super) const REFUSALS: &str = "refusals";
pub(super) const AGE: &str = "age";
pub(super) const METHOD: &str = "method";
const BUILT_IN: [&str; 6] = [ROUTE, MINUTE, WEEKDAY, HELD, NETWORK, REFUSALS];
const WEEKDAYS: [&str; 7] =
    ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
