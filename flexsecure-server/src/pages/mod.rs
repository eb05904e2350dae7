//! What people read: pages and message texts, from templates.

mod headers;
mod templates;

pub use self::templates::RenderError;
pub(crate) use self::{
    headers::{guard, stylesheet},
    templates::Pages,
};
