//! What people read: pages in their language, and message texts.
//!
//! | file | role |
//! | --- | --- |
//! | `builtin` | templates, texts and style in the binary, and a sample of each case |
//! | `reader` | whoever asks for a page, and what is answered |
//! | `notice` | pages that only say something |
//! | `assets` | the stylesheet, and an operator's logo |
//! | `guard` | the headers that no answer lacks |

mod assets;
mod builtin;
mod guard;
mod notice;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    assets::{logo, stylesheet},
    builtin::load,
    guard::guard,
    notice::Notice,
    reader::Reader,
};
