//! Elements by role and accessible name.

use std::fmt;

/// The role of an element, as a person sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Something to press.
    Button,
    /// A link to another page.
    Link,
    /// A slider.
    Slider,
    /// A field for text or a number.
    Text,
    /// A box to tick.
    Checkbox,
    /// A choice from a list.
    Choice,
    /// A heading.
    Heading,
    /// A named part of the page.
    Region,
    /// A drawing or an image.
    Image,
}

impl Role {
    /// The elements that have this role.
    pub(crate) fn selector(self) -> &'static str {
        match self {
            Self::Button => "button, [role=button], [role=tab], summary",
            Self::Link => "a[href]",
            Self::Slider => "input[type=range]",
            Self::Text => {
                "input:not([type]), input[type=text], input[type=number], input[type=search], textarea"
            }
            Self::Checkbox => "input[type=checkbox], [role=switch], [role=checkbox]",
            Self::Choice => "select",
            Self::Heading => "h1, h2, h3",
            Self::Region => "section, article, form, figure, fieldset, [role=region], [role=group]",
            Self::Image => "canvas, img, svg, [role=img]",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Finds the visible elements of `selector` whose accessible name is `name`. If there are none, finds those whose name
/// starts with it, then those whose name contains it. Arguments: selector, name. Returns a list of elements.
pub(crate) const BY_NAME: &str = r"
const [selector, wanted] = arguments;
const plain = (text) => (text || '').replace(/\s+/g, ' ').trim();
const without = (node, child) => {
  const copy = node.cloneNode(true);
  copy.querySelectorAll('input, select, textarea, [aria-hidden=true]').forEach((part) => part.remove());
  return plain(copy.textContent);
};
const nameOf = (element) => {
  const by = element.getAttribute('aria-labelledby');
  if (by) return plain(by.split(/\s+/).map((id) => document.getElementById(id)?.textContent).join(' '));
  const own = element.getAttribute('aria-label');
  if (own) return plain(own);
  if (element.labels?.length) return plain([...element.labels].map((label) => without(label)).join(' '));
  return without(element) || plain(element.alt || element.title || element.placeholder);
};
const seen = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== 'hidden';
const named = [...document.querySelectorAll(selector)].filter(seen).map((element) => [nameOf(element), element]);
const by = (rule) => named.filter(([name]) => rule(name)).map(([, element]) => element);
const exact = by((name) => name === wanted);
if (exact.length) return exact;
const begun = by((name) => name.startsWith(wanted));
return begun.length ? begun : by((name) => name.includes(wanted));
";
