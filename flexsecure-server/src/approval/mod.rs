//! The pages of the link: what is asked is shown, and answered by a POST.

mod form;
mod routes;
mod same_origin;

pub(crate) use self::routes::{answer, show};
