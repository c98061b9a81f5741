//! The applier against hostile and ordinary layers. Needs root: whiteouts are devices, marks are trusted attributes.

mod hostile;
mod layer;
mod mutate;
mod oracle;
mod pack;
mod support;
