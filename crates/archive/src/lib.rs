//! Tar streams of layers, images and `cp`: a reader and an applier that stand hostile input, and a writer.

mod error;

pub use error::{Error, Result};
