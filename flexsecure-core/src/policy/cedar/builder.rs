use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::vocabulary::{Attribute, Declared, Kind, Vocabulary};
use super::{CedarError, CedarRules, Origin};
use crate::policy::Facts;

/// What policies can be about; built by [`CedarRules::builder`].
#[must_use]
pub struct CedarBuilder(Declared);

impl CedarBuilder {
    pub(super) fn new() -> Self {
        Self(Declared {
            app: "app".to_owned(),
            routes: Vec::new(),
            systems: Vec::new(),
            attributes: Vec::new(),
            refusals: None,
            reads_body: false,
        })
    }

    /// Names the app, for a file that is there for several: it is the resource, `App::"name"`. It is
    /// `App::"app"` unless named.
    pub fn app(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.app);
        self
    }

    /// Declares the action `Action::"METHOD /route"`, in the group `Action::"METHOD"`. The route is
    /// the pattern as the framework tells it, such as `/users/{id}`.
    ///
    /// A request for any other route is denied, and a policy that names one is refused. HEAD is taken
    /// for GET.
    pub fn route(mut self, method: &str, route: &str) -> Self {
        self.0.routes.push((method.to_owned(), route.to_owned()));
        self
    }

    /// Declares several of them.
    pub fn routes<'t>(self, routes: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        routes.into_iter().fold(self, |builder, (method, route)| builder.route(method, route))
    }

    /// Declares a system that `@system` may ask for, and `context.held` tells of.
    pub fn system(mut self, name: &str) -> Self {
        if !self.0.systems.iter().any(|known| known == name) {
            self.0.systems.push(name.to_owned());
        }
        self
    }

    /// Adds `context.NAME`, a number with up to four digits behind the point, such as an amount.
    ///
    /// `read` gives it as it was sent, like `250` or `99.95`; it is never a float. Where it gives
    /// nothing the attribute is absent, and where it gives anything else the request is denied.
    pub fn decimal(
        mut self,
        name: &str,
        read: impl Fn(&Facts<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let read = Box::new(read);
        self.0.attributes.push(Attribute { name: name.to_owned(), kind: Kind::Decimal, read });
        self
    }

    /// Adds `context.NAME`, a text; where `read` gives nothing it is absent.
    pub fn text(
        mut self,
        name: &str,
        read: impl Fn(&Facts<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let read = Box::new(read);
        self.0.attributes.push(Attribute { name: name.to_owned(), kind: Kind::Text, read });
        self
    }

    /// Adds `context.refusals`: how many of the user's flows have ended by a refusal `within` this
    /// time, up to [an hour](crate::store::REFUSALS_WINDOW). The store is asked on every request.
    pub const fn count_refusals(mut self, within: Duration) -> Self {
        self.0.refusals = Some(within);
        self
    }

    /// Tells that an attribute is read from the body: the rules then belong into a layer that reads
    /// it.
    pub const fn reads_body(mut self) -> Self {
        self.0.reads_body = true;
        self
    }

    /// Reads the rules from `file`, whose last line is `// end`.
    ///
    /// # Errors
    ///
    /// [`CedarError`] if it can't be read, or the rules are refused.
    pub fn read_file(self, file: impl Into<PathBuf>) -> Result<CedarRules, CedarError> {
        CedarRules::new(Vocabulary::new(self.0)?, Origin::File(file.into()))
    }

    /// Takes the rules in `text`. They can't be reloaded.
    ///
    /// # Errors
    ///
    /// [`CedarError`] if the rules are refused.
    pub fn read_text(self, text: &str) -> Result<CedarRules, CedarError> {
        CedarRules::new(Vocabulary::new(self.0)?, Origin::Text(text.to_owned()))
    }
}

impl fmt::Debug for CedarBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CedarBuilder").field("app", &self.0.app).finish_non_exhaustive()
    }
}
