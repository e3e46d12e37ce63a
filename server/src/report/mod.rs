//! A study as one HTML file that opens without a server and without a network.
//!
//! | file | holds |
//! |---|---|
//! | `gather` | [`report`]: reads what the page shows; [`Report`] |
//! | `page` | the page, section by section |
//! | `results`, `settings` | its tables |
//! | `pictures` | what the trigger does to some images |
//! | `notes` | the author's notes, from Markdown |
//! | `html` | escaped text, tables |
//! | `style.css` | its style; the colours and the font are those of the dashboard's pages |

mod gather;
mod html;
mod notes;
mod page;
mod pictures;
mod results;
mod settings;

pub use gather::{Report, ReportError, report};
