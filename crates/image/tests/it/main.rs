//! The image store as a whole, on archives made here. Needs root (whiteouts are devices, owners are changed).

mod check;
mod commit;
mod corpus;
mod load;
mod names;
mod pull;
mod registry;
mod save;
mod support;
