//! The pages of the link: what is asked is shown, and answered by a POST.
//!
//! | file | role |
//! | --- | --- |
//! | `routes` | who opens the link, and who answers |
//! | `page` | what is shown of a challenge |
//! | `device` | the little that is believed of a user agent |
//! | `form` | the fields of an answer |
//! | `same_origin` | whether it came from the page itself |

mod device;
mod form;
mod page;
mod routes;
mod same_origin;

pub(crate) use self::{
    page::ApprovalPage,
    routes::{answer, show},
};
